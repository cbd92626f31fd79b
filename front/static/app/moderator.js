// Whether this tab is a moderator's: a secret that is shown with every hello, and kept as long as the tab lives.

import { alarm } from './alarm.js';
import { byId } from './dom.js';
import { hint } from './note.js';
import { claim } from './powers.js';
import { trying } from './trying.js';
import { tab } from './storage.js';
import { t } from './words.js';

const SECRET = 'madang.moderator';

/**
 * @param {object} options
 * @param {(message: object) => Promise<any>} options.request
 * @param {(name: string) => void} options.onChange The moderator's name; empty for none.
 * @param {() => void} options.onLeave The connection is still a moderator's.
 */
export function createModerator({ request, onChange, onLeave }) {
  /** @param {string} name */
  function draw(name) {
    byId('moderator-head').textContent = name ? t('moderator_is', { name }) : t('moderator');
    byId('moderator-form').hidden = Boolean(name);
    byId('moderator-tools').hidden = !name;
    onChange(name);
  }

  function forget() {
    tab.removeItem(SECRET);
    draw('');
  }

  /** @param {string} secret @returns {Promise<string>} Why not; empty when it is one. */
  const show = (secret) =>
    trying(async () => {
      const { name } = await request(claim(secret));
      tab.setItem(SECRET, secret);
      draw(name);
      hint(t('moderator_is', { name }));
    });

  byId('moderator-form').addEventListener('submit', async (/** @type {Event} */ event) => {
    event.preventDefault();
    const input = byId('moderator-secret');
    const secret = input.value.trim();
    input.value = '';
    byId('moderator-problem').textContent = '';
    if (secret) byId('moderator-problem').textContent = await show(secret);
  });
  byId('moderator-leave').addEventListener('click', () => {
    forget();
    onLeave();
  });

  return {
    forget,

    /** `/moderator SECRET` in the box. @param {string} secret */
    async command(secret) {
      const why = await show(secret.trim());
      if (why) alarm(why);
    },

    secret: () => tab.getItem(SECRET) ?? undefined,

    /** @param {{ moderator?: string }} welcome */
    welcomed: ({ moderator = '' }) => draw(moderator),
  };
}
