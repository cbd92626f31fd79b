// The list of rooms, asked for again and again while somebody can see it.

import { el } from './dom.js';
import { page } from './page.js';
import { t } from './words.js';
import { rooms as askRooms } from './wire.js';

/** How old the list may be while it is looked at. */
const EVERY_MS = 15_000;

/** @param {string} room */
export const addressOf = (room) => `${page.base}/r/${encodeURIComponent(room)}`;

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {string | null} options.current The room of this page; always in the list.
 * @param {() => number} [options.here] How many people this page knows to be in the current room: newer than the list.
 * @param {(message: object) => Promise<any>} options.request
 * @param {(count: number) => void} [options.onList]
 */
export function createRooms({ list, current, here = () => 0, request, onList = () => {} }) {
  let shown = '';
  /** @type {{ room: string, count: number }[]} */
  let rooms = [];

  function draw() {
    const known = rooms.some(({ room }) => room === current);
    const all = (current && !known ? [{ room: current, count: 0 }, ...rooms] : rooms).map(({ room, count }) => ({
      room,
      count: room === current ? here() || count : count,
    }));
    const look = JSON.stringify(all);
    onList(all.length);
    // An unchanged list keeps its elements, and with them the focus.
    if (look === shown) return;
    shown = look;
    list.replaceChildren(
      ...all.map(({ room, count }) =>
        el(
          'li',
          {},
          el(
            'a',
            { href: addressOf(room), 'aria-current': room === current && 'page', title: room },
            el('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
            el('span', { class: 'room-name' }, room),
            count > 0 && el('span', { class: 'count', 'aria-label': t('people_count', { n: count }) }, String(count)),
          ),
        ),
      ),
    );
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      ({ rooms } = await request(askRooms()));
      draw();
    } catch {
      // No link: the next opening asks again.
    }
  }

  if (current) draw();
  setInterval(refresh, EVERY_MS);
  document.addEventListener('visibilitychange', refresh);
  return { draw, refresh };
}
