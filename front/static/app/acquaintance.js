// Who has been seen here, by name: whom a text can call, in large letters or small. It only grows, up to a bound, and says
// when it did.

import { folded } from './markup/names.js';

/** More names than this are not kept. */
const MOST = 5_000;

export class Acquaintance {
  /** @type {Set<string>} */
  #names = new Set();

  /** How many there are; changes when somebody new is seen. */
  get size() {
    return this.#names.size;
  }

  /** @param {string} name */
  has(name) {
    return this.#names.has(folded(name));
  }

  /** @param {Iterable<string>} names @returns {boolean} Whether there was a new one. */
  meet(names) {
    const before = this.#names.size;
    for (const name of names) if (this.#names.size < MOST) this.#names.add(folded(name));
    return this.#names.size > before;
  }
}
