// On a narrow screen the rooms and the people slide in from the sides. While one is open the rest of the page cannot be
// reached, and Escape, the backdrop and its own button close it.

import { byId } from './dom.js';

/** @param {{ button: string, side: string }[]} pairs */
export function createDrawers(pairs) {
  const main = byId('room-main');
  const backdrop = byId('backdrop');
  /** @type {{ button: HTMLElement, side: HTMLElement } | null} */
  let opened = null;

  function close() {
    if (!opened) return;
    const { button, side } = opened;
    opened = null;
    side.classList.remove('opened');
    button.setAttribute('aria-expanded', 'false');
    backdrop.hidden = true;
    main.inert = false;
    button.focus();
  }

  for (const pair of pairs) {
    const button = byId(pair.button);
    const side = byId(pair.side);
    button.addEventListener('click', () => {
      // Where the side is always there, the button only leads to it.
      if (getComputedStyle(side).position !== 'fixed') return;
      opened = { button, side };
      side.classList.add('opened');
      button.setAttribute('aria-expanded', 'true');
      backdrop.hidden = false;
      main.inert = true;
      side.querySelector('.drawer-close')?.focus();
    });
    side.querySelector('.drawer-close')?.addEventListener('click', close);
  }
  backdrop.addEventListener('click', close);
  document.addEventListener('keydown', (event) => {
    // What lies above the drawer is closed first.
    if (event.code === 'Escape' && !document.querySelector(':modal')) close();
  });
  // A window that grows wide puts the sides back where they belong.
  for (const width of [720, 1000]) matchMedia(`(min-width: ${width}px)`).addEventListener('change', close);
}
