// Looks for messages of the room: a dialog with a field, and what was found, newest first, each leading to its place.

import { Refused } from './connection.js';
import { closeBeside } from './dialog.js';
import { el, tint } from './dom.js';
import { isQuery, piecesOf } from './marks.js';
import { dayAndTime } from './time.js';
import { search } from './wire.js';
import { t } from './words.js';

/** Letters that are shown around the first one found. */
const BEFORE = 60;
const AFTER = 240;

/**
 * @param {object} options
 * @param {string} options.room
 * @param {(message: object) => Promise<any>} options.request
 * @param {(seq: number) => void} options.onChoose
 */
export function createSearch({ room, request, onChoose }) {
  const field = /** @type {HTMLInputElement} */ (
    el('input', { id: 'search-field', maxlength: 200, autocomplete: 'off', enterkeyhint: 'search' })
  );
  const said = el('p', { role: 'status', class: 'muted' });
  const list = el('ol', { class: 'found-list' });
  const more = el('button', { type: 'button', hidden: true, onclick: () => look(oldest) }, t('search_more'));
  const dialog = /** @type {HTMLDialogElement} */ (
    el(
      'dialog',
      { id: 'search', 'aria-labelledby': 'search-title' },
      el(
        'div',
        { class: 'dialog-head' },
        el('h2', { id: 'search-title' }, t('search_in', { room: `#${room}` })),
        el('button', { type: 'button', class: 'icon', 'aria-label': t('close'), onclick: () => dialog.close() }, '✕'),
      ),
      el(
        'form',
        { class: 'row', role: 'search', onsubmit: begin },
        el('label', { for: 'search-field', class: 'unseen' }, t('search_for')),
        field,
        el('button', { class: 'primary' }, t('search')),
      ),
      said,
      list,
      more,
    )
  );
  let query = '';
  let oldest = 0;
  /** Each look makes the ones before it old news. */
  let looks = 0;

  /** @param {Event} event */
  function begin(event) {
    event.preventDefault();
    query = field.value;
    list.replaceChildren();
    more.hidden = true;
    looks += 1;
    if (isQuery(query)) void look();
    else said.textContent = t('search_short');
  }

  /** @param {number} [before] */
  async function look(before) {
    const mine = (looks += 1);
    said.textContent = t('searching');
    more.setAttribute('disabled', '');
    try {
      const page = await request(search(room, query, before));
      if (mine !== looks) return;
      const rows = page.messages.map(row);
      list.append(...rows);
      oldest = page.messages.at(-1)?.seq ?? oldest;
      more.hidden = !page.more;
      const n = list.childElementCount;
      said.textContent = !n
        ? t('search_none', { text: query.trim() })
        : page.more
          ? t('search_found_more', { n })
          : t('search_found', { n });
      // Whoever asked for more goes on with the first of them.
      if (before) rows[0]?.querySelector('a')?.focus();
    } catch (why) {
      if (mine === looks) said.textContent = why instanceof Refused ? t('search_unavailable') : t('search_offline');
    }
    more.removeAttribute('disabled');
  }

  /** @param {import('./timeline.js').WireMessage} message */
  function row({ seq, user, name, text, at }) {
    const link = el(
      'a',
      { href: `#m${seq}`, onclick: choose },
      tint(el('span', { class: 'author' }, name), user),
      el('time', { datetime: new Date(at).toISOString() }, dayAndTime(at)),
      el('span', { class: 'text', dir: 'auto' }, ...excerpt(text.normalize('NFC'))),
    );
    /** @param {Event} event */
    function choose(event) {
      event.preventDefault();
      dialog.close();
      onChoose(seq);
    }
    return el('li', {}, link);
  }

  /** What stands around the first place that was found. @param {string} text */
  function excerpt(text) {
    const pieces = piecesOf(text, query);
    const before = pieces[0]?.found === false ? pieces[0].text.length : 0;
    const from = Math.max(0, before - BEFORE);
    const part = text.slice(from, before + AFTER).toWellFormed();
    const marked = piecesOf(part, query).map((piece) => (piece.found ? el('mark', {}, piece.text) : piece.text));
    return [from > 0 && '…', ...marked, before + AFTER < text.length && '…'];
  }

  /** @param {string} [text] */
  function open(text) {
    if (!dialog.isConnected) document.body.append(dialog);
    if (!dialog.open) dialog.showModal();
    if (text) {
      field.value = text;
      field.form?.requestSubmit();
    }
    field.focus();
    field.select();
  }

  closeBeside(dialog);
  return { open };
}
