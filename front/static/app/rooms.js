// The list of rooms, asked for again and again while somebody can see it.

import { el } from './dom.js';
import { t } from './words.js';
import { rooms as askRooms } from './wire.js';

/** How old the list may be while it is looked at. */
const EVERY_MS = 15_000;

/** @param {string} room */
export const addressOf = (room) => `/r/${encodeURIComponent(room)}`;

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {string | null} options.current The room of this page; always in the list.
 * @param {(message: object) => Promise<any>} options.request
 * @param {(count: number) => void} [options.onList]
 */
export function createRooms({ list, current, request, onList = () => {} }) {
  let shown = '';

  /** @param {{ room: string, count: number }[]} rooms */
  function draw(rooms) {
    const all = current && !rooms.some(({ room }) => room === current) ? [{ room: current, count: 0 }, ...rooms] : rooms;
    const look = JSON.stringify(all);
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
    onList(all.length);
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      draw((await request(askRooms())).rooms);
    } catch {
      // No link: the next opening asks again.
    }
  }

  if (current) draw([]);
  setInterval(refresh, EVERY_MS);
  document.addEventListener('visibilitychange', refresh);
  return { refresh };
}
