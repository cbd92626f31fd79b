// The life of one link after another: connecting, open, closed, and when to try again, by which way. It knows requests and
// their answers, and nothing of rooms.

import { delay } from './backoff.js';
import { randomId } from './random.js';
import { tab } from './storage.js';
import { createClimb } from './transports/climb.js';
import { openHttp } from './transports/http.js';
import { Ladder } from './transports/ladder.js';
import { openWebSocket } from './transports/websocket.js';
import { ping } from './wire.js';

/** The way that works, so that a reload need not find it again. */
const WAY = 'madang.way';

/** @param {import('./transports/ladder.js').Way} way */
const opener = (way) => (way === 'websocket' ? openWebSocket : openHttp(way));

/** Without a `welcome` after this long, an attempt has failed. */
const WELCOME_WITHIN_MS = 10_000;
/** Without an answer after this long, the link is dead, whatever the browser believes. */
const ANSWER_WITHIN_MS = 15_000;
/** The same when the tab comes back from sleep, where a dead link is likely. */
const PROBE_WITHIN_MS = 4_000;
/** A link that held this long starts the back-off anew. */
const STEADY_MS = 5_000;

/** The server's refusal of a request. */
export class Refused extends Error {
  /** @param {{ code: string, text: string, retry?: boolean, retry_after_ms?: number }} body */
  constructor(body) {
    super(body.text);
    this.body = body;
  }
}

/** The link went away before the answer came; what was asked may or may not have happened. */
export class Lost extends Error {
  /** @param {string} why @param {boolean} sent Whether it had been sent. */
  constructor(why, sent) {
    super(why);
    this.sent = sent;
  }
}

/**
 * @typedef {object} Link
 * @property {'connecting' | 'open' | 'closed'} phase
 * @property {number} since When the link was lost; 0 while it is open.
 * @property {number} retryAt When the next attempt begins; 0 while one is going on or none will.
 * @property {number} failures Attempts in a row that never reached a `welcome`.
 * @property {import('./transports/ladder.js').Way} way How messages travel, or would.
 * @property {{ code: number, reason: string, until: number, text: string } | null} stop Why there will be no further
 *   attempt: until when, and a moderator's words, where one is the cause.
 */

/**
 * @param {object} options
 * @param {() => object} options.hello Made anew for each attempt.
 * @param {(message: any) => void} options.onMessage Everything that is not an answer.
 * @param {(link: Link) => void} options.onLink
 */
export function createConnection({ hello, onMessage, onLink }) {
  const ladder = new Ladder(tab.getItem(WAY));
  /** @type {import('./transports/websocket.js').Channel | null} */
  let channel = null;
  /** @type {Map<string, { text: string, resolve: (answer: any) => void, reject: (why: Error) => void, timer: number }>} */
  const asked = new Map();
  /** @type {Link} */
  let link = { phase: 'connecting', since: Date.now(), retryAt: 0, failures: 0, way: ladder.way, stop: null };
  let attempt = 0;
  /** Whether anything came by the present channel. */
  let heard = false;
  /** The link is open and changes its way: what is asked meanwhile waits. */
  let moving = false;
  let openedAt = 0;
  let timer = 0;
  let advisedUntil = 0;
  /** @type {{ code: number, reason: string, reconnect: boolean, retry_after_ms?: number, text?: string } | null} */
  let bye = null;

  /** @param {Partial<Link>} patch */
  function tell(patch) {
    link = { ...link, ...patch };
    onLink(link);
  }

  function connect() {
    clearTimeout(timer);
    bye = null;
    openedAt = 0;
    heard = false;
    if (!moving) tell({ retryAt: 0, stop: null, way: ladder.way });
    if (ladder.low) climb.start();
    timer = setTimeout(() => drop('no welcome'), WELCOME_WITHIN_MS);
    channel = opener(ladder.way)(hello, received, ended);
  }

  /** Lets go of the channel without waiting for a close that a dead link never answers. @param {string} why */
  function drop(why) {
    if (!channel) return;
    channel.close();
    ended(1006, why);
  }

  /** @param {any} message */
  function received(message) {
    heard = true;
    if (message.type === 'welcome') {
      clearTimeout(timer);
      openedAt = Date.now();
      ladder.worked();
      tab.setItem(WAY, ladder.way);
      if (!ladder.low) climb.stop();
      tell({ phase: 'open', since: 0, failures: 0, way: ladder.way });
    } else if (message.type === 'bye') {
      bye = message;
    }
    const waiting = message.id === undefined ? undefined : asked.get(message.id);
    if (waiting) {
      asked.delete(message.id);
      clearTimeout(waiting.timer);
      if (message.type === 'error') waiting.reject(new Refused(message));
      else waiting.resolve(message);
    } else {
      onMessage(message);
    }
    if (moving && message.type === 'welcome') {
      moving = false;
      // What the old channel did not answer. The same `id` makes it the same request.
      for (const { text } of asked.values()) channel?.send(text);
    }
  }

  function credit() {
    if (openedAt && Date.now() - openedAt >= STEADY_MS) attempt = 0;
  }

  /** @type {import('./transports/websocket.js').OnClose} */
  function ended(code, reason, blameless) {
    channel = null;
    clearTimeout(timer);
    // A move that came to nothing goes back to where it was.
    if (!heard) ladder.failed(blameless || moving);
    moving = false;
    for (const { reject, timer: deadline } of asked.values()) {
      clearTimeout(deadline);
      reject(new Lost(reason, true));
    }
    asked.clear();

    credit();
    const since = link.since || Date.now();
    const failures = openedAt ? 0 : link.failures + 1;
    const final = bye ? !bye.reconnect : code >= 4000 && code < 4100;
    if (final) {
      climb.stop();
      const until = bye?.retry_after_ms ? Date.now() + bye.retry_after_ms : 0;
      const stop = { code: bye?.code ?? code, reason, until, text: bye?.text ?? '' };
      tell({ phase: 'closed', since, failures, retryAt: 0, stop });
      return;
    }
    const advised = bye?.retry_after_ms ?? adviceIn(reason);
    const wait = delay(attempt, advised);
    advisedUntil = advised === undefined ? 0 : Date.now() + advised;
    attempt += 1;
    timer = setTimeout(connect, wait);
    tell({ phase: 'closed', since, failures, retryAt: Date.now() + wait, stop: null });
  }

  /**
   * @param {object} message
   * @param {{ id?: string, within?: number }} [options] An `id` of one's own makes a repetition the same request.
   * @returns {Promise<any>} The answer; rejects with {@link Refused} or {@link Lost}.
   */
  function request(message, { id = randomId(), within = ANSWER_WITHIN_MS } = {}) {
    return new Promise((resolve, reject) => {
      if (link.phase !== 'open') {
        reject(new Lost('not connected', false));
        return;
      }
      const deadline = setTimeout(() => drop('no answer'), within);
      const text = JSON.stringify({ ...message, id });
      asked.set(id, { text, resolve, reject, timer: deadline });
      if (!moving) channel?.send(text);
    });
  }

  /** The best way works again: goes over to it, in the open. What is missed on the way comes by the resume. */
  const climb = createClimb(() => {
    moving = link.phase === 'open';
    credit();
    channel?.close();
    ladder.top();
    connect();
  });

  /** Somebody or something has reason to believe that now is a good moment. */
  function wake() {
    if (link.phase === 'open') request(ping(), { within: PROBE_WITHIN_MS }).catch(() => {});
    // The server's advice of when to come back wins.
    else if (!channel && !link.stop && !(advisedUntil > Date.now())) connect();
  }

  addEventListener('online', () => {
    wake();
    if (ladder.low && !link.stop) climb.look();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) wake();
  });
  // A tab that was put to sleep, or brought back by the Back button as it was, may hold a link that died meanwhile.
  document.addEventListener('resume', wake);
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) wake();
  });

  return {
    connect,
    request,

    /** Sends what needs no answer, when there is a link. @param {object} message */
    tell(message) {
      if (!moving && link.phase === 'open') channel?.send(JSON.stringify(message));
    },

    /** A person asked for an attempt now; it counts as the first. */
    retryNow() {
      attempt = 0;
      if (!channel) connect();
    },

    /** Begins again with a new `hello`, after the usual back-off. */
    restart() {
      drop('restart');
    },
  };
}

/**
 * A Close frame's reason may carry the advice that a lost `bye` would have given: `shutdown;retry=1500`.
 * @param {string} reason
 */
function adviceIn(reason) {
  const found = /;retry=(\d+)$/.exec(reason);
  return found ? Number(found[1]) : undefined;
}
