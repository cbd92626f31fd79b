// Keeps the roster whole: asks for the people when their names and their number disagree.

import { NAMED } from './roster.js';
import { who } from './wire.js';

/** They are asked for at most this often. */
const EVERY_MS = 3_000;

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('./roster.js').Roster} options.roster
 * @param {(message: object) => Promise<any>} options.request
 * @param {() => void} options.onChange
 */
export function createCrowd({ room, roster, request, onChange }) {
  let asked = 0;
  let timer = 0;

  async function check() {
    clearTimeout(timer);
    if (!roster.isIncomplete()) return;
    const wait = asked + EVERY_MS - Date.now();
    if (wait > 0) {
      timer = setTimeout(check, wait);
      return;
    }
    asked = Date.now();
    /** @type {import('./roster.js').Person[]} */
    const users = [];
    let count = 0;
    try {
      for (let more = true; more && users.length < NAMED; ) {
        const answer = await request(who(room, users.at(-1)?.user));
        users.push(...answer.users);
        count = answer.count;
        more = answer.more && answer.users.length > 0;
      }
    } catch {
      return; // The next `joined` tells it anew.
    }
    roster.reset({ count, users });
    onChange();
    // Somebody may have come or gone between the pages.
    void check();
  }

  return {
    /** The roster has changed. */
    changed() {
      onChange();
      void check();
    },
  };
}
