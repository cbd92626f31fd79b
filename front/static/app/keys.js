// Which keys of a two-set Korean keyboard make a text: what was typed with the input method left on, or off, can be read
// either way. Pure.

// In the order of Unicode's blocks.
const FIRST = 'r R s e E f a q Q t T d w W c z x v g'.split(' ');
const VOWEL = 'k o i O j p u P h hk ho hl y n nj np nl b m ml l'.split(' ');
const LAST = 'r R rt s sw sg e f fr fa fq ft fx fv fg a q qt t T d w c z x v g'.split(' ');

/** Those of a conjoining letter, by where its kind begins. */
const KINDS = /** @type {[number, string[]][]} */ ([[0x11a8, LAST], [0x1161, VOWEL], [0x1100, FIRST]]);

/**
 * The keys of syllables and letters in small Latin letters; everything else as it is.
 * @param {string} text
 */
export function keysOf(text) {
  // Letters that stand alone (ㅗ) become conjoining ones, and syllables fall into theirs.
  return Array.from(text.toLowerCase().normalize('NFKD'), (letter) => {
    const code = Number(letter.codePointAt(0));
    const [begins, keys] = KINDS.find(([start]) => code >= start) ?? [0, []];
    return keys[code - begins] ?? letter;
  }).join('').toLowerCase();
}
