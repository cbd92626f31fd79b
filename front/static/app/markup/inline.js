// What stands in a line: code, emphasis, links, people and rooms. Pure, and one pass over the line.

import { labelled, link } from './links.js';
import { personAt, roomAt } from './names.js';

/**
 * @typedef {{ kind: 'code', text: string }} Code
 * @typedef {{ kind: 'link', text: string, href: string, host?: string }} Link `host` where the text does not say it.
 * @typedef {{ kind: 'mention', text: string, name: string }} Mention
 * @typedef {{ kind: 'room', text: string, room: string }} Room
 * @typedef {{ kind: 'strong' | 'em' | 'del', inside: Inline[] }} Emphasis
 * @typedef {string | Code | Link | Mention | Room | Emphasis} Inline
 * @typedef {{ has(name: string): boolean }} Names
 * @typedef {{ people?: Names, rooms?: Names, left?: number }} Known `left` is how many names may still be looked for.
 */

const SPECIAL = /[\\\x60*_~[@#]|https?:\/\/|mailto:/gi;
const PUNCTUATION = /[!-/:-@[-\x60{-~]/;
const LATIN = /[a-z\d]/i;
const LETTER = /[\p{L}\p{N}_]/u;
/** What may stand before an underscore that begins something. */
const BEGINNING = /^$|[\s([{"'“‘「『《〈*~_]/;
const SYLLABLE = /[가-힣]/;

/** @type {Record<string, 'strong' | 'em' | 'del'>} */
const MARKS = { '**': 'strong', __: 'strong', '*': 'em', _: 'em', '~~': 'del' };

/**
 * @param {string} line
 * @param {Known} known
 * @returns {Inline[]}
 */
export function readLine(line, known) {
  /** Texts, finished pieces, and marks. @type {any[]} */
  const pieces = [];
  /** Where marks stand that wait for their end: at most one of a kind. @type {number[]} */
  const open = [];
  const ticks = lastRuns(line);
  let done = 0;

  /** @param {number} at @param {number} end @param {...any} made */
  function put(at, end, ...made) {
    if (at > done) pieces.push(line.slice(done, at));
    pieces.push(...made);
    done = end;
    SPECIAL.lastIndex = end;
  }

  /** @param {number} at @param {number} end */
  function emphasis(at, end) {
    const run = line.slice(at, end);
    const [before, after] = [line[at - 1] ?? '', line[end] ?? ''];
    const strikes = run[0] === '~';
    if (strikes ? run.length !== 2 : run.length > 3) return put(end, end);
    // `snake_case`, `2*3*4` and faces are none; a Korean particle after the end is.
    const opens = /\S/.test(after) && (strikes || (run[0] === '_' ? BEGINNING.test(before) : !LATIN.test(before)));
    const ends = /\S/.test(before) && (strikes || SYLLABLE.test(after) || !(run[0] === '_' ? LETTER : LATIN).test(after));
    /** @param {string} mark */
    const waits = (mark) => open.findIndex((place) => pieces[place].mark === mark);
    const [one, two] = [run[0], run[0] + run[0]];
    let marks = [run];
    // Three are both, the inner one ending first.
    if (run.length === 3) marks = waits(one) > waits(two) ? [one, two] : [two, one];
    put(at, end);
    for (const mark of marks) {
      const place = waits(mark);
      if (ends && place >= 0) {
        pieces[open[place]].begins = true;
        pieces.push({ ends: true });
        open.length = place;
      } else {
        // Nothing of a kind stands in its like: the earlier mark was none.
        if (opens && place >= 0) open.splice(place, 1);
        if (opens) open.push(pieces.length);
        pieces.push({ mark });
      }
    }
    return undefined;
  }

  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(line); found; found = SPECIAL.exec(line)) {
    const at = found.index;
    const before = line[at - 1] ?? '';
    switch (found[0]) {
      case '\\':
        if (PUNCTUATION.test(line[at + 1] ?? '')) put(at, at + 2, line[at + 1]);
        break;
      case '\x60': {
        const length = runAt(line, at);
        const code = (ticks.get(length) ?? -1) > at ? codeAt(line, at + length, length) : null;
        if (code) put(at, code.end, code.piece);
        else put(at + length, at + length);
        break;
      }
      case '*':
      case '_':
      case '~':
        emphasis(at, at + runAt(line, at));
        break;
      case '@':
      case '#': {
        const looks = known.left !== 0 && !LETTER.test(before) && !/[@#&/]/.test(before);
        if (looks && known.left) known.left -= 1;
        const name = looks && (found[0] === '@' ? personAt : roomAt)(line, at, known);
        if (name) put(at, name.end, name.piece);
        break;
      }
      default: {
        const made = found[0] === '[' ? labelled(line, at) : !LATIN.test(before) && link(line, at);
        if (made) put(at, made.end, made.piece);
      }
    }
  }
  put(line.length, line.length);
  return joined(pieces);
}

/** Where the last run of each number of backticks stands. @param {string} line */
function lastRuns(line) {
  return new Map([...line.matchAll(/``*/g)].map((run) => [run[0].length, run.index]));
}

/** How often the character here is repeated. @param {string} line @param {number} at */
function runAt(line, at) {
  let end = at + 1;
  while (line[end] === line[at]) end += 1;
  return end - at;
}

/** Code up to the next run of so many backticks, which is there. @param {string} line @param {number} from @param {number} length */
function codeAt(line, from, length) {
  const runs = /``*/g;
  runs.lastIndex = from;
  for (let run = runs.exec(line); run; run = runs.exec(line)) {
    if (run[0].length !== length) continue;
    const text = line.slice(from, run.index);
    // Room for code that begins or ends with a backtick.
    const bare = /^ .*[^ ].* $/.test(text) ? text.slice(1, -1) : text;
    return { piece: { kind: 'code', text: bare }, end: run.index + length };
  }
  return null;
}

/** Marks that found each other become elements; the others are text. @param {any[]} pieces @returns {Inline[]} */
function joined(pieces) {
  /** @type {Inline[]} */
  let inside = [];
  const outer = [];
  for (const piece of pieces) {
    if (piece.begins) {
      /** @type {Inline[]} */
      const within = [];
      inside.push({ kind: MARKS[piece.mark], inside: within });
      outer.push(inside);
      inside = within;
    } else if (piece.ends) {
      inside = outer.pop() ?? inside;
    } else {
      const text = piece.mark ?? piece;
      const last = inside.length - 1;
      if (typeof text === 'string' && typeof inside[last] === 'string') inside[last] += text;
      else inside.push(text);
    }
  }
  return inside;
}
