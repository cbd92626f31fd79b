// The switch between light, dark and the system's choice. Its links work without this; with it the page changes on the
// spot. A cookie remembers, so that the server's next page is right before anything is painted.

import { page } from './page.js';

/** A year, in seconds. */
const REMEMBERED = 365 * 24 * 60 * 60;

/** @param {string} tag @param {string} kind `light` or `dark`. */
const mediaOf = (tag, kind) => (tag === 'system' ? `(prefers-color-scheme: ${kind})` : tag === kind ? 'all' : 'not all');

export function createTheme() {
  const links = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.themes a'));

  /** @param {string} tag */
  function apply(tag) {
    document.cookie = `theme=${tag}; Path=${page.base || '/'}; Max-Age=${REMEMBERED}; SameSite=Lax`;
    for (const sheet of /** @type {NodeListOf<HTMLLinkElement>} */ (document.querySelectorAll('[data-theme]'))) {
      sheet.media = mediaOf(tag, String(sheet.dataset.theme));
    }
    document.querySelector('meta[name=color-scheme]')?.setAttribute('content', tag === 'system' ? 'light dark' : tag);
    for (const link of links) {
      if (link.dataset.tag === tag) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }

  for (const link of links) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      apply(String(link.dataset.tag));
    });
  }
}
