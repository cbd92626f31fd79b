// From the log and the outbox to the rows of the list: days, groups, holes, and the lines between them. Pure; it decides, `messages` draws.

import { comingText } from './comings.js';
import { dayName, dayOf } from './time.js';

/** Messages of one author within this time form a group. */
const GROUP_MS = 5 * 60 * 1000;

/**
 * @typedef {object} Row
 * @property {string} key The same for the same thing, so that its element is kept.
 * @property {string} look Changes when the element must be made anew.
 * @property {'day' | 'epoch' | 'gap' | 'unread' | 'coming' | 'message' | 'own'} kind
 * @property {boolean} [first] Whether it begins a group.
 * @property {any} [item]
 * @property {number} [day]
 * @property {boolean} [open] Whether a hole is in the history that still is.
 */

/** @param {{ edits?: number, deletes?: number }} message */
const isEvent = ({ edits, deletes }) => edits !== undefined || deletes !== undefined;

/**
 * @param {import('./timeline.js').Item[]} items
 * @param {import('./outbox.js').Entry[]} own
 * @param {{ user: string, name: string }} me
 * @param {string} mood What else changes the look of own messages: the link.
 * @param {object} [between] What stands between messages.
 * @param {{ epoch: string, seq: number } | null} [between.line] What was read when the oldest unread message came.
 * @param {import('./comings.js').Coming[]} [between.comings] Of the current history.
 * @returns {Row[]}
 */
export function makeRows(items, own, me, mood, { line = null, comings = [] } = {}) {
  /** @type {Row[]} */
  const rows = [];
  const epoch = items.at(-1)?.epoch;
  /** @type {{ user: string, name: string, at: number } | null} */
  let before = null;
  let day = 0;
  /** Whether the place where the line belongs is below here; it may be above all that is loaded. */
  let isRead = false;
  let coming = 0;

  /** Those who came and went before this message. @param {number} seq */
  function between(seq) {
    for (; comings[coming]?.seq < seq; coming += 1) {
      const look = comingText(comings[coming]);
      if (!look || !rows.length) continue;
      before = null;
      rows.push({ key: `c:${comings[coming].id}`, look, kind: 'coming' });
    }
  }

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
    const end = item.kind === 'gap' ? item.to : item.seq;
    if (item.epoch === epoch) {
      // Between messages that are not here.
      if (!rows.length) while (comings[coming]?.seq < item.seq - 1) coming += 1;
      between(item.seq);
      while (comings[coming]?.seq < end) coming += 1;
    }
    if (line && item.epoch === line.epoch && item.kind !== 'epoch') {
      if (item.seq <= line.seq + 1) isRead = true;
      if (isRead && end > line.seq && !(item.kind === 'message' && (item.user === me.user || isEvent(item)))) {
        before = null;
        rows.push({ key: 'unread', look: '', kind: 'unread' });
        line = null;
      }
    }
    if (item.kind === 'message') {
      // An edit or a deletion acts on another message and is no row of its own.
      if (isEvent(item)) continue;
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
  if (items.at(-1)?.kind !== 'gap') between(Infinity);
  for (const entry of own) {
    const first = begins({ ...me, at: entry.at }, entry.id);
    rows.push({ key: entry.id, look: `${first}${entry.state}${mood}`, kind: 'own', first, item: entry });
  }
  return rows;
}
