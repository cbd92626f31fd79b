// What the server wrote into the page: language, room, address of the chat server, limits and words.

/**
 * @typedef {object} PageData
 * @property {string} lang
 * @property {string} back Address of the chat server, without a slash at its end.
 * @property {string} base The path that every address of this server begins with: empty, or such as `/chat`.
 * @property {string | null} room
 * @property {string} [account] Who signed in, where one has to: each connection needs a ticket then.
 * @property {{ name: number, room: number, text: number }} limits
 * @property {Record<string, string | Record<string, string>>} words
 * @property {{ epoch: string, first: number, top: number, messages: import('./timeline.js').WireMessage[] }} [past] The
 *   room's newest messages; not there when the chat server did not give them in time.
 */

/** @returns {PageData} */
function read() {
  const element = document.getElementById('page-data');
  return JSON.parse(element?.textContent ?? '{}');
}

// Cookies remember the switches of language and colours by now; a link that is passed on should not carry them.
const address = new URL(location.href);
if (address.searchParams.has('lang') || address.searchParams.has('theme')) {
  address.searchParams.delete('lang');
  address.searchParams.delete('theme');
  history.replaceState(history.state, '', address);
}

/** Read once; nothing changes it. */
export const page = read();
