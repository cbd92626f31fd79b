// What is known of a room's log: messages by `seq`, the holes between them, and the lines where a new history began.
// Pure; it decides what is new, what is a repetition and what is missing. In the present history every `seq` from the first
// item to `last` is either a message or in a hole: pages from anywhere fit in, and what is dropped leaves a hole (`cut`).

/**
 * @typedef {{ room: string, seq: number, user: string, name: string, text: string, at: number, reply_to?: number,
 *   edits?: number, deletes?: number }} WireMessage
 * @typedef {WireMessage & { kind: 'message', epoch: string, version: number, edited?: boolean, deleted?: boolean }} Said
 * @typedef {{ kind: 'gap', id: number, epoch: string, seq: number, to: number, reason: string }} Gap `cut`: not loaded, or no
 *   longer; other reasons are the server's.
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
  /** Holes made so far: one keeps its number while it shrinks. */
  #holes = 0;

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
   * Begins with what came with the page. What is asked for later is what comes after it.
   * @param {{ epoch: string, first: number, top: number, messages: WireMessage[] }} past
   */
  begin({ epoch, first, top, messages }) {
    this.joined({ epoch, first, top, resume: 'fresh' });
    for (const message of messages) this.message(message);
    this.synced(messages.at(-1)?.seq ?? top);
  }

  /**
   * @param {WireMessage} message
   * @returns {boolean} Whether it was new.
   */
  message(message) {
    if (message.seq <= this.last) return false;
    if (this.isCut) this.#deepen(message.seq);
    else {
      // The server announces every hole; one that it did not is still not hidden.
      if (this.last && message.seq > this.last + 1) this.#hole(this.last + 1, message.seq - 1, 'lost');
      this.items.push(this.#said(message));
    }
    this.#waiting = false;
    this.last = message.seq;
    this.#amend(message);
    return true;
  }

  /** @param {{ from: number, to: number, reason: string }} gap */
  gap({ from, to, reason }) {
    if (reason === 'epoch' || to <= this.last) return;
    if (this.isCut) this.#deepen(to);
    else this.#hole(Math.max(from, this.last + 1), to, reason);
    this.last = to;
  }

  /** @param {number} seq */
  synced(seq) {
    this.#waiting = false;
    this.last = Math.max(this.last, seq);
  }

  get hasOlder() {
    return this.before > this.first;
  }

  /** Older messages are those before this one: of the current history, or of an emptied view. */
  get before() {
    return this.items[this.#era()]?.seq ?? this.last + 1;
  }

  /** The message with this number in the current history, where it is known. @param {number} seq */
  find(seq) {
    const found = this.items.findLast((item) => item.kind === 'message' && item.seq === seq);
    return found?.epoch === this.epoch ? /** @type {Said} */ (found) : undefined;
  }

  /** The view was emptied, and nobody has asked for what was there since. */
  isCleared = false;

  /** Empties the view. What is there on the server can be loaded again. */
  clear() {
    this.items = [];
    this.isCleared = true;
  }

  /** Whether a piece of the past is shown without the newest: what is said now only makes the hole below it larger. */
  get isCut() {
    const end = this.items.at(-1);
    return end?.kind === 'gap' && end.reason === 'cut';
  }

  /**
   * Puts a page of history where it belongs, wherever that is.
   * @param {{ epoch: string, first: number, messages: WireMessage[] }} page
   * @param {Gap} [filling] The hole that it was asked for.
   */
  page({ epoch, first, messages }, filling) {
    if (epoch !== this.epoch || (filling && filling.epoch !== epoch)) return;
    this.isCleared = false;
    this.first = first;
    const era = this.#era();
    const old = this.items.slice(era);
    const known = new Set(old.filter((item) => item.kind === 'message').map((item) => item.seq));
    // What is newer than the newest delivered will still be delivered.
    const fresh = messages.filter(({ seq }) => seq <= this.last && !known.has(seq)).map((message) => this.#said(message));
    const items = [...old.flatMap((item) => (item.kind === 'gap' ? this.#left(item, messages, filling) : item)), ...fresh];
    items.sort((a, b) => a.seq - b.seq);
    this.items = [...this.items.slice(0, era), ...this.#joined(items)];
    const added = new Set(fresh.map(({ seq }) => seq));
    for (const item of items) {
      if (item.kind === 'message' && (added.has(item.seq) || added.has(item.edits ?? item.deletes ?? 0))) this.#amend(item);
    }
  }

  /**
   * Forgets what is farthest from the reader, so that a tab left open for a week stays small. What goes above is asked for
   * again as older messages are; what goes below leaves a hole.
   * @param {number} most Items that stay.
   * @param {{ epoch: string, seq: number }} [reader] What is read; nothing while that is the end.
   */
  trim(most, reader) {
    const excess = this.items.length - most;
    if (excess <= 0) return;
    const at = reader ? this.items.findIndex(({ epoch, seq }) => epoch === reader.epoch && seq >= reader.seq) : -1;
    const below = this.items.length - at - Math.ceil(most / 2);
    // A history that is gone cannot be asked for again: it only goes at the beginning.
    let dropped = at < this.#era() ? 0 : Math.min(Math.max(below, 0), excess);
    const kept = this.items.slice(excess - dropped, this.items.length - dropped);
    // The hole is an item too.
    if (dropped && kept.pop()) dropped += 1;
    let from = this.items[this.items.length - dropped]?.seq;
    const end = this.isCut ? /** @type {Gap} */ (this.items.at(-1)) : null;
    while (kept.length > 1 && this.#isIdle(kept[0])) kept.shift();
    this.items = kept;
    if (!dropped) return;
    if (this.isCut) from = this.items.pop()?.seq ?? from;
    this.#hole(from, this.last, 'cut', end?.id);
  }

  /** Whether an item says nothing at the beginning of the list. @param {Item} item */
  #isIdle(item) {
    return item.kind === 'epoch' || (item.kind === 'gap' && item.reason === 'cut');
  }

  /**
   * What is left of a hole when these messages have come.
   * @param {Gap} gap @param {WireMessage[]} messages @param {Gap} [filling]
   * @returns {Gap[]}
   */
  #left(gap, messages, filling) {
    const inside = messages.filter(({ seq }) => seq >= gap.seq && seq <= gap.to);
    if (!inside.length) {
      // Nothing came although something was missing: it is gone for good. What was asked for a hole as it was before says
      // nothing of what is left of it.
      const isAnswer = filling?.id === gap.id && filling.seq === gap.seq && filling.to === gap.to;
      return [isAnswer || gap.to < this.first ? { ...gap, reason: 'expired' } : gap];
    }
    const [from, to] = [inside[0].seq, inside[inside.length - 1].seq];
    const above = { ...gap, id: to < gap.to ? this.#nextHole() : gap.id, to: from - 1 };
    const kept = Math.max(gap.seq, Math.min(this.first, from));
    return [
      { ...above, id: this.#nextHole(), to: kept - 1, reason: 'expired' },
      { ...above, seq: kept },
      { ...gap, seq: to + 1 },
    ].filter((hole) => hole.seq <= hole.to);
  }

  /** With a hole wherever one piece does not follow the other, and where the last is not the end. @param {Item[]} items */
  #joined(items) {
    /** @type {Item[]} */
    const whole = [];
    let end = 0;
    for (const item of items) {
      if (end && item.seq > end + 1) whole.push(this.#gap(end + 1, item.seq - 1, 'cut'));
      whole.push(item);
      end = item.kind === 'gap' ? item.to : item.seq;
    }
    if (end && end < this.last) whole.push(this.#gap(end + 1, this.last, 'cut'));
    return whole;
  }

  /** The hole at the end reaches farther now. @param {number} to */
  #deepen(to) {
    this.items[this.items.length - 1] = { .../** @type {Gap} */ (this.items.at(-1)), to };
  }

  /** @param {number} from @param {number} to @param {string} reason @param {number} [id] */
  #hole(from, to, reason, id) {
    this.items.push(this.#gap(from, to, reason, id));
  }

  /** @param {number} seq @param {number} to @param {string} reason @param {number} [id] @returns {Gap} */
  #gap(seq, to, reason, id = this.#nextHole()) {
    return { kind: 'gap', id, epoch: this.epoch, seq, to, reason };
  }

  #nextHole() {
    this.#holes += 1;
    return this.#holes;
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
