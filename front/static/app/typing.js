// Who is typing: says so for oneself now and then, and shows it of others until they stop.

import { byId } from './dom.js';
import { t } from './words.js';

const SAY_EVERY_MS = 3_000;
const GONE_AFTER_MS = 6_000;

/** @param {{ tell: () => void }} options */
export function createTyping({ tell }) {
  /** @type {Map<string, { name: string, timer: number }>} */
  const others = new Map();
  let said = 0;

  function draw() {
    const [a, b] = [...others.values()].map(({ name }) => name);
    const line = byId('typing');
    if (!a) line.textContent = '';
    else if (!b) line.textContent = t('typing_one', { a });
    else line.textContent = others.size === 2 ? t('typing_two', { a, b }) : t('typing_many');
  }

  /** @param {string} user */
  function gone(user) {
    const known = others.get(user);
    if (!known) return;
    clearTimeout(known.timer);
    others.delete(user);
    draw();
  }

  return {
    gone,

    /** @param {{ user: string, name: string }} person */
    seen({ user, name }) {
      clearTimeout(others.get(user)?.timer);
      others.set(user, { name, timer: setTimeout(() => gone(user), GONE_AFTER_MS) });
      draw();
    },

    /** Something was typed here. */
    typed() {
      if (Date.now() - said < SAY_EVERY_MS) return;
      said = Date.now();
      tell();
    },

    /** It was sent: the next letter is news again. */
    sent() {
      said = 0;
    },

    clear() {
      for (const user of [...others.keys()]) gone(user);
    },
  };
}
