// What a line that begins with a slash means. Pure. `//` at the beginning is one slash of text; a command typed with the
// Korean keyboard left on (`/ㅗ디ㅔ`) is still that command.

import { keysOf } from './keys.js';

/** What to write in the box to say this. @param {string} text */
export const lineOf = (text) => (text.startsWith('/') && !/^\/me\s/.test(text) ? `/${text}` : text);

export const COMMANDS = ['help', 'name', 'join', 'leave', 'me', 'who', 'topic', 'clear', 'search', 'moderator'];

/** What may stand before a command unseen, as the server has it (`claimed` in `shared`). */
const BLANK = /^[\s\p{C}\p{Default_Ignorable_Code_Point}\u2800\u{16fe4}\u{1d159}]+/u;

/**
 * @typedef {{ text: string } | { command: string, rest: string } | { unknown: string }} Line
 * @param {string} line
 * @returns {Line}
 */
export function read(line) {
  if (line.startsWith('//')) return { text: line.slice(1) };
  // Pasted with something blank before it, a secret must not become chat.
  // The wide slash is what input methods of Hangul write.
  const bare = line.replace(BLANK, '').replace(/^／/, '/');
  if (bare !== line && keysOf(bare).startsWith('/moderator')) return read(bare);
  const [, word, rest] = /^\/(\S+)\s*([^]*)$/.exec(line) ?? [];
  if (word === undefined) return { text: line };
  const command = COMMANDS.find((name) => name === keysOf(word));
  return command ? { command, rest } : { unknown: `/${word}` };
}
