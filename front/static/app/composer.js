// The box where one writes. Enter is taken from `beforeinput`, never from keys: so the Enter that ends a Hangul syllable
// sends once and cuts nothing off. The box is never disabled and never changed while a syllable is being composed.

import { endsInCode } from './markup.js';
import { tab } from './storage.js';

/** An input method that ends its syllable on Enter does so well within this. */
const COMMIT_WITHIN_MS = 50;

/**
 * @param {object} options
 * @param {HTMLFormElement} options.form
 * @param {HTMLTextAreaElement} options.box
 * @param {string} options.draftKey Where the draft survives a reload.
 * @param {(text: string) => void} options.onSend
 * @param {() => void} options.onType
 */
export function createComposer({ form, box, draftKey, onSend, onType }) {
  const touch = matchMedia('(hover: none) and (pointer: coarse)');
  let shift = false;
  let composing = false;
  let sendAfterComposing = false;

  // Whatever was typed before this ran is newer than the draft.
  box.value ||= tab.getItem(draftKey) ?? '';
  keepDraft();
  grow();
  // Until now a click would have sent the form as browsers do, and lost the text.
  for (const button of form.querySelectorAll('button')) button.disabled = false;

  function grow() {
    if (CSS.supports('field-sizing', 'content')) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  }

  function keepDraft() {
    if (box.value) tab.setItem(draftKey, box.value);
    else tab.removeItem(draftKey);
  }

  function submit() {
    if (composing) {
      sendAfterComposing = true;
      setTimeout(endComposing, COMMIT_WITHIN_MS);
      return;
    }
    const text = box.value.trim();
    if (!text) return;
    swap('');
    onSend(text);
  }

  /** @param {string} text */
  function swap(text) {
    const was = box.value;
    box.value = text;
    keepDraft();
    grow();
    return was;
  }

  /** An input method that passes Enter on without ending its syllable is made to end it by taking the focus away. */
  function endComposing() {
    if (!composing || !sendAfterComposing) return;
    box.blur();
    box.focus();
  }

  box.addEventListener('keydown', (event) => (shift = event.shiftKey));
  box.addEventListener('keyup', (event) => (shift = event.shiftKey));
  box.addEventListener('beforeinput', (event) => {
    if (event.inputType !== 'insertLineBreak' && event.inputType !== 'insertParagraph') return;
    if (shift || touch.matches || endsInCode(box.value.slice(0, box.selectionStart))) return;
    event.preventDefault();
    submit();
  });
  box.addEventListener('compositionstart', () => (composing = true));
  box.addEventListener('compositionend', () => {
    composing = false;
    if (!sendAfterComposing) return;
    sendAfterComposing = false;
    // The syllable reaches the box only after this event.
    setTimeout(submit, 0);
  });
  box.addEventListener('input', () => {
    keepDraft();
    grow();
    if (box.value.trim()) onType();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
    box.focus();
  });

  return {
    focus() {
      // On a touch screen this would open the keyboard over the messages.
      if (!touch.matches) box.focus();
    },

    /** Puts a text into the box, and gives what was there. @param {string} text */
    swap,

    /** Puts a text back to be changed, before whatever is there. @param {string} text */
    takeBack(text) {
      swap(box.value ? `${text}\n${box.value}` : text);
      box.focus();
    },
  };
}
