// Colours code. It comes with the first block that names its language, and each language with the first block that is
// written in it. The highlighter's usual result is HTML; here it writes nodes.

import hljs from '../vendor/highlight.js/core.min.js';
import { el } from './dom.js';

/** Longer code stays as it is: colouring takes the time of whoever reads. */
const MOST = 20_000;

const LANGUAGES = new Set(
  ('bash c cpp csharp css dart diff dockerfile elixir go graphql haskell http ini java javascript json kotlin lua makefile ' +
    'markdown nginx perl php powershell protobuf python r ruby rust scala shell sql swift typescript xml yaml').split(' '),
);

/** What people write for them. @type {Record<string, string>} */
const ALIASES = {
  'c#': 'csharp', 'c++': 'cpp', cc: 'cpp', console: 'shell', cs: 'csharp', docker: 'dockerfile', ex: 'elixir', golang: 'go',
  h: 'c', hpp: 'cpp', hs: 'haskell', html: 'xml', js: 'javascript', jsx: 'javascript', kt: 'kotlin', make: 'makefile',
  md: 'markdown', mjs: 'javascript', patch: 'diff', pl: 'perl', proto: 'protobuf', ps1: 'powershell', py: 'python',
  rb: 'ruby', rs: 'rust', sh: 'bash', svg: 'xml', toml: 'ini', ts: 'typescript', tsx: 'typescript', yml: 'yaml', zsh: 'bash',
};

/** What the highlighter writes into: the emitter of its documentation, but of nodes. */
class Nodes {
  root = document.createDocumentFragment();
  /** @type {(Element | DocumentFragment)[]} */
  #open = [this.root];

  /** @param {string} text */
  addText(text) {
    this.#open.at(-1)?.append(text);
  }

  /** @param {string} scope Such as `title.function`. */
  openNode(scope) {
    const span = el('span', { class: `hl-${scope.split('.')[0]}` });
    this.#open.at(-1)?.append(span);
    this.#open.push(span);
  }

  closeNode() {
    if (this.#open.length > 1) this.#open.pop();
  }

  startScope = this.openNode;
  endScope = this.closeNode;

  /** @param {Nodes} inner Code of another language inside, such as a style in a page. */
  __addSublanguage(inner) {
    this.#open.at(-1)?.append(inner.root);
  }

  finalize() {}

  toHTML() {
    return '';
  }
}

hljs.configure({ __emitter: Nodes });

/** @type {Map<string, Promise<unknown>>} */
const loaded = new Map();

/** @param {string} language */
function load(language) {
  const known = loaded.get(language);
  if (known) return known;
  const coming = import(`../vendor/highlight.js/languages/${language}.min.js`).then((module) =>
    hljs.registerLanguage(language, module.default));
  // Another block may try again.
  coming.catch(() => loaded.delete(language));
  loaded.set(language, coming);
  return coming;
}

/**
 * Colours what stands in an element. Where the language is not known, or does not come, nothing changes.
 * @param {HTMLElement} code
 * @param {string} name What the writer called the language.
 */
export async function highlight(code, name) {
  const text = code.textContent ?? '';
  const language = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  if (!LANGUAGES.has(language) || text.length > MOST) return;
  await load(language);
  const { root } = hljs.highlight(text, { language, ignoreIllegals: true })._emitter;
  // Colours never change what is said.
  if (root.textContent === text) code.replaceChildren(root);
}
