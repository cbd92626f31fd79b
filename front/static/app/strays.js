// What was written in other rooms of this tab and is not stored yet: whoever follows a link out of a room takes its
// outbox along. Each is joined for as long as it takes.

import { Outbox } from './outbox.js';
import { createSender } from './sender.js';
import { leave } from './wire.js';

const PREFIX = 'madang.outbox.';

/** @param {string} room */
export const outboxKey = (room) => PREFIX + room;

/**
 * @param {object} options
 * @param {typeof import('./storage.js').tab} options.storage
 * @param {string} options.current The room of this page, which sees to itself.
 * @param {(message: object, options?: { id: string }) => Promise<any>} options.request
 * @param {(message: object) => void} options.tell
 */
export function createStrays({ storage, current, request, tell }) {
  /** @type {Map<string, { outbox: Outbox, sender: ReturnType<typeof createSender> }>} */
  const strays = new Map();
  for (const key of storage.keys()) {
    const room = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : '';
    if (!room || room === current) continue;
    const outbox = new Outbox(storage, key);
    if (!outbox.next()) continue;
    const sender = createSender({ outbox, room, request, onSettled: () => done(room), onWait: () => {} });
    strays.set(room, { outbox, sender });
  }

  /** @param {string} room */
  function done(room) {
    const stray = strays.get(room);
    if (!stray || stray.outbox.next()) return;
    strays.delete(room);
    tell(leave(room));
  }

  return {
    /** The rooms to join, as `hello` wants them; nothing of their past is needed. */
    rooms: () => Object.fromEntries([...strays.keys()].map((room) => [room, { last: 0 }])),

    /** @param {{ room: string, epoch: string }} joined */
    joined: ({ room, epoch }) => strays.get(room)?.sender.setReady(epoch),

    /** A server may have more patience now. */
    again() {
      for (const { sender } of strays.values()) sender.again();
    },

    /** The link is gone. */
    lost() {
      for (const { sender } of strays.values()) sender.setReady('');
    },
  };
}
