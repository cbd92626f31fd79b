// The rooms that this browser has been in, and how far each was read here, whichever tab it was: eyes are before the
// browser, not before a tab. A marker only moves forward while the history is the same.

import { browser } from './storage.js';

const KEY = 'madang.rooms';
/** Rooms that are remembered; the one that was first visited goes first. */
const MOST = 100;

/** @typedef {{ epoch: string, seq: number }} Marker */

/** @returns {Record<string, Marker>} */
function all() {
  try {
    return Object(JSON.parse(browser.getItem(KEY) ?? '{}'));
  } catch {
    return {}; // Somebody else wrote there.
  }
}

/** @param {[string, Marker][]} entries */
const put = (entries) => browser.setItem(KEY, JSON.stringify(Object.fromEntries(entries.slice(-MOST))));

export const visited = {
  /** By room. */
  all,

  /** @param {string} room @param {Marker} marker */
  read(room, { epoch, seq }) {
    const known = all();
    const before = known[room];
    if (before?.epoch === epoch && before.seq >= seq) return;
    put(Object.entries({ ...known, [room]: { epoch, seq } }));
  },

  /** @param {string} room */
  forget(room) {
    put(Object.entries(all()).filter(([name]) => name !== room));
  },

  /** Another tab has changed it. @param {() => void} listener */
  watch(listener) {
    addEventListener('storage', ({ key }) => {
      if (key === KEY || key === null) listener();
    });
  },
};

/**
 * Messages that are not read. A server that knows less than was read has begun a new history.
 * @param {Marker | undefined} marker @param {number} top
 */
export const unreadOf = (marker, top) => (marker && top > 0 ? top - (marker.seq <= top ? marker.seq : 0) : 0);
