// One's own name: the form beside the rooms, and the command.

import { Refused } from './connection.js';
import { byId } from './dom.js';
import { reasonOf } from './reasons.js';
import { rememberName } from './session.js';
import { rename } from './wire.js';
import { t } from './words.js';

/**
 * @param {object} options
 * @param {(message: object) => Promise<any>} options.request
 * @param {(name: string) => void} options.onName
 */
export function createNaming({ request, onName }) {
  /** @param {string} wanted @returns {Promise<string>} Why not; empty when it is done. */
  async function change(wanted) {
    try {
      const { name } = await request(rename(wanted));
      rememberName(name);
      onName(name);
    } catch (why) {
      if (why instanceof Refused) return t('bad_name', { why: reasonOf(why.body) });
      // Without a link the next `hello` brings the name.
      rememberName(wanted);
    }
    return '';
  }

  byId('name-form').addEventListener('submit', async (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = byId('my-name').value.trim();
    byId('name-problem').textContent = '';
    if (wanted) byId('name-problem').textContent = await change(wanted);
  });
  return { change };
}
