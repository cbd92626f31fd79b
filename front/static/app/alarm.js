// One line for what went wrong just now, and for what the operator says. It goes away by itself.

import { byId } from './dom.js';

/** Long enough to read two sentences. */
const SHOWN_MS = 12_000;

let timer = 0;

/** @param {string} text */
export function alarm(text) {
  const line = byId('alarm');
  line.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (line.textContent = ''), SHOWN_MS);
}
