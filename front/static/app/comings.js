// Who came and went between two messages, folded into one quiet line. State, not history: it lives as long as the page,
// and who comes back before the next message was never away.

import { t } from './words.js';

/** @typedef {Map<string, string>} People Names by user. */
/** @typedef {{ id: number, seq: number, joined: People, left: People }} Coming `seq`: the message that it follows. */

/** In larger rooms nobody is news. */
const MOST_PEOPLE = 250;
/** Lines that are kept. */
const KEPT = 200;

export class Comings {
  /** @type {Coming[]} Oldest first. */
  lines = [];
  #made = 0;

  /**
   * @param {{ count: number, joined?: { user: string, name: string }[], left?: { user: string, name: string }[] }} delta
   * @param {{ has: (user: string) => boolean }} before Who was there: a delta may come twice.
   * @param {string} me Who never hears of themselves.
   * @param {number} seq The newest message.
   * @returns {boolean} Whether there is news.
   */
  note({ count, joined = [], left = [] }, before, me, seq) {
    if (count > MOST_PEOPLE) return false;
    const came = joined.filter(({ user }) => user !== me && !before.has(user));
    const went = left.filter(({ user }) => user !== me && before.has(user));
    if (!came.length && !went.length) return false;
    let line = this.lines.at(-1);
    if (line?.seq !== seq) {
      this.#made += 1;
      line = { id: this.#made, seq, joined: new Map(), left: new Map() };
    }
    const now = { ...line, joined: new Map(line.joined), left: new Map(line.left) };
    for (const { user, name } of went) if (!now.joined.delete(user)) now.left.set(user, name);
    for (const { user, name } of came) if (!now.left.delete(user)) now.joined.set(user, name);
    this.lines = [...this.lines.filter(({ id }) => id !== now.id), now].slice(-KEPT);
    return true;
  }

  /** A new history has begun. */
  clear() {
    this.lines = [];
  }
}

/** What a line says; empty when everybody is where they were. @param {{ joined: People, left: People }} line */
export function comingText({ joined, left }) {
  const [came, went] = [joined, left].map((people) => ({ a: [...people.values()][0], n: people.size - 1 }));
  return [
    came.n === 0 && t('joined_one', { a: came.a }),
    came.n > 0 && t('joined_many', came),
    went.n === 0 && t('left_one', { a: went.a }),
    went.n > 0 && t('left_many', went),
  ]
    .filter(Boolean)
    .join(' · ');
}
