// Addresses in a text: where they begin and end, and what they show. Only http, https and mailto, and never another place
// than the one that can be read.

/** An address that is longer is none. */
const MOST = 2_048;

// No controls, no marks that cannot be seen or turn the direction, nothing that browsers read as another character.
const ADDRESS = /(?:https?:\/\/|mailto:)[^\s<>"\x60\\^{|}\p{C}]+/iuy;
const LABELLED = /\[([^[\]]{1,300})\]\(((?:https?:\/\/|mailto:)(?:[^\s<>"\x60\\^{|}\p{C}()]|\([^\s<>"\x60\\^{|}\p{C}()]*\)){1,2048})\)/iuy;
const TRAILING = /[.,:;!?'*_~…、。，．：；！？」』】》〉”’·]/;
/** @type {Record<string, string>} */
const BRACKETS = { ')': '(', ']': '[', '）': '（' };

/** Particles, alone or two together, as they follow a word of another script. */
export const PARTICLE =
  /^(?:으로|로|에서|에게|에|께서|께|한테|이?라고|이?라는|이?란|까지|부터|보다|처럼|만큼|마다|밖에|대로|하고|이랑|랑|이나|나|이며|며|와|과|을|를|은|는|이|가|도|만|의|요|이[에예]요|예요|입니다|인데|이고|고)(?:는|은|도|만|의|요|부터|까지)?$/;

/**
 * The address that begins here. One that leads nowhere is text as a whole, and not looked at again.
 * @param {string} line
 * @param {number} at
 * @returns {{ piece: import('./inline.js').Link | string, end: number } | null}
 */
export function link(line, at) {
  ADDRESS.lastIndex = at;
  const text = trim(ADDRESS.exec(line)?.[0] ?? '');
  const url = safe(text);
  return text ? { piece: url ? { kind: 'link', text: shown(text, url), href: url.href } : text, end: at + text.length } : null;
}

/**
 * The link with a text of its own, `[text](address)`, that begins here. Where it leads is shown beside the text.
 * @param {string} line
 * @param {number} at
 * @returns {{ piece: import('./inline.js').Link, end: number } | null}
 */
export function labelled(line, at) {
  LABELLED.lastIndex = at;
  const found = LABELLED.exec(line);
  const text = found?.[1].replace(/\p{C}/gu, '').trim();
  const url = found && safe(found[2]);
  if (!url || !text) return null;
  const host = /\/\/([^/?#]+)/.exec(shown(found[2], url))?.[1] ?? url.pathname;
  return { piece: { kind: 'link', text, href: url.href, host }, end: at + found[0].length };
}

/** Without what belongs to the sentence around it. @param {string} text */
function trim(text) {
  // `example.com에서`: no name of a host goes on so.
  const host = /^https?:\/\/[^/?#가-힣]*[a-z\d](?=[가-힣]+$)/i.exec(text);
  if (host) return host[0];
  /** @type {Record<string, number>} */
  const count = {};
  for (const c of text) count[c] = (count[c] ?? 0) + 1;
  let end = text.length;
  for (;;) {
    const last = text[end - 1] ?? '';
    const bracket = BRACKETS[last];
    const tail = /[^가-힣=_%+-]([가-힣]{1,6})$/.exec(text.slice(Math.max(0, end - 8), end));
    if (TRAILING.test(last)) end -= 1;
    else if (bracket && count[last] > (count[bracket] ?? 0)) {
      count[last] -= 1;
      end -= 1;
    } else if (tail && PARTICLE.test(tail[1])) end -= tail[1].length;
    else return text.slice(0, end);
  }
}

/** @param {string} text @returns {URL | null} */
function safe(text) {
  if (text.length > MOST || !URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol === 'mailto:') return /^[^@\s]+@[^@\s]+$/.test(url.pathname) ? url : null;
  // A name before the host would pass for the host.
  const leads = (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname && !url.username && !url.password;
  return leads ? url : null;
}

/**
 * The address as it was typed; its host as the network knows it, unless that is what was typed or it is of Hangul, whose
 * letters look like no others.
 * @param {string} text
 * @param {URL} url
 */
function shown(text, url) {
  return text.replace(/^(https?:\/\/)([^/?#]*)/i, (all, scheme, host) => {
    const hangul = /[가-힣]/.test(host) && /^(?:(?:[a-z\d-]+|[가-힣\d-]+)(?:\.|$|(?=:\d+$)))+(?::\d+)?$/i.test(host);
    return hangul || host.toLowerCase() === url.host ? all : scheme + url.host;
  });
}
