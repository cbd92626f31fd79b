// The lists of rooms: those that this browser has been in, with what is unread there, and the others that are open. They
// are asked for again and again while somebody can see them.

import { Refused } from './connection.js';
import { el } from './dom.js';
import { page } from './page.js';
import { unreadOf, visited } from './visited.js';
import { history, rooms as askRooms } from './wire.js';
import { t } from './words.js';

/** How old the list may be while it is looked at. */
const EVERY_MS = 15_000;
/** Rooms without people are on no list; they are asked one by one, seldom, and so many at a time: who speaks comes first. */
const QUIET_EVERY_MS = 60_000;
const QUIET_AT_ONCE = 20;

/** @param {string} room */
export const addressOf = (room) => `${page.base}/r/${encodeURIComponent(room)}`;

/** @typedef {{ room: string, count: number, unread: number, mine: boolean }} Entry */

/**
 * @param {object} options
 * @param {HTMLElement} options.list Where one has been; on a page of no room, all of them.
 * @param {HTMLElement} [options.others] Where one has not.
 * @param {string | null} options.current The room of this page; always in the list.
 * @param {() => number} [options.here] How many people this page knows to be in the current room: newer than the list.
 * @param {() => number} [options.unread] And how much is unread there.
 * @param {(message: object) => Promise<any>} options.request
 * @param {(count: number, others: number) => void} [options.onList]
 * @param {(room: string) => void} [options.onForget]
 */
export function createRooms({
  list,
  others = list,
  current,
  here = () => 0,
  unread = () => 0,
  request,
  onList = () => {},
  onForget = () => {},
}) {
  const shown = new Map();
  /** @type {{ room: string, count: number, top: number }[]} */
  let open = [];
  /** @type {Map<string, number>} The newest message of rooms that are on no list. */
  const quiet = new Map();
  let quietAt = 0;
  /** The first of them to be asked the next time. */
  let turn = 0;
  const collator = new Intl.Collator(page.lang, { numeric: true });

  /** @returns {Entry[]} Those where one has been first, in an order that does not change by itself. */
  function all() {
    const markers = current === null ? {} : visited.all();
    const names = [...new Set([...(current === null ? [] : [current]), ...Object.keys(markers)])].sort(collator.compare);
    const found = new Map(open.map((entry) => [entry.room, entry]));
    const mine = names.map((room) => {
      if (room === current) return { room, count: here() || found.get(room)?.count || 0, unread: unread(), mine: true };
      const top = found.get(room)?.top ?? quiet.get(room) ?? 0;
      return { room, count: found.get(room)?.count ?? 0, unread: unreadOf(markers[room], top), mine: true };
    });
    const rest = open.filter(({ room }) => !names.includes(room));
    return [...mine, ...rest.map(({ room, count }) => ({ room, count, unread: 0, mine: false }))];
  }

  /** @param {Entry} entry */
  function row({ room, count, unread: n, mine }) {
    return el(
      'li',
      {},
      el(
        'a',
        { href: addressOf(room), 'aria-current': room === current && 'page', class: n > 0 && 'news', title: room },
        el('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
        el('span', { class: 'room-name' }, room),
        n > 0 && el('span', { class: 'unread', 'aria-hidden': 'true' }, n > 999 ? '999+' : String(n)),
        n > 0 && el('span', { class: 'unseen' }, t('unread_count', { n })),
        count > 0 && el('span', { class: 'count', 'aria-hidden': 'true' }, String(count)),
        count > 0 && el('span', { class: 'unseen' }, t('people_count', { n: count })),
      ),
      mine &&
        el('button', { type: 'button', class: 'forget', 'aria-label': t('forget', { room }), title: t('forget', { room }), onclick: () => forget(room) }, '✕'),
    );
  }

  /** @param {HTMLElement} place @param {Entry[]} entries */
  function fill(place, entries) {
    const look = JSON.stringify(entries);
    // An unchanged list keeps its elements, and with them the focus.
    if (shown.get(place) === look) return;
    shown.set(place, look);
    const focused = place.contains(document.activeElement) && document.activeElement?.closest('li');
    const at = focused ? [...place.children].indexOf(focused) : -1;
    place.replaceChildren(...entries.map(row));
    if (at >= 0) place.children[Math.min(at, entries.length - 1)]?.querySelector('a')?.focus();
  }

  function draw() {
    const entries = all();
    const rest = entries.filter(({ mine }) => !mine);
    onList(entries.length, rest.length);
    fill(list, others === list ? entries : entries.filter(({ mine }) => mine));
    if (others !== list) fill(others, rest);
  }

  /** @param {string} room */
  function forget(room) {
    visited.forget(room);
    if (room === current) onForget(room);
    else draw();
  }

  /** @param {string} room @returns {Promise<number>} */
  async function topOf(room) {
    try {
      return (await request(history(room, { limit: 1 }))).top;
    } catch (why) {
      // Too much is asked, or nobody can tell just now: what was known stays, and the others wait too.
      if (!(why instanceof Refused) || why.body.retry) throw why;
      // One may not go there any more.
      if (why.body.code === 'no_room') visited.forget(room);
      return 0;
    }
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      ({ rooms: open } = await request(askRooms()));
      draw();
      if (Date.now() - quietAt < QUIET_EVERY_MS) return;
      quietAt = Date.now();
      const due = all().filter(({ room, mine }) => mine && !open.some((entry) => entry.room === room));
      if (turn >= due.length) turn = 0;
      for (const { room } of due.slice(turn, turn + QUIET_AT_ONCE)) {
        quiet.set(room, await topOf(room));
        turn += 1;
      }
    } catch {
      // No link, or no more for now: the next time asks again.
    }
    draw();
  }

  if (current !== null) draw();
  visited.watch(draw);
  setInterval(refresh, EVERY_MS);
  document.addEventListener('visibilitychange', refresh);
  return {
    all,
    draw,
    refresh,
    forget,
    names: () => all().map(({ room }) => room),

    /** Whether a room is listed. @param {string} name */
    has: (name) => all().some(({ room }) => room === name),
  };
}
