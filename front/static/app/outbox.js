// What was written here and is not known to be stored: in order, kept over reloads, each with one `id` for all its
// attempts. It knows no socket; `sender` empties it.

import { randomId } from './random.js';

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} text
 * @property {number} at
 * @property {string} [within] The history in which these two or three have their meaning:
 * @property {number} [reply_to] The message that it answers.
 * @property {number} [edits] The own message that it replaces the text of …
 * @property {number} [deletes] … or takes back.
 * @property {'pending' | 'stored' | 'failed'} state `stored` until the room's own copy arrives.
 * @property {string} [reason] Why it failed, from the server.
 * @property {number} [tries] How often the link was lost while it was on its way.
 * @property {boolean} [here] Its copy has come already, and only the answer is missing.
 * @property {string} [epoch] Where it is stored.
 * @property {number} [seq]
 */

export class Outbox {
  /** @type {Entry[]} */
  entries = [];

  /**
   * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} storage One that does not throw.
   * @param {string} key
   * @param {() => void} onChange
   */
  constructor(storage, key, onChange = () => {}) {
    this.storage = storage;
    this.key = key;
    this.onChange = onChange;
    try {
      this.entries = JSON.parse(storage.getItem(key) ?? '[]');
      // What this page has not seen yet is not here.
      for (const entry of this.entries) delete entry.here;
    } catch {
      // Somebody else wrote there; begin empty.
    }
  }

  /**
   * @param {string} text
   * @param {Pick<Entry, 'within' | 'reply_to' | 'edits' | 'deletes'>} [about] What it has to do with another message.
   */
  add(text, about = {}) {
    // Half of a surrogate pair (a cut emoji) is no text: no server could read the frame that it is in.
    const entry = /** @type {Entry} */ ({
      id: randomId(),
      text: text.toWellFormed(),
      at: Date.now(),
      state: 'pending',
      ...about,
    });
    this.#put([...this.entries, entry]);
    return entry;
  }

  /** The oldest that is to be sent; what failed does not hold up what follows. */
  next() {
    return this.entries.find((entry) => entry.state === 'pending');
  }

  /** @param {string} id @param {{ epoch: string, seq: number, at: number }} place */
  store(id, { epoch, seq, at }) {
    this.#change(id, { state: 'stored', epoch, seq, at });
  }

  /** @param {string} id @param {string} reason */
  fail(id, reason) {
    this.#change(id, { state: 'failed', reason });
  }

  /** Notes that the link was lost while it was on its way. @param {string} id @returns {number} How often so far. */
  tried(id) {
    const tries = (this.entries.find((entry) => entry.id === id)?.tries ?? 0) + 1;
    this.#change(id, { tries });
    return tries;
  }

  /** @param {string} id */
  retry(id) {
    this.#change(id, { state: 'pending', reason: undefined, tries: 0 });
  }

  /** @param {string} id @returns {Entry | undefined} What was removed. */
  remove(id) {
    const entry = this.entries.find((candidate) => candidate.id === id);
    if (entry) this.#put(this.entries.filter((candidate) => candidate !== entry));
    return entry;
  }

  /**
   * A message of one's own has come. If no answer told of it, it is what was on its way when the link was lost: that
   * need not be shown beside it. Only what was sent and not answered can be meant, so nothing else is ever hidden.
   * @param {{ seq: number, text: string }} message
   * @param {string} epoch
   */
  came({ seq, text }, epoch) {
    if (this.entries.some((entry) => entry.epoch === epoch && entry.seq === seq)) return;
    const entry = this.entries.find(
      (e) => e.state === 'pending' && e.tries && !e.here && !e.edits && !e.deletes && e.text === text,
    );
    if (entry) this.#change(entry.id, { here: true });
  }

  /**
   * Forgets stored entries that the room's log has passed, or that belong to a history that is gone.
   * @param {string} epoch
   * @param {number} seq The last one seen.
   */
  seen(epoch, seq) {
    const left = this.entries.filter((e) => e.state !== 'stored' || (e.epoch === epoch && Number(e.seq) > seq));
    if (left.length < this.entries.length) this.#put(left);
  }

  clear() {
    this.#put([]);
  }

  /** @param {string} id @param {Partial<Entry>} patch */
  #change(id, patch) {
    this.#put(this.entries.map((entry) => (entry.id === id ? { ...entry, ...patch } : entry)));
  }

  /** @param {Entry[]} entries */
  #put(entries) {
    this.entries = entries;
    // What is stored needs no second attempt after a reload.
    const left = entries.filter((entry) => entry.state !== 'stored');
    if (left.length) this.storage.setItem(this.key, JSON.stringify(left));
    else this.storage.removeItem(this.key);
    this.onChange();
  }
}
