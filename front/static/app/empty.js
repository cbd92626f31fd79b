// What stands in a room where nothing was said yet: what to do first, and the address to invite others with.

import { byId } from './dom.js';
import { t } from './words.js';

export function createEmpty() {
  const address = location.origin + location.pathname;
  // Browsers without a script may show what is hidden, and this would be wrong there.
  byId('empty-title').textContent = t('empty_title');
  byId('empty-text').textContent = t('empty_text');
  // Readable for people, and still the address: only what is not ASCII is decoded.
  byId('here').textContent = address.replace(/(%[89a-f][0-9a-f])+/gi, decodeURIComponent);
  byId('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(address);
      byId('copy').textContent = t('copied');
    } catch {
      // Plain http on another machine has no clipboard, or it is denied: the address is marked to be copied by hand.
      getSelection()?.selectAllChildren(byId('here'));
    }
  });

  /** @param {boolean} is */
  return (is) => (byId('empty').hidden = !is);
}
