// Whether a text calls somebody by name. Pure. A name is a whole word in any script; after a Hangul syllable come what is
// said to people (님, 씨) and particles without a space, and they are no part of it.

/** What may follow a Korean name directly. */
const AFTER_HANGUL =
  '(?:님|씨|선생님)?(?:들)?(?:께서는|께서|에게서|에게|한테|께|이랑|랑|하고|이는|이가|이도|이를|은|는|이|가|을|를|도|만|의|와|과|야|아|이야|부터|까지|처럼|보다)?';
const WORD = '[\\p{L}\\p{M}\\p{N}_]';

/** @param {string} text */
const literal = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** @param {string} name */
function patternOf(name) {
  const after = /[가-힣]$/u.test(name) ? AFTER_HANGUL : '';
  return new RegExp(`(?<!${WORD})@${literal(name)}${after}(?!${WORD})`, 'iu');
}

/** @param {string} text @param {string} name */
export const mentions = (text, name) =>
  name !== '' && text.includes('@') && patternOf(name.normalize('NFC')).test(text.normalize('NFC'));
