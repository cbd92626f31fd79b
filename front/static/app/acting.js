// What one can do with messages: answer, edit, take back, pass on. Each becomes an entry of the outbox, so that none of it
// is lost with the link.

import { lineOf } from './commands.js';
import { confirm } from './confirm.js';
import { el } from './dom.js';
import { linkTo } from './jump.js';
import { t } from './words.js';

/**
 * @param {object} options
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {import('./outbox.js').Outbox} options.outbox
 * @param {() => string} options.me
 * @param {ReturnType<typeof import('./about.js').createAbout>} options.about
 * @param {(text: string) => void} options.hint
 * @param {(title: string, ...more: (Node | string)[]) => void} options.note
 * @param {(isNew: boolean) => void} options.onWritten There is something to send: a message, or a change of one.
 */
export function createActing({ timeline, outbox, me, about, hint, note, onWritten }) {
  /** @typedef {import('./timeline.js').Said} Said */
  /** @param {Said} item */
  const there = (item) => item.epoch === timeline.epoch && !item.deleted;
  /** @param {Said} item */
  const own = (item) => there(item) && item.user === me();

  /** @param {Said} item What it will say when everything on its way has arrived. */
  const textOf = ({ epoch, seq, text }) =>
    outbox.entries.findLast(({ within, edits }) => within === epoch && edits === seq)?.text ?? text;

  /** @param {Said} item */
  const edit = (item) => about.edit({ ...item, text: textOf(item) });

  /** @param {Said} item */
  async function takeBack({ epoch, seq }) {
    if (!(await confirm(t('delete_ask'), t('delete')))) return;
    outbox.add('', { within: epoch, deletes: seq });
    onWritten(false);
  }

  /** @param {Said} item */
  async function copyLink({ seq }) {
    try {
      await navigator.clipboard.writeText(linkTo(seq));
      hint(t('link_copied'));
    } catch {
      // Plain http on another machine has no clipboard, or it is denied: the address is marked to be copied by hand.
      const link = el('code', {}, linkTo(seq));
      note(t('link_by_hand'), link);
      getSelection()?.selectAllChildren(link);
    }
  }

  return {
    /** @type {import('./actions.js').Action[]} */
    actions: [
      { key: 'reply', label: () => t('reply'), when: there, run: about.reply },
      { key: 'edit', label: () => t('edit'), when: own, run: edit },
      { key: 'delete', label: () => t('delete'), when: own, run: takeBack },
      { key: 'link', label: () => t('copy_link'), when: there, run: copyLink },
    ],

    /** The newest own message, to be written anew. */
    editLast() {
      const item = timeline.items.findLast((candidate) => candidate.kind === 'message' && !isEvent(candidate) && own(candidate));
      if (item) edit(/** @type {Said} */ (item));
    },

    /** What was written in the box, with what it is about. @param {string} text */
    say(text) {
      const what = about.take();
      if (!what) outbox.add(text);
      else if (what.kind === 'reply') outbox.add(text, { within: what.epoch, reply_to: what.seq });
      else if (text !== what.text) outbox.add(text, { within: what.epoch, edits: what.seq });
      onWritten(what?.kind !== 'edit');
    },

    /** Gives an entry of the outbox back to be changed. @param {import('./outbox.js').Entry} entry @param {(text: string) => void} takeText */
    rewrite({ within = '', reply_to, edits, text }, takeText) {
      const seq = edits ?? reply_to ?? 0;
      const { name = '…', text: said = '' } = timeline.find(seq) ?? {};
      if (edits) return about.edit({ epoch: within, seq, name, text: said }, text);
      about.endEdit();
      if (reply_to) about.reply({ epoch: within, seq, name, text: said });
      takeText(lineOf(text));
    },
  };
}

/** @param {import('./timeline.js').Said} item */
const isEvent = ({ edits, deletes }) => (edits ?? deletes) !== undefined;
