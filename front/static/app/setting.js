// The form in which a moderator sets a room's topic and pace. It comes when it is wanted.

import { el } from './dom.js';
import { choice, field, openForm } from './form.js';
import { slow, topic } from './powers.js';
import { inWords } from './rules.js';
import { trying } from './trying.js';
import { t } from './words.js';

/** Seconds between two messages of one person that can be chosen. */
const PACES = [0, 5, 10, 30, 60, 300, 900, 3_600, 21_600];

/**
 * @param {object} options
 * @param {string} options.room
 * @param {(message: object) => Promise<any>} options.request
 * @param {{ topic: string, slow: number }} options.before
 */
export function openSetting({ room, request, before }) {
  const words = /** @type {HTMLInputElement} */ (el('input', { maxlength: 200, autocomplete: 'off', value: before.topic }));
  const seconds = PACES.includes(before.slow) ? PACES : [...PACES, before.slow];
  const paces = seconds.map((n) => /** @type {[number, string]} */ ([n, n ? inWords(n) : t('slow_off')]));
  const pace = /** @type {HTMLSelectElement} */ (choice(paces, before.slow));
  openForm({
    title: t('change_rules', { room: `#${room}` }),
    fields: [field(t('topic'), words), field(t('slow'), pace, el('small', {}, t('slow_hint')))],
    action: t('do_it'),
    run: () =>
      trying(async () => {
        if (words.value.trim() !== before.topic) await request(topic(room, words.value));
        if (Number(pace.value) !== before.slow) await request(slow(room, Number(pace.value)));
      }),
  });
}
