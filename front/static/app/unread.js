// How far this room is read: the marker that the server keeps for this person, what is beyond it, and the line above that.
// Whatever comes is read while the window is looked at and shows the bottom; nothing else moves the marker.

import { tab } from './storage.js';
import { visited } from './visited.js';
import { read as sayRead } from './wire.js';

/** @typedef {{ epoch: string, seq: number }} Marker */

/** The server hears of it at most so often, reloads included. */
const SAY_EVERY_MS = 5_000;
const SAID_AT = 'madang.read-said';

/** What only this tab knows until the server does. @param {string} room */
const keyOf = (room) => `madang.read.${room}`;

/** @param {string} room @returns {Marker | null} */
function kept(room) {
  try {
    return JSON.parse(tab.getItem(keyOf(room)) ?? 'null');
  } catch {
    return null;
  }
}

/**
 * Messages of others behind the marker; holes count whole, for what is in them is not known.
 * @param {import('./timeline.js').Timeline} timeline @param {number} seq @param {string} me
 */
export function countAfter(timeline, seq, me) {
  let n = Math.max(0, timeline.before - 1 - seq);
  for (let at = timeline.items.length - 1; at >= 0; at -= 1) {
    const item = timeline.items[at];
    if (item.epoch !== timeline.epoch || item.kind === 'epoch') break;
    if ((item.kind === 'gap' ? item.to : item.seq) <= seq) break;
    if (item.kind === 'gap') n += item.to - Math.max(item.seq - 1, seq);
    else if (item.user !== me && item.edits === undefined && item.deletes === undefined) n += 1;
  }
  return n;
}

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {() => string} options.me
 * @param {() => boolean} options.atBottom
 * @param {(message: object) => Promise<any>} options.request
 * @param {(state: { unread: number, line: Marker | null }) => void} options.onChange
 */
export function createUnread({ room, timeline, me, atBottom, request, onChange }) {
  /** @type {Marker | null} Nothing before the room is joined. */
  let marker = null;
  /** @type {Marker | null} What was read when the oldest unread message came. It stays until one leaves or speaks. */
  let line = null;
  let told = '0';
  let said = 0;
  let timer = 0;
  let looking = false;

  const isLooking = () => document.hasFocus() && !document.hidden;

  function look() {
    if (!marker) return;
    const was = looking;
    looking = isLooking();
    if (marker.epoch !== timeline.epoch) marker = { epoch: timeline.epoch, seq: 0 };
    let unread = countAfter(timeline, marker.seq, me());
    if (unread && (line?.epoch !== marker.epoch || line.seq < marker.seq)) {
      if (!looking || !atBottom()) line = { ...marker };
    } else if (was && !looking && !unread) line = null;
    if (looking && atBottom() && marker.seq < timeline.last) {
      marker.seq = timeline.last;
      unread = 0;
      timer ||= setTimeout(say, Math.max(0, Number(tab.getItem(SAID_AT)) + SAY_EVERY_MS - Date.now()));
    }
    const now = `${unread}${line?.epoch}${line?.seq}`;
    if (now === told) return;
    told = now;
    onChange({ unread, line });
  }

  function keep() {
    if (!marker) return;
    tab.setItem(keyOf(room), JSON.stringify(marker));
    visited.read(room, marker);
  }

  /** Says how far, and keeps it for the next page. Without a link it is said when the room is joined again. */
  function say() {
    timer = 0;
    keep();
    if (!marker || marker.seq <= said) return;
    const { seq } = marker;
    tab.setItem(SAID_AT, String(Date.now()));
    request(sayRead(room, seq)).then(
      () => (said = Math.max(said, seq)),
      () => {},
    );
  }

  for (const event of ['focus', 'blur']) addEventListener(event, look);
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', keep);

  return {
    look,

    /** @param {{ epoch: string, top: number, read?: number }} joined */
    joined({ epoch, top, read }) {
      said = read ?? 0;
      if (!marker) {
        // This person's own marker, else what these eyes have read in another tab. Whoever is new has missed nothing.
        const own = [kept(room), read === undefined ? null : { epoch, seq: read }].filter((known) => known?.epoch === epoch);
        const known = own.length ? own : [visited.all()[room]].filter(Boolean);
        const seq = known.length ? Math.max(...known.map((m) => (m?.epoch === epoch ? m.seq : 0))) : top;
        marker = { epoch, seq: Math.min(seq, top) };
        line = seq < top ? { ...marker } : null;
        keep();
      }
      if (marker.seq > said) timer ||= setTimeout(say, SAY_EVERY_MS);
      look();
    },

    /** One leaves for good: the page that goes away must not remember the room again. */
    leave() {
      clearTimeout(timer);
      marker = null;
    },

    /** Who speaks has read on. */
    spoke() {
      line = null;
      look();
    },
  };
}
