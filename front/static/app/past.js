// Asks for what is not there: older messages, and those of a hole.

import { alarm } from './alarm.js';
import { Refused } from './connection.js';
import { reasonOf } from './reasons.js';
import { PAGE, history } from './wire.js';

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {(message: object) => Promise<any>} options.request
 * @param {() => void} options.onChange
 */
export function createPast({ room, timeline, request, onChange }) {
  /** @param {{ before?: number, after?: number, limit?: number }} range @param {any} [filling] */
  async function load(range, filling) {
    try {
      timeline.page(await request(history(room, range)), filling);
      onChange();
    } catch (why) {
      // A lost link says so itself; the button stays for another try.
      if (why instanceof Refused) alarm(reasonOf(why.body));
    }
  }

  return {
    older: () => load({ before: timeline.oldest }),

    /** @param {import('./timeline.js').Gap} gap */
    fill: (gap) => load({ after: gap.seq - 1, limit: Math.min(PAGE, gap.to - gap.seq + 1) }, gap),
  };
}
