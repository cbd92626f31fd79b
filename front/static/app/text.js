// What can be said of a message's text without drawing it. Pure.

import { plain } from './markup.js';

/** Letters of another message that are enough to know it again. */
const EXCERPT = 120;

/** What somebody does, where the text says so: `waves` of `/me waves`. @param {string} text */
export const actionOf = (text) => /^\/me\s+(?=\S)([^]*)$/.exec(text)?.[1] ?? '';

/** A text in one short line. @param {string} text */
export function excerptOf(text) {
  const letters = [...plain(actionOf(text) || text).replace(/\s+/g, ' ').trim()];
  return letters.length > EXCERPT ? `${letters.slice(0, EXCERPT).join('')}…` : letters.join('');
}
