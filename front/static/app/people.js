// Draws who is in the room.

import { byId, el, tint } from './dom.js';
import { page } from './page.js';
import { t } from './words.js';

/** @param {import('./roster.js').Roster} roster @param {string} me */
export function drawPeople(roster, me) {
  const sorted = roster.sorted(me, page.lang);
  byId('people').replaceChildren(
    ...sorted.map(({ user, name }) =>
      el(
        'li',
        { 'data-user': user, title: name },
        tint(el('span', { class: 'author' }, name), user),
        user === me && el('span', { class: 'you' }, t('you')),
      ),
    ),
  );
  byId('people-count').textContent = roster.count ? roster.count.toLocaleString(page.lang) : '';
  byId('open-people').textContent = roster.count ? t('people_count', { n: roster.count }) : t('people');
  const unnamed = roster.count - sorted.length;
  byId('people-more').textContent = unnamed > 0 ? t('people_more', { n: unnamed }) : '';
}
