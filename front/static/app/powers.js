// What a moderator's page sends. Pure; the protocol's document says what each one means.

/** @param {string} secret */
export const claim = (secret) => ({ type: 'moderator', secret });

/** @param {string} user @param {string} reason */
export const kick = (user, reason) => ({ type: 'kick', user, reason });

/** @param {string} user @param {string} reason @param {number} seconds */
export const mute = (user, reason, seconds) => ({ type: 'mute', user, reason, seconds });

/** @param {string} user @param {string} reason @param {number} seconds @param {boolean} address */
export const ban = (user, reason, seconds, address) => ({ type: 'ban', user, reason, seconds, address });

/** @param {string} user */
export const pardon = (user) => ({ type: 'pardon', user });

export const sanctions = () => ({ type: 'sanctions' });

/** @param {string} room @param {number} seq */
export const remove = (room, seq) => ({ type: 'delete', room, seq });

/** @param {string} room @param {number} seconds */
export const slow = (room, seconds) => ({ type: 'slow', room, seconds });

/** @param {string} room @param {string} text */
export const topic = (room, text) => ({ type: 'topic', room, text });
