// Where in a text the words of a search are: found as the server finds them (its `words.rs` says how). Pure.

const QUERY_WORDS = 16;
const WORD_CHARS = 32;

const LETTER = /[\p{Alphabetic}\p{N}]/u;
/** Scripts in which a word may begin anywhere: no spaces between words, or particles glued to them. */
const GLUED =
  /[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u318f\u31f0-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/**
 * Letters and digits in a row, of one kind of script, in small letters.
 * @typedef {{ glued: boolean, letters: string[], at: number[], ends: number[] }} Run `at` and `ends` are where each letter
 *   stands in the text.
 * @param {string} text In NFC.
 * @returns {Run[]}
 */
function runsOf(text) {
  /** @type {Run[]} */
  const runs = [];
  let goesOn = false;
  let at = 0;
  for (const written of text) {
    for (const letter of written.toLowerCase()) {
      if (!LETTER.test(letter)) {
        goesOn = false;
        continue;
      }
      const glued = GLUED.test(letter);
      if (!goesOn || runs.at(-1)?.glued !== glued) runs.push({ glued, letters: [], at: [], ends: [] });
      const run = /** @type {Run} */ (runs.at(-1));
      run.letters.push(letter);
      run.at.push(at);
      run.ends.push(at + written.length);
      goesOn = true;
    }
    at += written.length;
  }
  return runs;
}

/** What is looked for; nothing where there is not one letter or digit. @param {string} query */
const wordsOf = (query) =>
  runsOf(query.normalize('NFC')).slice(0, QUERY_WORDS).map(({ glued, letters }) => ({ glued, letters: letters.slice(0, WORD_CHARS) }));

/** Whether there is anything to look for. @param {string} query */
export const isQuery = (query) => wordsOf(query).length > 0;

/**
 * The text in pieces, those that were found marked.
 * @param {string} text In NFC.
 * @param {string} query
 * @returns {{ text: string, found: boolean }[]}
 */
export function piecesOf(text, query) {
  const words = wordsOf(query);
  const found = new Uint8Array(text.length);
  for (const run of runsOf(text)) {
    for (const { glued, letters } of words) {
      if (glued !== run.glued) continue;
      for (let i = 0; i + letters.length <= (glued ? run.letters.length : Math.min(letters.length, run.letters.length)); i += 1) {
        if (letters.every((letter, n) => run.letters[i + n] === letter)) found.fill(1, run.at[i], run.ends[i + letters.length - 1]);
      }
    }
  }
  const pieces = [];
  for (let from = 0, to = 1; from < text.length; to += 1) {
    if (to < text.length && found[to] === found[from]) continue;
    pieces.push({ text: text.slice(from, to), found: found[from] === 1 });
    from = to;
  }
  return pieces;
}
