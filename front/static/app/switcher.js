// Goes to a room by a few letters of its name, or makes one.

import { openDialog } from './dialog.js';
import { el } from './dom.js';
import { page } from './page.js';
import { addressOf } from './rooms.js';
import { t } from './words.js';

/** Rooms that are shown at once. */
const MOST = 50;

/** @param {string} text */
const plain = (text) => text.normalize('NFC').toLocaleLowerCase();

/**
 * The rooms that a text finds: those that begin with it first. Pure.
 * @template {{ room: string, unread: number }} Entry
 * @param {Entry[]} entries @param {string} text
 * @returns {Entry[]}
 */
export function find(entries, text) {
  const wanted = plain(text);
  const rank = (/** @type {Entry} */ { room }) => (plain(room).startsWith(wanted) ? 0 : 1);
  const found = entries.filter(({ room }) => plain(room).includes(wanted));
  // What has news comes first where nothing is asked for.
  return found.sort((a, b) => (wanted ? rank(a) - rank(b) : Number(b.unread > 0) - Number(a.unread > 0))).slice(0, MOST);
}

/** @param {{ room: string, count: number, unread: number, mine: boolean }[]} entries @param {string} current */
export function openSwitcher(entries, current) {
  const list = el('ul', { id: 'found', role: 'listbox', 'aria-label': t('rooms') });
  const box = /** @type {HTMLInputElement} */ (
    el('input', {
      'aria-label': t('room'),
      placeholder: t('switch_hint'),
      maxlength: page.limits.room,
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      enterkeyhint: 'go',
      role: 'combobox',
      'aria-expanded': 'true',
      'aria-controls': 'found',
    })
  );
  // The form's own Enter: an input method that ends a syllable with it sends it on.
  const form = el('form', { onsubmit: go }, box);
  /** @type {string[]} */
  let rooms = [];
  let at = 0;

  /** @param {string} room @param {number} n @param {...(Node | false)} more */
  const option = (room, n, ...more) =>
    el(
      'li',
      { id: `found-${n}`, role: 'option', 'aria-selected': String(n === at), onclick: () => leave(room) },
      el('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
      el('span', { class: 'room-name' }, room),
      ...more,
    );

  function draw() {
    const wanted = box.value.trim().replace(/^#/, '');
    const found = find(entries, wanted);
    const isNew = wanted !== '' && !entries.some(({ room }) => plain(room) === plain(wanted));
    rooms = [...found.map(({ room }) => room), ...(isNew ? [wanted] : [])];
    at = Math.max(0, Math.min(at, rooms.length - 1));
    list.replaceChildren(
      ...found.map(({ room, unread, count }, n) =>
        option(
          room,
          n,
          room === current && el('span', { class: 'note' }, t('you_are_here')),
          unread > 0 && el('span', { class: 'note strong' }, t('unread_count', { n: unread })),
          count > 0 && el('span', { class: 'note' }, t('people_count', { n: count })),
        ),
      ),
      ...(isNew ? [option(wanted, found.length, el('span', { class: 'note' }, t('new_room')))] : []),
    );
    if (rooms.length) box.setAttribute('aria-activedescendant', `found-${at}`);
    else box.removeAttribute('aria-activedescendant');
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  }

  /** @param {string} room */
  function leave(room) {
    dialog.close();
    if (room !== current) location.assign(addressOf(room));
  }

  /** @param {Event} event */
  function go(event) {
    event.preventDefault();
    if (rooms[at] !== undefined) leave(rooms[at]);
  }

  box.addEventListener('input', () => {
    at = 0;
    draw();
  });
  box.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.code];
    if (!step || event.altKey || event.isComposing || !rooms.length) return;
    event.preventDefault();
    at = (at + step + rooms.length) % rooms.length;
    draw();
  });
  const dialog = openDialog('switcher', t('switch_title'), form, list);
  box.focus();
  draw();
}
