// A session over plain requests, for where WebSocket does not get through: frames come by a stream of events, by long
// polls or by polls; what is sent goes by POST, one at a time so that it keeps its order.

import { page } from '../page.js';
import { createEvents } from './events.js';

/** How long the server may hold a long poll. */
const WAIT_S = 25;
/** How often it is asked otherwise. */
const POLL_EVERY_MS = 2_000;
/** Commands that the server takes at once. */
const BATCH = 32;

/** @param {import('./ladder.js').Way} way @returns {import('./websocket.js').Open} */
export const openHttp = (way) => (hello, onFrame, onClose) => {
  const stop = new AbortController();
  const { signal } = stop;
  const said = /** @type {{ session?: string }} */ (hello());
  let at = `${page.base}/api/sessions`;
  /** @type {Record<string, string>} */
  const headers = {};
  let begun = false;
  let seen = 0;
  /** @type {string[]} */
  let queue = [];
  let posting = false;
  let wake = () => {};

  /** @param {string} path @param {string} [body] */
  const ask = (path, body) =>
    fetch(at + path, { method: body === undefined ? 'GET' : 'POST', body, headers, signal, cache: 'no-store' });

  /** @param {number} code @param {string} reason */
  function end(code, reason) {
    if (signal.aborted) return;
    stop.abort();
    onClose(code, reason, !begun);
  }

  /** An answer that is none; it may say when to come back. @param {Response} answer */
  const refused = ({ headers }) => end(1006, headers.has('Retry-After') ? `;retry=${headers.get('Retry-After')}000` : '');

  /** @param {any} message */
  function take(message) {
    if (!signal.aborted) onFrame(message);
  }

  async function begin() {
    const answer = await ask('', JSON.stringify(said));
    const body = await answer.json();
    if (!answer.ok) {
      if (body.code === 'banned') {
        // What a WebSocket would be told.
        const { retry_after_ms, reason: text } = body;
        take({ type: 'bye', code: 4003, reason: 'forbidden', reconnect: false, retry_after_ms, text });
        return end(4003, 'forbidden');
      }
      // Something is wrong with this hello, not with the server.
      if (body.type === 'error' && !body.retry) take(body);
      return refused(answer);
    }
    begun = true;
    at += `/${body.user}`;
    headers.Authorization = `Bearer ${body.session}`;
    // The welcome is the first of the frames too, and counts only when it comes by them.
    return way === 'sse' ? stream() : poll();
  }

  async function stream() {
    // A proxy may end a stream for its age; one that brought nothing ends the link.
    for (let heard = true; heard; ) {
      heard = false;
      const answer = await ask(`/events?after=${seen}`);
      if (!answer.ok || !answer.body) return refused(answer);
      const feed = createEvents(({ id, event, data }) => {
        if (!data) return;
        const message = JSON.parse(data);
        if (event === 'close') return end(message.code, message.reason);
        seen = Number(id);
        take(message);
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part; !(part = await reader.read()).done; feed(part.value)) heard = true;
    }
    end(1006, '');
  }

  async function poll() {
    const wait = way === 'longpoll' ? WAIT_S : 0;
    for (;;) {
      const answer = await ask(`/events?after=${seen}&wait=${wait}`);
      if (!answer.ok) return refused(answer);
      const { frames, next, closed } = await answer.json();
      seen = next;
      frames.forEach(take);
      if (closed) return end(closed.code, closed.reason);
      if (!wait) {
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
          setTimeout(resolve, POLL_EVERY_MS);
        });
      }
    }
  }

  async function post() {
    if (posting) return;
    posting = true;
    while (queue.length) {
      const answer = await ask('/commands', `[${queue.splice(0, BATCH).join()}]`);
      if (!answer.ok) return refused(answer);
      // Likely there is an answer by now.
      wake();
    }
    posting = false;
  }

  const lost = () => end(1006, '');
  begin().catch(lost);
  return {
    send(text) {
      queue.push(text);
      post().catch(lost);
    },

    close() {
      stop.abort();
      // Somebody new, of whom nobody will hear again, need not stand in the room for half a minute.
      if (begun && !seen && !said.session) fetch(at, { method: 'DELETE', headers, keepalive: true }).catch(() => {});
    },
  };
};
