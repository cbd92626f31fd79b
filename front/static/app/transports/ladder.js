// Which way to the chat server is tried next, by what the last attempts brought. Pure: it opens nothing and has no clock.

/** @typedef {'websocket' | 'sse' | 'longpoll' | 'poll'} Way */

/** The best first. */
export const WAYS = /** @type {Way[]} */ (['websocket', 'sse', 'longpoll', 'poll']);
/** So many attempts in a row that brought nothing speak against a way. */
export const TRIES = 3;

export class Ladder {
  #at = 0;
  #proven = 0;
  #failures = 0;

  /** @param {string | null} [remembered] The way that worked last. */
  constructor(remembered) {
    this.#at = this.#proven = Math.max(0, WAYS.findIndex((way) => way === remembered));
  }

  get way() {
    return WAYS[this.#at];
  }

  /** Whether there is a better way. */
  get low() {
    return this.#at > 0;
  }

  /** Something came by this way. */
  worked() {
    this.#proven = this.#at;
    this.#failures = 0;
  }

  /**
   * An attempt brought nothing.
   * @param {boolean} [blameless] It says nothing about this way: nobody was there to answer. Then the way that worked
   *   last is as good as any.
   */
  failed(blameless = false) {
    if (blameless) this.#go(this.#proven);
    else if (++this.#failures >= TRIES) this.#go((this.#at + 1) % WAYS.length);
  }

  /** The best is known to work again. */
  top() {
    this.#go(0);
  }

  /** @param {number} at */
  #go(at) {
    this.#at = at;
    this.#failures = 0;
  }
}
