// Who this tab is: a secret in `sessionStorage`, so that a reload is the same person and another tab another one. A
// duplicated tab inherits a copy of the storage; a lock named after the secret shows that, and the copy begins anew.

import { browser, tab } from './storage.js';

const SECRET = 'madang.session';
const NAME = 'madang.name';

/** The page that is being left holds its lock for a moment more; a duplicated tab holds it for good. */
const HANDOVER_MS = 1_000;

/** @param {string} secret */
const lockOf = (secret) => `madang:${secret}`;

/**
 * Holds a lock as long as this page lives.
 * @param {string} secret
 * @param {AbortSignal} [signal]
 * @returns {Promise<boolean>} Whether it is held.
 */
function hold(secret, signal) {
  // Not every page has locks (plain http on another machine): there the server's "newest wins" decides.
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(lockOf(secret), { signal }, () => {
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => resolve(false));
  });
}

/**
 * Claims the stored session for this tab.
 * @returns {Promise<{ secret: string | undefined, copied: boolean }>} `copied` when another tab lives with it.
 */
export async function claim() {
  const secret = tab.getItem(SECRET) ?? undefined;
  if (!secret || (await hold(secret, AbortSignal.timeout(HANDOVER_MS)))) return { secret, copied: false };
  tab.removeItem(SECRET);
  return { secret: undefined, copied: true };
}

/** Keeps the secret that the server gave. @param {string} secret */
export function keep(secret) {
  if (tab.getItem(SECRET) === secret) return;
  tab.setItem(SECRET, secret);
  void hold(secret);
}

/** The name of this tab; else the last one used in this browser. */
export function rememberedName() {
  return tab.getItem(NAME) ?? browser.getItem(NAME) ?? '';
}

/** @param {string} name Empty to be a guest. */
export function rememberName(name) {
  tab.setItem(NAME, name);
  if (name) browser.setItem(NAME, name);
}
