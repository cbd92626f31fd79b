// What can be done with a message: one small toolbar that comes to the row that is pointed at, tapped or focused. By
// keyboard: up and down from message to message, Enter or Tab into the toolbar, Escape back to the box.

import { el } from './dom.js';
import { t } from './words.js';

/**
 * @typedef {import('./timeline.js').Said} Said
 * @typedef {object} Action
 * @property {string} key
 * @property {() => string} label
 * @property {(item: Said) => boolean} when
 * @property {(item: Said) => void} run
 */

/**
 * @param {object} options
 * @param {HTMLElement} options.scroller
 * @param {HTMLElement} options.list
 * @param {(element: Element) => import('./rows.js').Row | undefined} options.rowOf
 * @param {Action[]} options.actions In the order of their buttons.
 * @param {() => void} options.onLeave Escape.
 */
export function createActions({ scroller, list, rowOf, actions, onLeave }) {
  const bar = el('div', { class: 'actions', role: 'toolbar' });
  /** @type {HTMLElement | null} Where the toolbar is. */
  let at = null;
  /** @type {HTMLElement | null} The one message that Tab reaches, while the focus is among them. */
  let current = null;

  /** @param {unknown} target @returns {HTMLElement | null} */
  const messageOf = (target) => (target instanceof Element ? target.closest('li.message') : null);

  /** @param {HTMLElement | null} row */
  function show(row) {
    if (row === at) return;
    const known = row && rowOf(row);
    const item = known?.kind === 'message' ? known.item : null;
    const offered = item ? actions.filter(({ when }) => when(item)) : [];
    at = offered.length ? row : null;
    if (!at) return bar.remove();
    bar.setAttribute('aria-label', t('actions_on', { name: item.name }));
    bar.replaceChildren(
      ...offered.map(({ key, label, run }) =>
        el('button', { type: 'button', 'data-key': key, onclick: () => choose(() => run(item)) }, label()),
      ),
    );
    at.append(bar);
  }

  /** @param {() => void} run */
  function choose(run) {
    // Not every browser gives a button the focus when it is tapped; then nothing would take the toolbar away.
    const held = bar.contains(document.activeElement);
    run();
    if (!held) show(null);
  }

  /** @param {HTMLElement} row */
  function focus(row) {
    current?.removeAttribute('tabindex');
    current = row;
    row.tabIndex = 0;
    row.focus({ preventScroll: true });
  }

  /** Up or down from a message, or from what is on screen. @param {HTMLElement | null} from @param {number} step */
  function move(from, step) {
    const rows = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('li.message')]);
    const { bottom } = scroller.getBoundingClientRect();
    const next = from ? rows[rows.indexOf(from) + step] : rows.findLast((row) => row.getBoundingClientRect().top < bottom);
    if (!next) return;
    next.scrollIntoView({ block: 'nearest' });
    focus(next);
  }

  /** @param {number} step */
  function along(step) {
    const buttons = /** @type {HTMLElement[]} */ ([...bar.children]);
    const here = buttons.findIndex((button) => button === document.activeElement);
    buttons[(here + step + buttons.length) % buttons.length]?.focus();
  }

  scroller.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = messageOf(event.target);
    const inBar = bar.contains(/** @type {Node} */ (event.target));
    const keys = /** @type {Record<string, () => void>} */ ({ Escape: onLeave });
    if (row || event.target === scroller) {
      keys.ArrowUp = () => move(row, -1);
      keys.ArrowDown = () => move(row, 1);
    }
    if (row && row === event.target) keys.Enter = () => along(1);
    if (inBar) {
      keys.ArrowLeft = () => along(-1);
      keys.ArrowRight = () => along(1);
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  list.addEventListener('focusin', ({ target }) => show(messageOf(target)));
  list.addEventListener('focusout', ({ relatedTarget: to }) => {
    // A dialog gives the focus back, and another window too.
    if (!(to instanceof Element) || list.contains(to) || to.closest('dialog')) return;
    current?.removeAttribute('tabindex');
    show(null);
  });
  // The pointer does not take the toolbar from who uses it by keyboard, nor while a dialog asks about it.
  const free = ({ pointerType = '' }) =>
    pointerType === 'mouse' && !bar.querySelector(':focus-visible') && !document.querySelector(':modal');
  list.addEventListener('pointerover', (event) => free(event) && show(messageOf(event.target)));
  list.addEventListener('pointerleave', (event) => free(event) && show(messageOf(document.activeElement)));
  // A finger has nothing to hover with: it opens and closes by a tap.
  /** @type {HTMLElement | null} */
  let before = null;
  list.addEventListener('pointerdown', () => (before = at));
  list.addEventListener('click', (event) => {
    const finger = /** @type {PointerEvent} */ (event).pointerType === 'touch';
    const inside = event.target instanceof Element && event.target.closest('a, button');
    if (!finger || inside || String(getSelection())) return;
    const row = messageOf(event.target);
    show(row === before ? null : row);
  });

  return {
    /** @param {HTMLElement} row */
    focus,

    /** Lets the list change under the toolbar and the focus: both go to the element that shows the same message. @param {() => void} change */
    keep(change) {
      const held = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
      const heldIn = messageOf(held);
      const shown = at;
      /** @param {HTMLElement | null} row @returns {HTMLElement | null | undefined} */
      const again = (row) => {
        const key = row && rowOf(row)?.key;
        return key ? /** @type {HTMLElement[]} */ ([...list.children]).find((child) => rowOf(child)?.key === key) : null;
      };
      change();
      if (shown && !shown.isConnected) {
        show(null);
        show(again(shown) ?? null);
      }
      if (!held || held.isConnected) return;
      const row = again(heldIn);
      const button = row && held.dataset.key && row.querySelector(`[data-key="${held.dataset.key}"]`);
      if (button instanceof HTMLElement) button.focus();
      else if (row) focus(row);
      else scroller.focus({ preventScroll: true });
    },
  };
}
