// Draws who is in the room.

import { byId, el, tint } from './dom.js';
import { page } from './page.js';
import { t } from './words.js';

/** @param {string} name @param {() => void} onclick */
const moderateButton = (name, onclick) =>
  el('button', { type: 'button', class: 'moderate', 'aria-label': t('moderate', { name }), title: t('moderate', { name }), onclick }, '⋯');

/**
 * @param {import('./roster.js').Roster} roster
 * @param {string} me
 * @param {((person: import('./roster.js').Person) => void) | null} onModerate Where a moderator looks at it.
 */
export function drawPeople(roster, me, onModerate) {
  const held = document.activeElement?.closest('#people li')?.getAttribute('data-user');
  const sorted = roster.sorted(me, page.lang);
  byId('people').replaceChildren(
    ...sorted.map(({ user, name }) =>
      el(
        'li',
        { 'data-user': user, title: name },
        tint(el('span', { class: 'author' }, name), user),
        user === me && el('span', { class: 'you' }, t('you')),
        user !== me && onModerate && moderateButton(name, () => onModerate({ user, name })),
      ),
    ),
  );
  if (held) byId('people').querySelector(`[data-user="${held}"] button`)?.focus();
  byId('people-count').textContent = roster.count ? roster.count.toLocaleString(page.lang) : '';
  byId('open-people').textContent = roster.count ? t('people_count', { n: roster.count }) : t('people');
  const unnamed = roster.count - sorted.length;
  byId('people-more').textContent = unnamed > 0 ? t('people_more', { n: unnamed }) : '';
}
