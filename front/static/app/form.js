// A form that comes over the page, and goes when it is done or put away.

import { openDialog } from './dialog.js';
import { el } from './dom.js';
import { t } from './words.js';

/** A labelled field. @param {string} label @param {HTMLElement} input @param {HTMLElement | false} [hint] */
export const field = (label, input, hint = false) =>
  el('label', { class: 'field' }, el('span', {}, label), input, hint);

/** @param {[value: number, label: string][]} options @param {number} chosen */
export const choice = (options, chosen) =>
  el('select', {}, ...options.map(([value, label]) => el('option', { value, selected: value === chosen }, label)));

/**
 * @param {object} options
 * @param {string} options.title
 * @param {(HTMLElement | false)[]} options.fields
 * @param {string} [options.action] What its button says; without one there is nothing to do but to close it.
 * @param {() => Promise<string>} [options.run] Says what went wrong; empty when it is done.
 */
export function openForm({ title, fields, action, run }) {
  const problem = el('p', { class: 'wrong', role: 'alert' });
  const close = el('button', { type: 'button', onclick: () => dialog.close() }, action ? t('cancel') : t('close'));
  const submit = action && el('button', { class: 'primary' }, action);
  const form = el('form', {}, ...fields, problem, el('div', { class: 'row' }, close, submit));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (!submit || !run) return;
    submit.toggleAttribute('disabled', true);
    problem.textContent = await run();
    submit.removeAttribute('disabled');
    if (!problem.textContent) dialog.close();
  });
  const dialog = openDialog('form', title, form);
  const first = /** @type {HTMLElement | null} */ (form.querySelector('input:not([type=radio]:not(:checked)), button'));
  first?.focus();
}
