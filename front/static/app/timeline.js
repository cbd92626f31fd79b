// What is known of a room's log: messages by `seq`, the holes between them, and the lines where a new history began.
// Pure; it decides what is new, what is a repetition and what is missing.

/**
 * @typedef {{ room: string, seq: number, user: string, name: string, text: string, at: number, edits?: number,
 *   deletes?: number }} WireMessage
 * @typedef {WireMessage & { kind: 'message', epoch: string, version: number, edited?: boolean, deleted?: boolean }} Said
 * @typedef {{ kind: 'gap', epoch: string, seq: number, to: number, reason: string }} Gap
 * @typedef {{ kind: 'epoch', epoch: string, seq: number }} NewEpoch
 * @typedef {Said | Gap | NewEpoch} Item
 */

export class Timeline {
  /** @type {Item[]} Oldest first. */
  items = [];
  epoch = '';
  /** The newest `seq` that was delivered or said to be missing. */
  last = 0;
  /** The oldest `seq` that the server keeps. */
  first = 1;
  /** A first look was promised and nothing of it has come yet. */
  #waiting = false;

  /** What to ask for on joining. @param {number} firstLook */
  position(firstLook) {
    return this.epoch && !this.#waiting ? { epoch: this.epoch, seq: this.last } : { last: firstLook };
  }

  /** @param {{ epoch: string, first: number, top: number, resume: string }} joined */
  joined({ epoch, first, top, resume }) {
    this.first = first;
    if (epoch !== this.epoch) {
      if (this.items.length) this.items.push({ kind: 'epoch', epoch, seq: 0 });
      this.epoch = epoch;
      this.last = 0;
      this.#waiting = top > 0;
    } else if (top < this.last) {
      // The server knows less than was seen here; what it says from now on is new.
      this.items.push({ kind: 'epoch', epoch, seq: 0 });
      this.last = 0;
      this.#waiting = top > 0;
    } else if (resume === 'fresh') {
      this.#waiting = top > this.last;
    }
  }

  /**
   * @param {WireMessage} message
   * @returns {boolean} Whether it was new.
   */
  message(message) {
    if (message.seq <= this.last) return false;
    // The server announces every hole; one that it did not is still not hidden.
    if (this.last && message.seq > this.last + 1) this.#hole(this.last + 1, message.seq - 1, 'lost');
    this.#waiting = false;
    this.last = message.seq;
    this.items.push(this.#said(message));
    this.#amend(message);
    return true;
  }

  /** @param {{ from: number, to: number, reason: string }} gap */
  gap({ from, to, reason }) {
    if (reason === 'epoch' || to <= this.last) return;
    this.#hole(Math.max(from, this.last + 1), to, reason);
    this.last = to;
  }

  /** @param {number} seq */
  synced(seq) {
    this.#waiting = false;
    this.last = Math.max(this.last, seq);
  }

  /** The oldest message shown of the current history; 0 when there is none. */
  get oldest() {
    return this.items.slice(this.#era()).find((item) => item.kind === 'message')?.seq ?? 0;
  }

  get hasOlder() {
    return this.oldest > this.first;
  }

  /**
   * Puts a page of history where it belongs.
   * @param {{ epoch: string, first: number, messages: WireMessage[] }} page
   * @param {Gap} [filling] The hole that it was asked for.
   */
  page({ epoch, first, messages }, filling) {
    if (epoch !== this.epoch || (filling && filling.epoch !== epoch)) return;
    this.first = first;
    const era = this.#era();
    const items = this.items.slice(era).filter((item) => item !== filling);
    const known = new Set(items.filter((item) => item.kind === 'message').map((item) => item.seq));
    const fresh = messages.filter((message) => !known.has(message.seq));
    items.push(...fresh.map((message) => this.#said(message)));
    if (filling) {
      const reached = messages.reduce((most, message) => Math.max(most, message.seq), 0);
      // Nothing came although something was missing: it is gone for good.
      if (!messages.length) items.push({ ...filling, reason: 'expired' });
      else {
        const begins = messages[0].seq;
        if (begins > filling.seq) items.push({ ...filling, to: Math.min(begins - 1, filling.to), reason: 'expired' });
        if (reached < filling.to) items.push({ ...filling, seq: reached + 1 });
      }
    }
    items.sort((a, b) => a.seq - b.seq);
    this.items = [...this.items.slice(0, era), ...items];
    for (const item of items) if (item.kind === 'message') this.#amend(item);
  }

  /**
   * Forgets the oldest beyond `most`, so that a tab left open for a week stays small.
   * @param {number} most
   */
  trim(most) {
    if (this.items.length <= most) return;
    this.items = this.items.slice(this.items.length - most);
  }

  /** @param {number} from @param {number} to @param {string} reason */
  #hole(from, to, reason) {
    this.items.push({ kind: 'gap', epoch: this.epoch, seq: from, to, reason });
  }

  /** @param {WireMessage} message @returns {Said} */
  #said(message) {
    return { ...message, kind: 'message', epoch: this.epoch, version: 0 };
  }

  /** Where the current history begins in `items`. */
  #era() {
    return this.items.findLastIndex((item) => item.kind === 'epoch') + 1;
  }

  /** Lets an edit or a deletion act on the message that it names. @param {WireMessage} event */
  #amend({ edits, deletes, text, edited, deleted }) {
    const target = edits ?? deletes;
    // An event that was itself overtaken has lost its text: the later one says how it ended.
    if (target === undefined || edited !== undefined || deleted !== undefined) return;
    const at = this.items.findLastIndex(
      (item) => item.kind === 'message' && item.epoch === this.epoch && item.seq === target,
    );
    if (at < 0) return;
    const said = /** @type {Said} */ (this.items[at]);
    const change = deletes === undefined ? { text, edited: true } : { deleted: true };
    this.items[at] = { ...said, ...change, version: said.version + 1 };
  }
}
