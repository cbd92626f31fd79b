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
  closeBeside(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Lets a click beside a dialog close it. @param {HTMLDialogElement} dialog */
export function closeBeside(dialog) {
  dialog.addEventListener('click', (event) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    // A click on the backdrop is one on the dialog, outside of its box.
    if (event.target === dialog && (x < left || x > right || y < top || y > bottom)) dialog.close();
  });
}
