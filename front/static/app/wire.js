// The messages of `chat.v1` that this page sends. Pure; the protocol's document says what each one means.

export const SUBPROTOCOL = 'chat.v1';

/** Messages that a first look into a room shows. */
export const FIRST_LOOK = 50;
/** A frame larger than this ends the connection, whatever is in it. */
export const FRAME_BYTES = 64 * 1024;
/** Messages that a page of history holds. */
export const PAGE = 100;
/** The same of a search. */
const FOUND = 30;

/**
 * @param {{ name?: string, session?: string, moderator?: string, rooms: Record<string, object> }} who
 */
export const hello = ({ name, session, moderator, rooms }) => ({ type: 'hello', name, session, moderator, rooms });

/** @param {string} room @param {string} text @param {number} [reply_to] The message that it answers. */
export const send = (room, text, reply_to) => ({ type: 'send', room, text, reply_to });

/** @param {string} room @param {number} seq @param {string} text */
export const edit = (room, seq, text) => ({ type: 'edit', room, seq, text });

/** @param {string} room @param {number} seq */
export const takeBack = (room, seq) => ({ type: 'delete', room, seq });

/** @param {string} room @param {object} from A position, or how much of the past to show. */
export const join = (room, from) => ({ type: 'join', room, ...from });

/** @param {string} room */
export const leave = (room) => ({ type: 'leave', room });

/** @param {string} room */
export const typing = (room) => ({ type: 'typing', room });

/** @param {string} room @param {number} seq How far it is read. */
export const read = (room, seq) => ({ type: 'read', room, seq });

/** @param {string} name */
export const rename = (name) => ({ type: 'name', name });

/** @param {string} room @param {string} [after] The last person already known. */
export const who = (room, after) => ({ type: 'who', room, after });

export const rooms = () => ({ type: 'rooms' });

export const ping = () => ({ type: 'ping' });

/** @param {string} room @param {{ before?: number, after?: number, around?: number, limit?: number }} range */
export const history = (room, range) => ({ type: 'history', room, limit: PAGE, ...range });

/** @param {string} room @param {string} text @param {number} [before] The oldest that is known already. */
export const search = (room, text, before) => ({ type: 'search', room, text, before, limit: FOUND });
