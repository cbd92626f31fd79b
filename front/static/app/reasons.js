// Why the server refused something, in the reader's language where there are words for it.

import { dayAndTime } from './time.js';
import { t } from './words.js';

/** Literal keys, so that a test can find them in the tables. */
const WORDS = /** @type {Record<string, (error: any) => string>} */ ({
  too_big: () => t('error_too_big'),
  bad_name: () => t('error_bad_name'),
  rate_limited: () => t('error_rate_limited'),
  room_limit: () => t('error_room_limit'),
  no_such_seq: () => t('error_no_such_seq'),
  expired: () => t('error_no_such_seq'),
  no_room: () => t('error_no_room'),
  not_joined: () => t('error_not_joined'),
  unauthorized: () => t('error_unauthorized'),
  muted({ retry_after_ms: left = 0, reason }) {
    const until = t('muted_until', { when: dayAndTime(Date.now() + left) });
    return reason ? `${until} ${t('moderator_reason', { why: reason })}` : until;
  },
  overloaded: () => t('error_unavailable'),
  storage_unavailable: () => t('error_unavailable'),
});

/** @param {{ code?: string, text?: string }} error @returns {string} */
export const reasonOf = (error) => WORDS[error.code ?? '']?.(error) ?? error.text ?? '';

/**
 * Whether an error is about this: it repeats what was wrong, but of something long the beginning.
 * @param {string} value
 * @param {string} [got]
 */
export const isAbout = (value, got = '') => got === value || (got.endsWith('…') && value.startsWith(got.slice(0, -1)));
