// What Tab can make of the word before the caret: names after @, rooms after #, commands after a slash. Pure. Korean is
// found by the keys that were typed: 기 and 김ㅁ are beginnings of 김민수, and so is rla.

import { keysOf } from './keys.js';

/**
 * @typedef {object} Completion
 * @property {number} start Where the word begins.
 * @property {string[]} words What it may become, the likeliest first.
 *
 * @param {string} text Up to the caret.
 * @param {{ names: string[], rooms: string[], commands: string[] }} known
 * @returns {Completion}
 */
export function complete(text, { names, rooms, commands }) {
  const [word] = /\S*$/.exec(text) ?? [''];
  const start = text.length - word.length;
  const [sign, typed] = [word.slice(0, 1), word.slice(1)];
  const from = sign === '@' ? names : sign === '#' ? rooms : sign === '/' && start === 0 ? commands : [];
  const plain = typed.normalize('NFC').toLowerCase();
  const keys = keysOf(typed);
  const fits = from.filter((name) => keysOf(name).startsWith(keys));
  const literal = (/** @type {string} */ name) => name.normalize('NFC').toLowerCase().startsWith(plain);
  fits.sort((a, b) => Number(literal(b)) - Number(literal(a)));
  return { start, words: [...new Set(fits)].map((name) => sign + name) };
}
