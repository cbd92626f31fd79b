// Who is in the room: a set of people kept by deltas, and the number that the server says. Pure.

/** @typedef {{ user: string, name: string }} Person */

/** Above this many people the server tells numbers only, and some of the names. */
export const NAMED = 250;

export class Roster {
  /** @type {Map<string, string>} Names by user. */
  people = new Map();
  count = 0;

  /** @param {{ count: number, users: Person[] }} joined */
  reset({ count, users }) {
    this.count = count;
    this.people = new Map(users.map(({ user, name }) => [user, name]));
  }

  /**
   * @param {{ count: number, joined?: Person[], left?: Person[], renamed?: Person[] }} delta
   * @param {string} me Who is there as long as they are told anything.
   */
  apply({ count, joined = [], left = [], renamed = [] }, me) {
    this.count = count;
    for (const { user } of left) this.people.delete(user);
    for (const { user, name } of [...joined, ...renamed]) this.people.set(user, name);
    // In a crowd not everybody who leaves is named: of those who are listed, the first are likely to be gone.
    for (const user of this.people.keys()) {
      if (count > NAMED && this.people.size > NAMED && user !== me) this.people.delete(user);
    }
  }

  /** Whether the names and the number disagree although all names are told. */
  isIncomplete() {
    return this.count <= NAMED && this.people.size !== this.count;
  }

  /** The people by name, one of them first. @param {string} me @param {string} lang @returns {Person[]} */
  sorted(me, lang) {
    const collator = new Intl.Collator(lang);
    return [...this.people]
      .map(([user, name]) => ({ user, name }))
      .sort((a, b) => Number(b.user === me) - Number(a.user === me) || collator.compare(a.name, b.name));
  }
}
