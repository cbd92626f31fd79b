// Draws the list of messages. Elements of unchanged rows stay as they are, so that a selection, the focus and the place
// on the screen survive whatever arrives.

import { el, tint } from './dom.js';
import { draw as drawMarkup } from './markup/draw.js';
import { actionOf } from './text.js';
import { clockTime, dayName, fullTime } from './time.js';
import { t } from './words.js';

/** @typedef {import('./rows.js').Row} Row */

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {() => { user: string, name: string }} options.me
 * @param {import('./acquaintance.js').Acquaintance} options.people Who can be called in a text.
 * @param {import('./markup/inline.js').Names} options.rooms Which rooms can be named in one.
 * @param {() => { inside: boolean, waitUntil: number }} options.link
 * @param {(gap: any, row: Element) => Promise<unknown>} options.onLoadGap
 * @param {(action: 'retry' | 'edit' | 'delete', id: string) => void} options.onOwn
 */
export function createMessages({ list, me, people, rooms, link, onLoadGap, onOwn }) {
  /** @type {Map<string, { look: string, element: HTMLElement }>} */
  const drawn = new Map();
  /** @type {WeakMap<Element, Row>} */
  const rowOf = new WeakMap();

  /** @param {Row} row */
  function build(row) {
    switch (row.kind) {
      case 'day':
        return el('li', { class: 'day' }, el('span', {}, dayName(Number(row.day))));
      case 'epoch':
        return el('li', { class: 'mark epoch' }, el('span', {}, t('epoch')));
      case 'gap':
        return gap(row.item, Boolean(row.open));
      case 'unread':
        return el('li', { class: 'mark unread' }, el('span', {}, t('unread_line')));
      case 'coming':
        return el('li', { class: 'coming' }, row.look);
      case 'own':
        return own(row);
      default:
        return message(row);
    }
  }

  /** @param {any} item @param {boolean} open */
  function gap(item, open) {
    const n = item.to - item.seq + 1;
    if (item.reason === 'expired') return el('li', { class: 'mark gap' }, el('span', {}, t('gap_expired', { n })));
    // A hole in a history that is gone cannot be filled any more.
    if (!open) return el('li', { class: 'mark gap' }, el('span', {}, t('gap_count', { n })));
    const cut = item.reason === 'cut';
    const row = el(
      'li',
      { class: `mark gap${cut ? ' cut' : ''}` },
      el('span', {}, cut ? t('gap_cut', { n }) : t('gap_count', { n })),
      el('button', { type: 'button', onclick: () => onLoadGap(item, row) }, t('load')),
    );
    return row;
  }

  /**
   * @param {{ user: string, name: string, at: number, text: string, deleted?: boolean }} said
   * @param {Row} row
   * @param {Record<string, unknown>} attributes
   * @param {...(HTMLElement | false)} more
   */
  function said({ user, name, at, text, deleted }, { first, quote }, attributes, ...more) {
    const mine = user === me().user;
    const does = deleted ? '' : actionOf(text);
    const author = tint(el('span', { class: 'author', title: name }, name), user);
    const content = deleted ? [t('deleted')] : drawMarkup(does || text, { people, rooms, me: me().name });
    if (does) content.unshift(author, ' ');
    return el(
      'li',
      { class: `message${first ? ' first' : ''}${mine ? ' mine' : ''}${does ? ' does' : ''}`, ...attributes },
      does ? el('span', { class: 'dot', 'aria-hidden': 'true' }, '·') : author,
      el('div', { class: 'body' }, quote && mention(quote), el('div', { class: 'text', dir: 'auto' }, ...content), ...more),
      el('time', { datetime: new Date(at).toISOString(), title: fullTime(at) }, clockTime(at)),
    );
  }

  /** The message that is answered, in one line that leads to it. @param {import('./rows.js').Quote} quote */
  function mention({ seq, name, text, deleted }) {
    const words = deleted ? t('deleted') : String(text);
    const label = name === undefined ? false : t('quote', { name, text: words });
    const content = name === undefined ? [t('quote_away')] : [el('span', { class: 'who' }, name), ` ${words}`];
    return el('a', { class: 'quote', href: `#m${seq}`, 'aria-label': label }, ...content);
  }

  /** @param {Row} row */
  function message(row) {
    const { item, change } = row;
    // What is stored is as good as done; its own event follows.
    const deleted = item.deleted || (change?.deletes && change.state === 'stored');
    const text = change?.edits && !change.deletes ? change.text : item.text;
    const attributes = { 'data-seq': item.seq, 'data-user': item.user, 'data-state': deleted && 'deleted' };
    return said({ ...item, text, deleted }, row, attributes, item.edited && note('edited', t('edited')), Boolean(change) && fate(change));
  }

  /** @param {Row} row */
  function own(row) {
    const { item } = row;
    const attributes = { 'data-state': item.state, 'data-id': item.id, 'data-seq': item.seq };
    const what = item.edits ? t('edit_of_other') : item.deletes ? t('delete_of_other') : '';
    return said({ ...me(), ...item }, row, attributes, what !== '' && note('fate', what), fate(item));
  }

  /** What becomes of an own message. @param {import('./outbox.js').Entry} entry */
  function fate(entry) {
    if (entry.state === 'stored') return false;
    if (entry.state === 'pending') {
      const { inside, waitUntil } = link();
      if (!inside) return note('fate', t('queued'));
      if (waitUntil) return note('fate', t('waiting', { n: Math.max(1, Math.ceil((waitUntil - Date.now()) / 1000)) }));
      return note('fate soon', entry.deletes ? t('deleting') : t('pending'));
    }
    const failed = entry.deletes ? t('not_deleted') : t('failed');
    /** @param {'retry' | 'edit' | 'delete'} action @param {string} label */
    const button = (action, label) => el('button', { type: 'button', onclick: () => onOwn(action, entry.id) }, label);
    return el(
      'p',
      { class: 'fate failed' },
      el('span', {}, `${failed}${entry.reason ? ` (${entry.reason})` : ''}`),
      button('retry', t('retry')),
      !entry.deletes && button('edit', t('edit')),
      button('delete', entry.edits || entry.deletes ? t('discard') : t('delete')),
    );
  }

  /** @param {string} kind @param {string} text */
  const note = (kind, text) => el('p', { class: kind }, text);

  return {
    /** The row that an element shows. @param {Element} element */
    rowOf: (element) => rowOf.get(element),

    /** @param {Row[]} rows */
    draw(rows) {
      let at = list.firstElementChild;
      const kept = new Set();
      people.meet(rows.map(({ item }) => item?.name).filter(Boolean));
      for (const row of rows) {
        kept.add(row.key);
        let known = drawn.get(row.key);
        // Who is called is seen once their name is known.
        const look = row.item?.text?.includes('@') ? `${row.look} ${people.size} ${me().name}` : row.look;
        if (!known || known.look !== look) {
          const element = build(row);
          rowOf.set(element, row);
          if (known) {
            if (known.element === at) at = element;
            const focused = known.element.contains(document.activeElement);
            known.element.replaceWith(element);
            // Whoever presses "load" by keyboard goes on from there.
            if (focused) element.querySelector('button')?.focus({ preventScroll: true });
          }
          known = { look, element };
          drawn.set(row.key, known);
        }
        rowOf.set(known.element, row);
        if (known.element === at) at = at.nextElementSibling;
        else list.insertBefore(known.element, at);
      }
      for (const [key, { element }] of drawn) {
        if (kept.has(key)) continue;
        element.remove();
        drawn.delete(key);
      }
    },
  };
}
