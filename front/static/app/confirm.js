// Asks once before what cannot be undone.

import { el } from './dom.js';
import { t } from './words.js';

/**
 * @param {string} question
 * @param {string} yes What is done, as a word.
 * @returns {Promise<boolean>}
 */
export function confirm(question, yes) {
  const form = el(
    'form',
    { method: 'dialog' },
    el('p', { id: 'question' }, question),
    el(
      'p',
      { class: 'row' },
      el('button', { value: 'yes', class: 'primary', autofocus: true }, yes),
      el('button', { value: '' }, t('cancel')),
    ),
  );
  const dialog = /** @type {HTMLDialogElement} */ (el('dialog', { class: 'ask', 'aria-labelledby': 'question' }, form));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}
