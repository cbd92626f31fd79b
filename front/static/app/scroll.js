// Keeps the reader's place. At the bottom, new messages scroll; anywhere else what is on screen does not move, and a
// button says what came below.

import { t } from './words.js';

/** This near to the end is "at the bottom". */
const BOTTOM_PX = 30;

/**
 * @param {object} options
 * @param {HTMLElement} options.scroller
 * @param {HTMLElement} options.list
 * @param {HTMLButtonElement} options.button
 */
export function createScroll({ scroller, list, button }) {
  let atBottom = true;
  let below = 0;

  function toBottom() {
    scroller.scrollTop = scroller.scrollHeight;
    atBottom = true;
    show();
  }

  function show() {
    if (atBottom) below = 0;
    button.hidden = atBottom;
    button.textContent = below ? t('new_below', { n: below }) : t('to_bottom');
    button.classList.toggle('fresh', below > 0);
  }

  scroller.addEventListener('scroll', () => {
    const was = atBottom;
    atBottom = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <= BOTTOM_PX;
    if (was !== atBottom) show();
  });
  button.addEventListener('click', () => {
    toBottom();
    scroller.focus({ preventScroll: true });
  });
  // A keyboard that slides in, or a window that changes, must not take the reader from the bottom.
  new ResizeObserver(() => {
    if (atBottom) toBottom();
  }).observe(scroller);

  /** The rows that can be seen, and where. Several, because a change may make the first of them anew. */
  function anchors() {
    const { top, bottom } = scroller.getBoundingClientRect();
    const seen = [];
    for (const row of list.children) {
      const box = row.getBoundingClientRect();
      if (box.top > bottom) break;
      if (box.bottom > top) seen.push({ row, offset: box.top });
    }
    return seen;
  }

  return {
    get atBottom() {
      return atBottom;
    },

    toBottom,

    /** So many messages of others came. @param {number} n */
    arrived(n) {
      if (!atBottom) below += n;
    },

    /** Changes the list without moving what is read. @param {() => void} change */
    around(change) {
      if (atBottom) {
        change();
        toBottom();
        return;
      }
      const before = anchors();
      change();
      const kept = before.find(({ row }) => row.isConnected);
      if (kept) scroller.scrollTop += kept.row.getBoundingClientRect().top - kept.offset;
      show();
    },
  };
}
