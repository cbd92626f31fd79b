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
 * @param {() => boolean} options.isCut Whether the end of the list is not the end of what was said.
 * @param {() => Promise<boolean>} options.onEnd Brings the end; says whether it did.
 * @param {() => void} options.onBottom The reader has come to the bottom, or left it.
 */
export function createScroll({ scroller, list, button, isCut, onEnd, onBottom }) {
  let atBottom = true;
  let below = 0;
  /** Where the bottom was when this led there. */
  let placed = 0;

  async function toBottom() {
    if (isCut() && !(await onEnd())) {
      // What is still to be sent is there all the same, as soon as it is drawn.
      await new Promise((done) => setTimeout(done, 0));
      scroller.scrollTop = scroller.scrollHeight;
      return;
    }
    set(true);
    scroller.scrollTop = scroller.scrollHeight;
    placed = scroller.scrollTop;
  }

  /** @param {boolean} now */
  function set(now) {
    const was = atBottom;
    atBottom = now;
    show();
    if (was !== now) onBottom();
  }

  function show() {
    if (atBottom) below = 0;
    button.hidden = atBottom;
    const text = below ? t('new_below', { n: below }) : t('to_bottom');
    if (button.textContent !== text) button.textContent = text;
    button.classList.toggle('fresh', below > 0);
  }

  function look() {
    const now = !isCut() && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <= BOTTOM_PX;
    if (now !== atBottom) set(now);
  }

  /** A reader who has just scrolled up is not taken back before the browser gets to say so. */
  function isAtBottom() {
    if (atBottom && scroller.scrollTop < placed - BOTTOM_PX) look();
    return atBottom;
  }

  scroller.addEventListener('scroll', look);
  button.addEventListener('click', async () => {
    await toBottom();
    scroller.focus({ preventScroll: true });
  });
  // A keyboard that slides in, or a window that changes, must not take the reader from the bottom; and a banner that
  // comes or goes above must not push what is read elsewhere.
  let top = scroller.getBoundingClientRect().top;
  new ResizeObserver(() => {
    const before = top;
    ({ top } = scroller.getBoundingClientRect());
    if (atBottom) void toBottom();
    else scroller.scrollTop += top - before;
  }).observe(scroller);

  /** The rows that can be seen, and where. The list is in order, so the first is found by halving. */
  function seen() {
    const { top, bottom } = scroller.getBoundingClientRect();
    const rows = list.children;
    let [from, to] = [0, rows.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > top) to = middle;
      else from = middle + 1;
    }
    const found = [];
    for (; from < rows.length; from += 1) {
      const row = /** @type {HTMLElement} */ (rows[from]);
      const box = row.getBoundingClientRect();
      if (box.top >= bottom) break;
      found.push({ row, offset: box.top, away: Math.abs(box.top + box.bottom - top - bottom) });
    }
    return found;
  }

  return {
    get atBottom() {
      return isAtBottom();
    },

    toBottom,

    /** The reader is led elsewhere: what comes in between does not take them to the bottom. */
    leave() {
      atBottom = false;
    },

    /** Brings a row to the middle. @param {HTMLElement} row */
    show(row) {
      row.scrollIntoView({ block: 'center' });
      look();
    },

    /** The rows that can be seen, from above. */
    rows: () => seen().map(({ row }) => row),

    /** Whether an element is in the upper half of what can be seen, or above it. @param {Element} element */
    isAbove(element) {
      const { top, bottom } = scroller.getBoundingClientRect();
      return element.getBoundingClientRect().top < (top + bottom) / 2;
    },

    /** So many messages of others came. @param {number} n */
    arrived(n) {
      if (!isAtBottom()) below += n;
    },

    /** Changes the list without moving what is read. @param {() => void} change */
    around(change) {
      if (isAtBottom() && !isCut()) {
        change();
        void toBottom();
        return;
      }
      // What is in the middle is what is read. Several, because a change may make the first of them anew.
      const before = seen().sort((a, b) => a.away - b.away);
      change();
      const kept = before.find(({ row }) => row.isConnected);
      if (kept) scroller.scrollTop += kept.row.getBoundingClientRect().top - kept.offset;
      show();
    },
  };
}
