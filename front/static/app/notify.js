// Tells who looks elsewhere that somebody means them: by name, or by an answer. Only when they switched it on, once per
// message however many tabs are open, and not while one of them shows the room to somebody.

import { byId } from './dom.js';
import { calls } from './markup.js';
import { browser } from './storage.js';
import { t } from './words.js';

const WANTED = 'madang.notify';
/** What was told by any tab, newest last. */
const TOLD = 'madang.notified';
/** Longer than any two tabs are apart. */
const KEPT = 100;
/** In this time every tab has heard of a message, also one that sleeps a little. */
const HELD_MS = 60_000;
/** Own messages whose answers are recognised. */
const OWN = 1_000;
/** A notification shows no more of a message than this. */
const BODY_CHARS = 200;

/** A lock that a tab holds as long as it shows this room to somebody. @param {string} room */
const seenIn = (room) => `madang.seen:${room}`;

/** @returns {string[]} */
function told() {
  try {
    return JSON.parse(browser.getItem(TOLD) ?? '[]');
  } catch {
    return [];
  }
}

/**
 * @param {object} options
 * @param {string} options.room
 * @param {() => { user: string, name: string }} options.me
 * @param {(seq: number) => { user: string } | undefined} options.find A message that is shown.
 */
export function createNotify({ room, me, find }) {
  // Where there are notifications there are locks: both belong to secure pages.
  const able = 'Notification' in window && Boolean(navigator.locks);
  const button = byId('notify');
  const note = byId('notify-note');
  /** @type {Set<string>} */
  const own = new Set();
  let release = () => {};

  const isOn = () => able && browser.getItem(WANTED) === 'on' && Notification.permission === 'granted';

  function draw() {
    button.hidden = !able;
    button.setAttribute('aria-pressed', String(isOn()));
    const denied = able && browser.getItem(WANTED) === 'on' && Notification.permission === 'denied';
    note.textContent = denied ? t('notify_denied') : '';
  }

  async function toggle() {
    const on = !isOn();
    browser.setItem(WANTED, on ? 'on' : 'off');
    if (on && Notification.permission !== 'granted') await Notification.requestPermission();
    draw();
  }

  function look() {
    release();
    release = () => {};
    if (!able || document.hidden || !document.hasFocus()) return;
    const over = new Promise((done) => (release = () => done(0)));
    void navigator.locks.request(seenIn(room), { mode: 'shared' }, () => over);
  }

  /** @param {{ epoch: string, seq: number, name: string, text: string }} message */
  function tell({ epoch, seq, name, text }) {
    const key = `${room}:${epoch}:${seq}`;
    // The tab that gets it tells, and holds it until the others have heard: what one tab stores, another may see late.
    void navigator.locks.request(`${TOLD}:${key}`, { ifAvailable: true }, async (mine) => {
      const known = told();
      if (!mine || known.includes(key)) return;
      const { held } = await navigator.locks.query();
      // Somebody sees it already: it is told all the same to no other tab.
      browser.setItem(TOLD, JSON.stringify([...known, key].slice(-KEPT)));
      if (!held?.some((lock) => lock.name === seenIn(room))) show(name, text);
      await new Promise((over) => setTimeout(over, HELD_MS));
    });
  }

  /** @param {string} name @param {string} text */
  function show(name, text) {
    try {
      const options = { body: text.slice(0, BODY_CHARS), tag: `madang:${room}`, renotify: true };
      const shown = new Notification(t('notify_title', { name, room: `#${room}` }), options);
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    } catch {
      // Some browsers show them only from a service worker.
    }
  }

  button.addEventListener('click', toggle);
  for (const event of ['focus', 'blur']) addEventListener(event, look);
  document.addEventListener('visibilitychange', look);
  addEventListener('storage', ({ key }) => {
    if (key === WANTED) draw();
  });
  look();
  draw();

  return {
    /**
     * A message that this page has not seen before.
     * @param {any} message @param {string} epoch @param {boolean} live Whether it is news, not a first look.
     * @returns {boolean} Whether it means the person of this tab.
     */
    heard(message, epoch, live) {
      const { user, name } = me();
      if (message.user === user) {
        own.add(`${epoch}:${message.seq}`);
        if (own.size > OWN) own.delete([...own][0]);
        return false;
      }
      if (message.edits !== undefined || message.deletes !== undefined) return false;
      const to = message.reply_to;
      const answers = to !== undefined && (own.has(`${epoch}:${to}`) || find(to)?.user === user);
      const meant = answers || calls(message.text, name);
      if (meant && live && isOn()) tell({ ...message, epoch });
      return meant;
    },
  };
}
