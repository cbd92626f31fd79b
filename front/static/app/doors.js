// The ways out of the room: the field for another one, the switcher, the step to the next; and the help.

import { alarm } from './alarm.js';
import { byId } from './dom.js';
import { addressOf } from './rooms.js';
import { createShortcuts, stepFrom } from './shortcuts.js';
import { t } from './words.js';

/**
 * @param {object} options
 * @param {string} options.room
 * @param {() => import('./rooms.js').Entry[]} options.all The rooms that there are.
 * @returns {{ help: () => void }}
 */
export function createDoors({ room, all }) {
  // Seldom wanted: they come when they are.
  const away = () => alarm(t('lost'));
  const help = () => void import('./help.js').then(({ openHelp }) => openHelp()).catch(away);
  const choose = () => void import('./switcher.js').then(({ openSwitcher }) => openSwitcher(all(), room)).catch(away);

  byId('go-form').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = byId('go').value.trim().replace(/^#/, '');
    if (wanted) location.assign(addressOf(wanted));
  });
  byId('help').addEventListener('click', help);
  byId('switch').addEventListener('click', choose);
  createShortcuts({
    onHelp: help,
    onSwitch: choose,
    onStep(step, news) {
      const to = stepFrom(all(), room, step, news);
      if (to !== undefined) location.assign(addressOf(to));
    },
  });
  return { help };
}
