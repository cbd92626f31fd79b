// Asks the server for something, and says in words why it was refused.

import { Refused } from './connection.js';
import { reasonOf } from './reasons.js';
import { t } from './words.js';

/** @param {() => Promise<void>} run @returns {Promise<string>} Why not; empty when it is done. */
export async function trying(run) {
  try {
    await run();
    return '';
  } catch (why) {
    return why instanceof Refused ? reasonOf(why.body) : t('lost');
  }
}
