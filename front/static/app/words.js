// Sentences in the language of the page. The table comes with the page; plurals are chosen by the language's own rules.

import { page } from './page.js';

const plural = new Intl.PluralRules(page.lang);
const number = new Intl.NumberFormat(page.lang);

/**
 * The sentence of a key, with each `{name}` replaced; `{n}` also chooses the plural.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const entry = page.words[key] ?? key;
  const sentence = typeof entry === 'string' ? entry : entry[plural.select(Number(values.n))] ?? entry.other;
  return sentence.replace(/\{(\w+)\}/g, (hole, name) => {
    const value = values[name];
    return value === undefined ? hole : typeof value === 'number' ? number.format(value) : value;
  });
}
