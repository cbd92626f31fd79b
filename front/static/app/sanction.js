// What a moderator does about somebody, or about something that they said; and what is in force, to be lifted. It comes
// when it is wanted.

import { alarm } from './alarm.js';
import { el } from './dom.js';
import { choice, field, openForm } from './form.js';
import { ban, kick, mute, pardon, remove, sanctions } from './powers.js';
import { dayAndTime } from './time.js';
import { trying } from './trying.js';
import { t } from './words.js';

const HOUR = 3_600;
const FIRST = HOUR;
/** Letters of a message that stand in the question. */
const QUOTED = 120;

/** @type {() => [number, string][]} */
const times = () => [
  [600, t('for_minutes', { n: 10 })],
  [HOUR, t('for_hours', { n: 1 })],
  [24 * HOUR, t('for_days', { n: 1 })],
  [7 * 24 * HOUR, t('for_days', { n: 7 })],
  [30 * 24 * HOUR, t('for_days', { n: 30 })],
];

/**
 * @param {object} options
 * @param {string} options.room
 * @param {(message: object) => Promise<any>} options.request
 */
export function createSanction({ room, request }) {
  /** @param {{ user: string, name: string }} person @param {{ seq: number, text: string }} [said] */
  function open({ user, name }, said) {
    const reason = /** @type {HTMLInputElement} */ (el('input', { maxlength: 200, autocomplete: 'off' }));
    const time = /** @type {HTMLSelectElement} */ (choice(times(), FIRST));
    const address = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox' }));
    const why = field(t('reason_for', { name }), reason);
    const long = field(t('how_long'), time);
    const whole = el(
      'label',
      { class: 'check' },
      address,
      el('span', {}, t('ban_address'), el('small', {}, t('ban_address_hint'))),
    );
    let what = said ? 'delete' : 'mute';
    function draw() {
      why.hidden = what === 'delete';
      long.hidden = what === 'delete' || what === 'kick';
      whole.hidden = what !== 'ban';
    }
    /** @param {string} value @param {string} label */
    const radio = (value, label) =>
      el(
        'label',
        { class: 'check' },
        el('input', {
          type: 'radio',
          name: 'what',
          value,
          checked: value === what,
          onchange() {
            what = value;
            draw();
          },
        }),
        el('span', {}, label),
      );
    draw();
    openForm({
      title: t('moderate', { name }),
      fields: [
        said ? el('blockquote', {}, said.text.slice(0, QUOTED)) : false,
        el(
          'fieldset',
          {},
          el('legend', { class: 'unseen' }, t('what_to_do')),
          said ? radio('delete', t('do_delete')) : null,
          radio('mute', t('do_mute')),
          radio('kick', t('do_kick')),
          radio('ban', t('do_ban')),
        ),
        why,
        long,
        whole,
      ],
      action: t('do_it'),
      run: () =>
        trying(async () => {
          const [because, seconds] = [reason.value.trim(), Number(time.value)];
          if (what === 'delete' && said) await request(remove(room, said.seq));
          else if (what === 'kick') await request(kick(user, because));
          else if (what === 'mute') await request(mute(user, because, seconds));
          else {
            const { addresses } = await request(ban(user, because, seconds, address.checked));
            if (address.checked && !addresses) alarm(t('ban_no_address'));
          }
        }),
    });
  }

  /** @param {any} sanction */
  function entry({ kind, user, name, until, reason, by }) {
    const values = { name, when: dayAndTime(until), by };
    const row = el('li', {}, el('p', {}, kind === 'ban' ? t('is_banned', values) : t('is_muted', values)));
    if (reason) row.append(el('p', { class: 'muted' }, t('moderator_reason', { why: reason })));
    const lift = el('button', { type: 'button', 'aria-label': `${t('lift')}: ${name}` }, t('lift'));
    lift.addEventListener('click', async () => {
      const problem = await trying(() => request(pardon(user)));
      if (problem) alarm(problem);
      else row.remove();
    });
    row.append(lift);
    return row;
  }

  async function list() {
    let all = /** @type {any[]} */ ([]);
    const problem = await trying(async () => {
      all = (await request(sanctions())).sanctions;
    });
    if (problem) return alarm(problem);
    const content = all.length ? el('ul', { class: 'sanctions' }, ...all.map(entry)) : el('p', {}, t('none_in_force'));
    openForm({ title: t('in_force'), fields: [content] });
  }

  return { open, list };
}
