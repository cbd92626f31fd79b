// The browser's storage, in a form that never throws: where it is denied or full, things are kept in memory as long as
// the page lives.

import { page } from './page.js';

/** @param {() => Storage} open Throws where storage is denied. */
function kept(open) {
  /** @type {Map<string, string>} */
  const memory = new Map();
  /** @type {Storage | null} */
  let real = null;
  try {
    real = open();
  } catch {
    // Denied: memory it is.
  }
  return {
    /** @param {string} key @returns {string | null} */
    getItem: (key) => memory.get(key) ?? real?.getItem(key) ?? null,

    /** @param {string} key @param {string} value */
    setItem(key, value) {
      try {
        if (!real) throw new Error('denied');
        real.setItem(key, value);
        memory.delete(key);
      } catch {
        memory.set(key, value);
      }
    },

    /** @param {string} key */
    removeItem(key) {
      memory.delete(key);
      real?.removeItem(key);
    },

    /** Whether anything of this beginning would be gone with the page. @param {string} prefix */
    isFleeting: (prefix) => [...memory.keys()].some((key) => key.startsWith(prefix)),

    /** @returns {string[]} */
    keys: () => [...new Set([...Object.keys(real ?? {}), ...memory.keys()])],
  };
}

/** What belongs to this tab. */
export const tab = kept(() => sessionStorage);
/** What belongs to this browser. */
export const browser = kept(() => localStorage);

/** Whose tab it is, where one signs in. */
const ACCOUNT = 'madang.account';

// Who signs in after somebody else finds nothing of theirs in the tab: no session, no draft, nothing that waits to be sent.
const account = page.account ?? '';
if ((tab.getItem(ACCOUNT) ?? '') !== account) {
  for (const key of tab.keys()) if (key.startsWith('madang.')) tab.removeItem(key);
  tab.setItem(ACCOUNT, account);
}
