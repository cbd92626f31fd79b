// Reads new messages to those who listen instead of looking: at most two a second, a burst as one number.

import { byId, el } from './dom.js';
import { plain } from './markup.js';
import { actionOf } from './text.js';
import { t } from './words.js';

const EVERY_MS = 500;
/** More than this many waiting at once are only counted. */
const MOST = 3;
/** Lines that stay in the document; a screen reader has long read the older ones. */
const KEPT = 20;

export function createAnnouncer() {
  const log = byId('announcer');
  /** @type {{ name: string, text: string }[]} */
  let waiting = [];
  let timer = 0;

  function speak() {
    timer = 0;
    const [next, ...rest] = waiting;
    if (!next) return;
    const many = waiting.length > MOST;
    const does = actionOf(next.text);
    const one = does ? `${next.name} ${does}` : t('announce', next);
    log.append(el('p', {}, many ? t('announce_many', { n: waiting.length }) : one));
    while (log.childElementCount > KEPT) log.firstElementChild?.remove();
    waiting = many ? [] : rest;
    if (waiting.length) timer = setTimeout(speak, EVERY_MS);
  }

  return {
    /** @param {{ name: string, text: string }} message */
    say({ name, text }) {
      waiting.push({ name, text: plain(text) });
      timer ||= setTimeout(speak, EVERY_MS);
    },
  };
}
