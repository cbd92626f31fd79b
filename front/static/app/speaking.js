// What becomes of a line from the box: a message, or a command of this page. A command that there is not goes to nobody.

import { COMMANDS, read } from './commands.js';
import { el } from './dom.js';
import { addressOf } from './rooms.js';
import { t } from './words.js';

/** How each is written and what it does; literal keys, so that a test can find them in the tables. */
export const USAGES = /** @type {Record<string, () => string>} */ ({
  help: () => t('command_help'),
  name: () => t('command_name'),
  join: () => t('command_join'),
  leave: () => t('command_leave'),
  me: () => t('command_me'),
  who: () => t('command_who'),
  topic: () => t('command_topic'),
  clear: () => t('command_clear'),
  search: () => t('command_search'),
  moderator: () => t('command_moderator'),
});

/** Of no use alone. */
const WANTING = ['name', 'join', 'me', 'moderator'];

/**
 * @param {object} options
 * @param {(text: string) => void} options.say
 * @param {(text: string) => string} options.giveBack Puts a line into the box, and gives what was there.
 * @param {ReturnType<typeof import('./note.js').createNote>} options.note
 * @param {() => boolean} options.editing The new text of a message is text, whatever it begins with.
 * @param {Record<string, (rest: string) => void>} options.run What the page does for each command that it has a part for.
 * @param {() => string[]} options.people Their names.
 * @param {() => number} options.count
 * @param {() => string} options.topic
 */
export function createSpeaking({ say, giveBack, note, editing, run, people, count, topic }) {
  const commands = /** @type {Record<string, (rest: string) => void>} */ ({
    help: () => note.show(t('commands'), el('ul', {}, ...COMMANDS.map((name) => el('li', {}, USAGES[name]())))),
    join: (rest) => location.assign(addressOf(rest.replace(/^#/, ''))),
    me: (rest) => say(`/me ${rest}`),
    topic: () => note.show(topic() || t('topic_none')),
    who: () => note.show(t('people_count', { n: count() }), el('p', {}, people().join(' · '))),
    ...run,
  });
  /** Sends what stands in the box now, as it stands. */
  function asText() {
    const text = giveBack('').trim();
    note.close();
    if (text) say(text);
  }

  return {
    /** @param {string} line */
    send(line) {
      const meant = editing() ? { text: line } : read(line);
      note.close();
      if ('text' in meant) return say(meant.text);
      if ('unknown' in meant) {
        giveBack(line);
        const button = el('button', { type: 'button', onclick: asText }, t('send_as_text'));
        return note.show(t('unknown_command', { command: meant.unknown }), button);
      }
      const { command, rest } = meant;
      if (rest || !WANTING.includes(command)) return commands[command]?.(rest);
      giveBack(line);
      return note.show(USAGES[command]());
    },
  };
}
