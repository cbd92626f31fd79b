// Empties an outbox over a connection, one message at a time: so a refused one never overtakes or is overtaken.

import { Lost, Refused } from './connection.js';
import { reasonOf } from './reasons.js';
import { edit, FRAME_BYTES, send, takeBack } from './wire.js';

/** Room in a frame for the `id`. */
const ID_BYTES = 128;
/** A message whose sending ended the link so often is likely its cause: it must not hold up what follows. */
const TRIES = 5;
/** A refusal that may be retried but names no time. */
const RETRY_MS = 1_000;

/**
 * @param {object} options
 * @param {import('./outbox.js').Outbox} options.outbox
 * @param {string} options.room
 * @param {(message: object, options: { id: string }) => Promise<any>} options.request
 * @param {() => void} options.onSettled After each attempt, whatever became of it.
 * @param {(until: number) => void} options.onWait When the server asked for patience; 0 when it is over.
 */
export function createSender({ outbox, room, request, onSettled, onWait }) {
  let epoch = '';
  let busy = false;
  /** Ends the pause that the server asked for. @type {(value?: unknown) => void} */
  let again = () => {};

  /** A number means nothing in another history than its own. @param {import('./outbox.js').Entry} entry */
  function wordsOf({ text, within, reply_to, edits, deletes }) {
    const here = within === epoch;
    if (edits) return here && edit(room, edits, text);
    if (deletes) return here && takeBack(room, deletes);
    return send(room, text, here ? reply_to : undefined);
  }

  async function pump() {
    if (busy || !epoch) return;
    const entry = outbox.next();
    if (!entry) return;
    busy = true;
    let wait = 0;
    // Made before anything is asked: what ends a pause may come before the answer that begins it.
    const over = new Promise((resolve) => (again = resolve));
    const message = wordsOf(entry);
    try {
      if (!message) throw new Refused({ code: 'no_such_seq', text: '' });
      if (new TextEncoder().encode(JSON.stringify(message)).length > FRAME_BYTES - ID_BYTES) {
        throw new Refused({ code: 'too_big', text: '' });
      }
      outbox.store(entry.id, await request(message, { id: entry.id }));
    } catch (why) {
      if (why instanceof Lost) {
        epoch = '';
        if (why.sent && outbox.tried(entry.id) >= TRIES) outbox.fail(entry.id, '');
      } else if (why instanceof Refused && why.body.retry && why.body.code !== 'muted') wait = why.body.retry_after_ms ?? RETRY_MS;
      else outbox.fail(entry.id, why instanceof Refused ? reasonOf(why.body) : String(why));
    }
    if (wait) {
      onWait(Date.now() + wait);
      const timer = setTimeout(again, wait);
      await over;
      clearTimeout(timer);
      onWait(0);
    }
    busy = false;
    onSettled();
    void pump();
  }

  return {
    /** There is something new to send. */
    pump,

    /** What the server asked patience for may be over: asks it. */
    again: () => again(),

    /** The history of the room that is joined; empty while none is, and sending makes no sense. @param {string} now */
    setReady(now) {
      epoch = now;
      // What was true of the link before need not be of this one.
      again();
      void pump();
    },
  };
}
