// Leads to a message by its number, as the address after `#m` names it: loads what lies around it where it is not there,
// brings it to the middle of the screen, and marks it for a moment.

import { alarm } from './alarm.js';
import { Refused } from './connection.js';
import { reasonOf } from './reasons.js';
import { history } from './wire.js';
import { t } from './words.js';

/** How much to ask for. Very long messages do not fit into a page: then few, so that the one in the middle comes. */
const AROUND = [50, 4];
const MARKED_MS = 4_000;
/** In this time a browser may still take the focus away because the address has changed: Chromium does, in a later frame. */
const HELD_MS = 1_000;

/** The address of a message. @param {number} seq */
export const linkTo = (seq) => `${location.origin}${location.pathname}#m${seq}`;

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {(message: object) => Promise<any>} options.request
 * @param {HTMLElement} options.list
 * @param {{ show: (row: HTMLElement) => void, leave: () => void }} options.scroll
 * @param {(row: HTMLElement) => void} options.focus
 * @param {() => void} options.onChange
 */
export function createJump({ room, timeline, request, list, scroll, focus, onChange }) {
  let wanted = 0;
  /** @type {HTMLElement | undefined} Where this led last. */
  let shown;

  /** @param {number} seq @returns {Promise<any>} The message, when the server has it and the timeline now too. */
  async function load(seq) {
    for (const limit of AROUND) {
      const page = await request(history(room, { around: seq, limit }));
      if (seq < page.first) return alarm(t('link_expired'));
      if (page.messages.some((/** @type {any} */ message) => message.seq === seq)) {
        timeline.page(page);
        return timeline.find(seq);
      }
    }
    return alarm(t('link_gone'));
  }

  /** @param {number} seq */
  async function to(seq) {
    wanted = seq;
    let item = timeline.find(seq);
    try {
      item ??= await load(seq);
    } catch (why) {
      alarm(why instanceof Refused ? reasonOf(why.body) : t('link_offline'));
    }
    if (wanted !== seq) return;
    wanted = 0;
    if (!item) return;
    // An edit or a deletion is seen where it happened.
    const target = item.edits ?? item.deletes;
    if (target) return void to(target);
    wanted = seq;
    scroll.leave();
    onChange();
  }

  /** Gives the focus back that nobody else has taken. @param {HTMLElement} row @param {number} until */
  function hold(row, until) {
    if (row !== shown || !row.isConnected) return;
    if (document.activeElement === document.body) focus(row);
    if (performance.now() < until) requestAnimationFrame(() => hold(row, until));
  }

  function byAddress() {
    const seq = Number(/^#m(\d{1,15})$/.exec(location.hash)?.[1] ?? 0);
    if (seq) void to(seq);
  }

  addEventListener('hashchange', byAddress);
  // A second click on the same link changes no address.
  list.addEventListener('click', ({ target }) => {
    const link = target instanceof Element && target.closest('a');
    if (link && link.hash && link.href === location.href) byAddress();
  });

  return {
    /** Goes where the address leads, if it leads anywhere. */
    byAddress,

    /** Goes to a message, and writes it into the address, so that Back leads here again. @param {number} seq */
    to(seq) {
      if (location.hash === `#m${seq}`) byAddress();
      else location.hash = `m${seq}`;
    },

    /** The message that is waited for: what lies around it is not what may be forgotten now. */
    aim: () => (wanted ? timeline.find(wanted) : undefined),

    /** The list was drawn: what is waited for may be there. */
    drawn() {
      const rows = wanted ? list.querySelectorAll(`[data-seq="${wanted}"]`) : [];
      const row = /** @type {HTMLElement | undefined} */ ([...rows].at(-1));
      if (!row) return;
      wanted = 0;
      scroll.show(row);
      focus(row);
      shown = row;
      hold(row, performance.now() + HELD_MS);
      row.classList.add('found');
      setTimeout(() => row.classList.remove('found'), MARKED_MS);
    },
  };
}
