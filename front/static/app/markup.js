// What a text means: code, quotes, lists, and what stands in a line. Pure; the source stays what is stored, and this is how
// it is read. Every text is read in one pass, and nothing nests without end.

import { readLine } from './markup/inline.js';
import { folded } from './markup/names.js';

/**
 * @typedef {import('./markup/inline.js').Inline} Inline
 * @typedef {import('./markup/inline.js').Known} Known
 * @typedef {{ kind: 'text', inline: Inline[] }} Text
 * @typedef {{ kind: 'code', lang: string, text: string }} Code
 * @typedef {{ kind: 'quote', blocks: Block[] }} Quote
 * @typedef {{ kind: 'list', items: { marker: string, blocks: Block[] }[] }} List
 * @typedef {Text | Code | Quote | List} Block
 */

/** Quotes and lists inside each other; what is deeper stays as it was typed. */
const MOST_DEPTH = 4;

const FENCE = /^ {0,3}`{3}([^`]*)$/;
const LANGUAGE = /^[\w+#.-]{1,20}$/;
// With a space behind it: `>_<` is a face.
const QUOTE = /^>+(?: |$)/;
// Not `2026. 11. 21.`, which is a date.
const ITEM = /^ {0,3}([-*•]|\d{1,3}[.)]) +(?=\S)(?!\d+\.)/;

/** @param {string} line */
const closes = (line) => /``{2}\s*$/.test(line);

/**
 * @param {string} text
 * @param {Known} [known] Who and what can be named.
 * @returns {Block[]}
 */
export function parse(text, known = {}) {
  return readBlocks(text.split(/\r\n?|\n/), { left: 100, ...known }, 0);
}

/** @param {string[]} lines @param {Known} known @param {number} depth @returns {Block[]} */
function readBlocks(lines, known, depth) {
  /** @type {Block[]} */
  const blocks = [];
  /** @type {string[]} */
  let said = [];
  let at = 0;

  function endText() {
    // Between blocks the page itself leaves room.
    if (blocks.length || at < lines.length) said = trimmed(said);
    if (said.length) blocks.push({ kind: 'text', inline: readText(said, known) });
    said = [];
  }

  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    if (fence && at + 1 < lines.length) {
      endText();
      const info = fence[1].trim();
      let end = at + 1;
      // What is never closed goes on to the end.
      while (end < lines.length && !closes(lines[end])) end += 1;
      const body = lines.slice(at + 1, end);
      const last = (lines[end] ?? '').trimEnd().slice(0, -3);
      // The first and the last line of the code may stand beside the fence.
      if (info && !LANGUAGE.test(info)) body.unshift(fence[1]);
      if (last.trim()) body.push(last);
      blocks.push({ kind: 'code', lang: LANGUAGE.test(info) ? info.toLowerCase() : '', text: body.join('\n') });
      at = end + 1;
    } else if (depth < MOST_DEPTH && QUOTE.test(line)) {
      endText();
      const quoted = [];
      for (; at < lines.length && QUOTE.test(lines[at]); at += 1) quoted.push(lines[at].replace(/^> ?/, ''));
      blocks.push({ kind: 'quote', blocks: readBlocks(quoted, known, depth + 1) });
    } else if (depth < MOST_DEPTH && ITEM.test(line)) {
      endText();
      const items = [];
      while (at < lines.length) {
        const item = ITEM.exec(lines[at]);
        if (!item) break;
        const own = [lines[at].slice(item[0].length)];
        for (at += 1; at < lines.length && /^ {2,}\S/.test(lines[at]); at += 1) {
          own.push(lines[at].slice(Math.min(item[0].length, lines[at].search(/\S/))));
        }
        const marker = /\d/.test(item[1]) ? item[1] : '•';
        items.push({ marker, blocks: readBlocks(own, known, depth + 1) });
      }
      blocks.push({ kind: 'list', items });
    } else {
      said.push(line);
      at += 1;
    }
  }
  endText();
  return blocks;
}

/** Without empty lines around. @param {string[]} lines */
function trimmed(lines) {
  const first = lines.findIndex((line) => line.trim());
  return first < 0 ? [] : lines.slice(first, lines.findLastIndex((line) => line.trim()) + 1);
}

/** @param {string[]} lines @param {Known} known @returns {Inline[]} */
function readText(lines, known) {
  return lines.flatMap((line, n) => (n ? ['\n', ...readLine(line, known)] : readLine(line, known)));
}

/**
 * Whether a text ends inside of code that is not closed yet.
 * @param {string} text
 */
export function endsInCode(text) {
  let open = false;
  for (const line of text.split('\n')) open = open ? !closes(line) : FENCE.test(line);
  return open;
}

/**
 * The text without its marks, for excerpts and for those who listen.
 * @param {string} text
 * @returns {string}
 */
export function plain(text) {
  return plainBlocks(parse(text));
}

/** @param {Block[]} blocks @returns {string} */
function plainBlocks(blocks) {
  return blocks
    .map((block) => {
      if (block.kind === 'text') return block.inline.map(plainInline).join('');
      if (block.kind === 'code') return block.text;
      if (block.kind === 'quote') return plainBlocks(block.blocks);
      return block.items.map((item) => `${item.marker} ${plainBlocks(item.blocks)}`).join('\n');
    })
    .join('\n');
}

/** @param {Inline} piece @returns {string} */
function plainInline(piece) {
  if (typeof piece === 'string') return piece;
  return 'text' in piece ? piece.text : piece.inside.map(plainInline).join('');
}

/**
 * Whether a text calls somebody by name, outside of code, in large letters or small.
 * @param {string} text
 * @param {string} name
 */
export function calls(text, name) {
  if (!name || !text.includes('@')) return false;
  const wanted = folded(name);
  return callIn(parse(text.normalize('NFC'), { people: { has: (word) => folded(word) === wanted } }));
}

/** @param {any} piece A block, something in a line, or a list of them. @returns {boolean} */
function callIn(piece) {
  if (typeof piece === 'string') return false;
  if (Array.isArray(piece)) return piece.some(callIn);
  return piece.kind === 'mention' || callIn(piece.inline ?? piece.inside ?? piece.blocks ?? piece.items ?? '');
}
