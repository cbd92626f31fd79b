// What the page says to its reader alone: answers to commands, above the box, until they are put away. And one short line
// that goes by itself.

import { byId, el } from './dom.js';
import { t } from './words.js';

/** Long enough to read some words. */
const HINT_MS = 5_000;

/** @param {() => void} onClose Where the focus goes. */
export function createNote(onClose) {
  const place = byId('note');

  function close() {
    const held = place.contains(document.activeElement);
    place.replaceChildren();
    if (held) onClose();
  }

  place.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape') close();
  });

  return {
    close,

    /** @param {string} title @param {...(Node | string)} more */
    show(title, ...more) {
      const button = el('button', { type: 'button', class: 'icon', 'aria-label': t('close'), onclick: close }, '✕');
      place.replaceChildren(el('div', { class: 'note-text' }, el('p', {}, title), ...more), button);
    },
  };
}

let timer = 0;

/** @param {string} text Empty to end the one before. @param {boolean} [stays] Until the next one. */
export function hint(text, stays = false) {
  const line = byId('hint');
  if (line.textContent !== text) line.textContent = text;
  clearTimeout(timer);
  if (text && !stays) timer = setTimeout(() => (line.textContent = ''), HINT_MS);
}
