// How long to wait before another attempt. Pure: full jitter, so that a thousand tabs do not come back in one moment.

/** The first attempt is nearly at once: most interruptions are shorter than anybody notices. */
export const FIRST_WITHIN_MS = 300;
/** The second waits at most this long, and each further one twice as long … */
export const BASE_MS = 500;
/** … up to here. */
export const MOST_MS = 30_000;

/**
 * @param {number} attempt 0 for the first after a loss.
 * @param {number} [advised] Milliseconds that the server asked for; they win.
 * @param {() => number} [random] From 0 to 1.
 * @returns {number} Milliseconds.
 */
export function delay(attempt, advised, random = Math.random) {
  // Others were told a number near it, so spread them a little after it.
  if (advised !== undefined) return advised + random() * Math.max(FIRST_WITHIN_MS, advised / 10);
  if (attempt === 0) return random() * FIRST_WITHIN_MS;
  return random() * Math.min(MOST_MS, BASE_MS * 2 ** (attempt - 1));
}
