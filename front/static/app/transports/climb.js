// Looks now and then whether a WebSocket gets through again, beside the link that serves meanwhile: a stranger says hello
// and goes. So nobody notices an attempt that fails.

import { hello } from '../wire.js';
import { openWebSocket } from './websocket.js';

export const CLIMB_EVERY_MS = 60_000;

/** @param {() => void} onWay It does. */
export function createClimb(onWay) {
  let timer = 0;
  /** @type {import('./websocket.js').Channel | null} */
  let probe = null;

  function stop() {
    clearTimeout(timer);
    timer = 0;
    probe?.close();
    probe = null;
  }

  function look() {
    stop();
    start();
    const stranger = () => hello({ rooms: {} });
    probe = openWebSocket(stranger, ({ type }) => type === 'welcome' && onWay(), () => (probe = null));
  }

  function start() {
    timer ||= setTimeout(look, CLIMB_EVERY_MS);
  }

  return { start, look, stop };
}
