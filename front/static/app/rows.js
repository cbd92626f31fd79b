// From the log and the outbox to the rows of the list: days, groups, holes, and the lines between them. Pure; it decides, `messages` draws.

import { comingText } from './comings.js';
import { actionOf, excerptOf } from './text.js';
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
 * @property {Quote} [quote] What a message answers.
 * @property {import('./outbox.js').Entry} [change] What is on its way to change it.
 */

/** A message as another one mentions it; without a name when it is not there.
 * @typedef {{ seq: number, name?: string, text?: string, deleted?: boolean }} Quote
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

  /** @type {Map<string, import('./timeline.js').Said>} */
  const known = new Map();
  for (const item of items) if (item.kind === 'message') known.set(`${item.epoch}:${item.seq}`, item);
  // The latest change of a message is the one that counts.
  const changes = new Map(own.filter(targetOf).map((entry) => [`${entry.within}:${targetOf(entry)}`, entry]));

  /** @param {string | undefined} epoch @param {number} [seq] @returns {Quote | undefined} */
  function quoteOf(epoch, seq) {
    const said = known.get(`${epoch}:${seq}`);
    return seq ? { seq, name: said?.name, text: excerptOf(said?.text ?? ''), deleted: Boolean(said?.deleted) } : undefined;
  }

  /** @param {{ user: string, name: string, at: number, text: string }} said @param {string} key */
  function begins(said, key) {
    const today = dayOf(said.at);
    if (today !== day) {
      day = today;
      before = null;
      rows.push({ key: `d:${key}`, look: dayName(day), kind: 'day', day });
    }
    const first =
      !before || before.user !== said.user || before.name !== said.name || said.at - before.at > GROUP_MS;
    // What somebody does names them itself and stands alone.
    before = actionOf(said.text) ? null : said;
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
      const quote = quoteOf(item.epoch, item.reply_to);
      const change = changes.get(key);
      const look = `${first}${item.version}${JSON.stringify(quote)}${change ? change.id + change.state + mood : ''}`;
      rows.push({ key, look, kind: 'message', first, item, quote, change });
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
    // A change is shown where it happens, unless that is nowhere.
    // Nor is what has come already shown twice.
    if (known.has(`${entry.within}:${targetOf(entry)}`) || (entry.here && entry.state === 'pending')) continue;
    const first = begins({ ...me, ...entry }, entry.id);
    const quote = quoteOf(entry.within, entry.reply_to);
    const look = `${first}${entry.state}${mood}${JSON.stringify(quote)}`;
    rows.push({ key: entry.id, look, kind: 'own', first, item: entry, quote });
  }
  return rows;
}

/** The message that an entry changes. @param {import('./outbox.js').Entry} entry */
const targetOf = ({ edits, deletes }) => edits ?? deletes;
