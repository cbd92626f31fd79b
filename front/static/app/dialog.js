// A window above the page with a title and a button to close it. Escape and a click beside it close it too, and the focus
// goes back to where it was: the browser's own.

import { el } from './dom.js';
import { t } from './words.js';

/**
 * @param {string} name A class, and part of the title's id.
 * @param {string} title
 * @param {...(Node | string | false)} children
 * @returns {HTMLDialogElement} Open.
 */
export function openDialog(name, title, ...children) {
  const id = `${name}-title`;
  const close = el('button', { type: 'button', class: 'icon', 'aria-label': t('close') }, '✕');
  const dialog = /** @type {HTMLDialogElement} */ (
    el('dialog', { class: name, 'aria-labelledby': id }, el('div', { class: 'dialog-head' }, el('h2', { id }, title), close), ...children)
  );
  close.addEventListener('click', () => dialog.close());
  // The dialog has no edge of its own to click on: what is not in a child is the backdrop.
  dialog.addEventListener('click', (event) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (event.target === dialog && (x < left || x > right || y < top || y > bottom)) dialog.close();
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
