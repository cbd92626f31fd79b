// From the log and the outbox to the rows of the list: days, groups, holes. Pure; it decides, `messages` draws.

import { dayName, dayOf } from './time.js';

/** Messages of one author within this time form a group. */
const GROUP_MS = 5 * 60 * 1000;

/**
 * @typedef {object} Row
 * @property {string} key The same for the same thing, so that its element is kept.
 * @property {string} look Changes when the element must be made anew.
 * @property {'day' | 'epoch' | 'gap' | 'message' | 'own'} kind
 * @property {boolean} [first] Whether it begins a group.
 * @property {any} [item]
 * @property {number} [day]
 * @property {boolean} [open] Whether a hole is in the history that still is.
 */

/**
 * @param {import('./timeline.js').Item[]} items
 * @param {import('./outbox.js').Entry[]} own
 * @param {{ user: string, name: string }} me
 * @param {string} mood What else changes the look of own messages: the link.
 * @returns {Row[]}
 */
export function makeRows(items, own, me, mood) {
  /** @type {Row[]} */
  const rows = [];
  const epoch = items.at(-1)?.epoch;
  /** @type {{ user: string, name: string, at: number } | null} */
  let before = null;
  let day = 0;

  /** @param {{ user: string, name: string, at: number }} said @param {string} key */
  function begins(said, key) {
    const today = dayOf(said.at);
    if (today !== day) {
      day = today;
      before = null;
      rows.push({ key: `d:${key}`, look: dayName(day), kind: 'day', day });
    }
    const first =
      !before || before.user !== said.user || before.name !== said.name || said.at - before.at > GROUP_MS;
    before = said;
    return first;
  }

  for (const item of items) {
    if (item.kind === 'message') {
      // An edit or a deletion acts on another message and is no row of its own.
      if (item.edits !== undefined || item.deletes !== undefined) continue;
      const key = `${item.epoch}:${item.seq}`;
      const first = begins(item, key);
      rows.push({ key, look: `${first}${item.version}`, kind: 'message', first, item });
    } else {
      before = null;
      const key = item.kind === 'gap' ? `gap:${item.id}` : `epoch:${item.epoch}:${item.seq}`;
      const open = item.epoch === epoch;
      const look = item.kind === 'gap' ? `${item.seq}-${item.to}${item.reason}${open}` : '';
      rows.push({ key, look, kind: item.kind, item, open });
    }
  }
  for (const entry of own) {
    const first = begins({ ...me, at: entry.at }, entry.id);
    rows.push({ key: entry.id, look: `${first}${entry.state}${mood}`, kind: 'own', first, item: entry });
  }
  return rows;
}
