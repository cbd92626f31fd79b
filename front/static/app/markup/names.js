// Who and what is called by name in a line: `@person` and `#room`. What is known decides where a name ends, because names
// have spaces and Korean particles follow without one.

import { PARTICLE } from './links.js';

/** Characters of a name, twice over for those beyond the first plane. */
const MOST_NAME = 64;
const MOST_ROOM = 128;

const WORD = /[\p{L}\p{N}_-]+/uy;
const LETTER = /[\p{L}\p{M}\p{N}]/u;
/** Particles that hardly end a word of their own. */
const CERTAIN = /(?<=.)(?:에서[는도만]?|에는|에도|으로|까지|부터|를)$/;

/** A name as it is compared: in large letters or small, composed or not. @param {string} name */
export const folded = (name) => name.normalize('NFC').toLowerCase();

/**
 * @param {string} line
 * @param {number} at
 * @param {import('./inline.js').Known} known
 */
export function personAt(line, at, { people }) {
  const name = people && longest(line, at + 1, MOST_NAME, people);
  return name && { piece: { kind: /** @type {const} */ ('mention'), text: `@${name}`, name }, end: at + 1 + name.length };
}

/**
 * @param {string} line
 * @param {number} at
 * @param {import('./inline.js').Known} known
 */
export function roomAt(line, at, { rooms }) {
  let room = rooms && longest(line, at + 1, MOST_ROOM, rooms);
  if (!room) {
    WORD.lastIndex = at + 1;
    room = (WORD.exec(line)?.[0] ?? '').replace(CERTAIN, '');
    // `#1` is a number, `#-` a decoration.
    if (!/\p{L}/u.test(room) || [...room].length > 64) return null;
  }
  return { piece: { kind: /** @type {const} */ ('room'), text: `#${room}`, room }, end: at + 1 + room.length };
}

/** The longest known name that begins here and ends well. @param {string} line @param {number} from @param {number} most @param {import('./inline.js').Names} names */
function longest(line, from, most, names) {
  for (let end = Math.min(line.length, from + most); end > from; end -= 1) {
    const name = line.slice(from, end);
    if (names.has(name) && endsWell(line, end)) return name;
  }
  return '';
}

/** @param {string} line @param {number} end */
function endsWell(line, end) {
  const [last, next] = [line[end - 1], line[end] ?? ''];
  if (!/[가-힣]/.test(next)) return !(LETTER.test(last) && LETTER.test(next));
  if (!/[가-힣]/.test(last)) return true;
  const rest = /^[가-힣]{1,8}/.exec(line.slice(end, end + 8))?.[0] ?? '';
  const title = rest.replace(/^[님씨]/, '');
  return !title || /^[아야]$/.test(rest) || PARTICLE.test(title);
}
