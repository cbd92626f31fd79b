// What the next message is about: the answer to another one, or the new text of one's own. A line above the box says so.
// An edit puts the draft aside, and its end brings it back; a reload changes nothing of that.

import { byId } from './dom.js';
import { excerptOf } from './text.js';
import { t } from './words.js';

/**
 * @typedef {object} About
 * @property {'reply' | 'edit'} kind
 * @property {string} epoch
 * @property {number} seq
 * @property {string} name Who said it.
 * @property {string} text What it said.
 * @property {{ text: string, about: About | null }} [aside] What stood in the box before an edit.
 */

/**
 * @param {object} options
 * @param {typeof import('./storage.js').tab} options.storage
 * @param {string} options.key
 * @param {HTMLTextAreaElement} options.box
 * @param {(text: string) => string} options.swap Puts a text into the box, and gives what was there.
 */
export function createAbout({ storage, key, box, swap }) {
  /** @type {About | null} */
  let about = JSON.parse(storage.getItem(key) ?? 'null');

  function draw() {
    byId('about').hidden = !about;
    const { kind, name = '', text = '' } = about ?? {};
    const words = { name, text: excerptOf(text) };
    byId('about-text').textContent = about ? (kind === 'edit' ? t('editing', words) : t('replying', words)) : '';
  }

  /** @param {About | null} next */
  function set(next) {
    about = next;
    if (next) storage.setItem(key, JSON.stringify(next));
    else storage.removeItem(key);
    draw();
  }

  function end() {
    const was = about;
    set(was?.aside?.about ?? null);
    if (was?.kind === 'edit') swap(was.aside?.text ?? '');
  }

  function endEdit() {
    if (about?.kind === 'edit') end();
  }

  function leave() {
    end();
    box.focus();
  }

  draw();
  byId('about-end').addEventListener('click', leave);
  box.addEventListener('keydown', (event) => {
    // Escape belongs to the input method first.
    if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented || !about) return;
    event.preventDefault();
    leave();
  });

  return {
    endEdit,

    /** @param {Pick<About, 'epoch' | 'seq' | 'name' | 'text'>} said */
    reply({ epoch, seq, name, text }) {
      endEdit();
      set({ kind: 'reply', epoch, seq, name, text });
      box.focus();
    },

    /** @param {Pick<About, 'epoch' | 'seq' | 'name' | 'text'>} said @param {string} [draft] What its new text may become. */
    edit({ epoch, seq, name, text }, draft = text) {
      endEdit();
      const aside = { text: swap(draft), about };
      set({ kind: 'edit', epoch, seq, name, text, aside });
      box.focus();
    },

    /** Ends it, because it is sent. */
    take() {
      const was = about;
      end();
      return was;
    },

    get now() {
      return about;
    },
  };
}
