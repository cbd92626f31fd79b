// Tab in the box: puts in what `completion` finds, the next with each further Tab, the one before with Shift. Where there
// is nothing to put in, Tab leads on as everywhere.

import { complete } from './completion.js';
import { hint } from './note.js';
import { t } from './words.js';

/** Of so many the line shows the names. */
const SHOWN = 6;

/**
 * @param {object} options
 * @param {HTMLTextAreaElement} options.box
 * @param {() => { names: string[], rooms: string[], commands: string[] }} options.known
 */
export function createCompleting({ box, known }) {
  /** @type {(import('./completion.js').Completion & { at: number, value: string, caret: number }) | null} What the last Tab did. */
  let last = null;

  function end() {
    if (last) hint('');
    last = null;
  }

  /** @param {number} step */
  function next(step) {
    const caret = box.selectionStart;
    if (last?.value !== box.value || last.caret !== caret) end();
    let now = last;
    if (!now) {
      if (caret !== box.selectionEnd || step < 0) return false;
      now = { ...complete(box.value.slice(0, caret), known()), at: -1, value: '', caret };
      if (!now.words.length) return false;
    } else if (now.words.length === 1) {
      // There is no other: Tab leads on.
      end();
      return false;
    }
    const { words, start } = now;
    const at = (now.at + step + words.length) % words.length;
    box.setRangeText(`${words[at]} `, start, caret, 'end');
    // As if it had been typed.
    box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    last = { ...now, at, value: box.value, caret: box.selectionStart };
    const others = words.slice(0, SHOWN).join(' ') + (words.length > SHOWN ? ' …' : '');
    const word = words[at];
    hint(words.length > 1 ? t('completed_of', { word, n: at + 1, all: words.length, others }) : word, true);
    return true;
  }

  box.addEventListener('keydown', (event) => {
    const { key, shiftKey, isComposing, ctrlKey, altKey, metaKey } = event;
    if (key === 'Shift') return;
    if (key === 'Tab' && !isComposing && !ctrlKey && !altKey && !metaKey && next(shiftKey ? -1 : 1)) event.preventDefault();
    else if (key === 'Escape' && last) {
      event.preventDefault();
      end();
    } else if (key !== 'Tab') end();
  });
  box.addEventListener('blur', end);
}
