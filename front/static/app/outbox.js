// What was written here and is not known to be stored: in order, kept over reloads, each with one `id` for all its
// attempts. It knows no socket; `sender` empties it.

import { randomId } from './random.js';

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} text
 * @property {number} at
 * @property {'pending' | 'stored' | 'failed'} state `stored` until the room's own copy arrives.
 * @property {string} [reason] Why it failed, from the server.
 * @property {string} [epoch] Where it is stored.
 * @property {number} [seq]
 */

export class Outbox {
  /** @type {Entry[]} */
  entries = [];

  /**
   * @param {Storage} storage
   * @param {string} key
   * @param {() => void} onChange
   */
  constructor(storage, key, onChange = () => {}) {
    this.storage = storage;
    this.key = key;
    this.onChange = onChange;
    try {
      this.entries = JSON.parse(storage.getItem(key) ?? '[]');
    } catch {
      // Somebody else wrote there; begin empty.
    }
  }

  /** @param {string} text @param {number} [at] */
  add(text, at = Date.now()) {
    const entry = /** @type {Entry} */ ({ id: randomId(), text, at, state: 'pending' });
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

  /** @param {string} id */
  retry(id) {
    this.#change(id, { state: 'pending', reason: undefined });
  }

  /** @param {string} id @returns {Entry | undefined} What was removed. */
  remove(id) {
    const entry = this.entries.find((candidate) => candidate.id === id);
    if (entry) this.#put(this.entries.filter((candidate) => candidate !== entry));
    return entry;
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
    try {
      // What is stored needs no second attempt after a reload.
      this.storage.setItem(this.key, JSON.stringify(entries.filter((entry) => entry.state !== 'stored')));
    } catch {
      // A full storage must not stop the sending.
    }
    this.onChange();
  }
}
