// Draws what `markup` read. Every piece becomes a node, and what cannot be read otherwise stays text.

import { el } from '../dom.js';
import { parse } from '../markup.js';
import { addressOf } from '../rooms.js';
import { folded } from './names.js';

/** @typedef {import('./inline.js').Inline} Inline */

/**
 * @param {string} text
 * @param {import('./inline.js').Known & { me?: string }} known
 * @returns {(Node | string)[]}
 */
export function draw(text, known) {
  const blocks = parse(text, known);
  const [only] = blocks;
  if (blocks.length === 1 && only.kind === 'text') return drawLine(only.inline, known.me);
  return drawBlocks(blocks, known.me);
}

/** @param {import('../markup.js').Block[]} blocks @param {string} [me] @returns {Node[]} */
function drawBlocks(blocks, me) {
  return blocks.map((block) => {
    switch (block.kind) {
      case 'text':
        return el('div', { class: 'lines' }, ...drawLine(block.inline, me));
      case 'code':
        return drawCode(block);
      case 'quote':
        return el('blockquote', {}, ...drawBlocks(block.blocks, me));
      default:
        // The marks are text, so that they are there when the list is copied.
        return el('ul', {}, ...block.items.map(({ marker, blocks: [first, ...rest] }) => {
          const begins = first?.kind === 'text' ? drawLine(first.inline, me) : drawBlocks(first ? [first] : [], me);
          return el('li', {}, el('span', { class: 'marker' }, marker), ' ', ...begins, ...drawBlocks(rest, me));
        }));
    }
  });
}

/** @param {import('../markup.js').Code} block */
function drawCode({ lang, text }) {
  const code = el('code', {}, text);
  // Without its colours it is still code.
  if (lang) import('../highlight.js').then(({ highlight }) => highlight(code, lang)).catch(() => {});
  // Long lines are scrolled to by keys too.
  return el('pre', { tabindex: 0 }, code);
}

/** @param {Inline[]} pieces @param {string} [me] @returns {(Node | string)[]} */
function drawLine(pieces, me) {
  return pieces.map((piece) => {
    if (typeof piece === 'string') return piece;
    switch (piece.kind) {
      case 'code':
        return el('code', {}, piece.text);
      case 'link': {
        const away = { href: piece.href, target: '_blank', rel: 'noopener noreferrer nofollow' };
        return el('a', away, piece.text, piece.host && el('span', { class: 'host' }, ` (${piece.host})`));
      }
      case 'room':
        return el('a', { href: addressOf(piece.room) }, piece.text);
      case 'mention':
        return el(me && folded(piece.name) === folded(me) ? 'mark' : 'b', { class: 'mention' }, piece.text);
      default:
        return el(piece.kind, {}, ...drawLine(piece.inside, me));
    }
  });
}
