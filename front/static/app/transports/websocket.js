// `chat.v1` over a WebSocket.

import { page } from '../page.js';
import { fetchTicket } from '../ticket.js';
import { SUBPROTOCOL } from '../wire.js';

/**
 * A way that carries messages. After `close` it says nothing any more; it never calls back before `open` has returned.
 * @typedef {{ send: (text: string) => void, close: () => void }} Channel
 * @typedef {(code: number, reason: string, blameless?: boolean) => void} OnClose `blameless` when the way could not even be
 *   tried.
 * @typedef {(hello: () => object, onFrame: (message: any) => void, onClose: OnClose) => Channel} Open
 */

/** @type {Open} */
export function openWebSocket(hello, onFrame, onClose) {
  /** @type {WebSocket} */
  let socket;
  try {
    socket = new WebSocket(page.back, SUBPROTOCOL);
  } catch {
    const timer = setTimeout(onClose, 0, 1006, '');
    return { send() {}, close: () => clearTimeout(timer) };
  }
  function close() {
    // A dead link never answers a close.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
  socket.onopen = async () => {
    const ticket = page.account && (await fetchTicket());
    // It may be over by now, and then says so itself.
    if (socket.readyState !== WebSocket.OPEN) return;
    if (ticket || !page.account) return socket.send(JSON.stringify({ ...hello(), ticket }));
    // Where guests come in, an account without its ticket would be one. That nobody gives any speaks against no way.
    close();
    onClose(1006, '', true);
  };
  socket.onmessage = ({ data }) => {
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    onFrame(message);
  };
  socket.onclose = ({ code, reason }) => onClose(code, reason);
  return { send: (text) => socket.send(text), close };
}
