// Asks for what is not there: older messages, those of a hole, and the newest.

import { alarm } from './alarm.js';
import { Refused } from './connection.js';
import { reasonOf } from './reasons.js';
import { PAGE, history } from './wire.js';

/** Pages that are asked for on the way to the end, while there is always something newer. */
const TRIES = 5;

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {(message: object) => Promise<any>} options.request
 * @param {() => void} options.onChange
 */
export function createPast({ room, timeline, request, onChange }) {
  /** What is being asked for: an observer and a person may press the same button. */
  const asked = new Set();

  /**
   * @param {{ before?: number, after?: number, limit?: number }} range
   * @param {import('./timeline.js').Gap} [filling]
   * @returns {Promise<boolean>} Whether it came.
   */
  async function load(range, filling) {
    const key = filling?.id ?? 0;
    if (asked.has(key)) return false;
    asked.add(key);
    try {
      timeline.page(await request(history(room, range)), filling);
      onChange();
      return true;
    } catch (why) {
      // A lost link says so itself; the button stays for another try.
      if (why instanceof Refused) alarm(reasonOf(why.body));
      return false;
    } finally {
      asked.delete(key);
    }
  }

  return {
    older: () => load({ before: timeline.before }),

    /** @param {import('./timeline.js').Gap} gap @param {boolean} [upwards] From its end, not from its beginning. */
    fill(gap, upwards) {
      const limit = Math.min(PAGE, gap.to - gap.seq + 1);
      return load(upwards ? { before: gap.to + 1, limit } : { after: gap.seq - 1, limit }, gap);
    },

    /** Brings the newest, so that what is said is shown again. @returns {Promise<boolean>} Whether it is. */
    async toEnd() {
      let range = {};
      for (let n = 0; timeline.isCut && n < TRIES; n += 1) {
        if (!(await load(range))) return false;
        range = { after: timeline.items.at(-1)?.seq - 1 };
      }
      return !timeline.isCut;
    },
  };
}
