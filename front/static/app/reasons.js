// Why the server refused something, in the reader's language where there are words for it.

import { t } from './words.js';

/** Literal keys, so that a test can find them in the tables. */
const WORDS = /** @type {Record<string, () => string>} */ ({
  too_big: () => t('error_too_big'),
  bad_name: () => t('error_bad_name'),
  rate_limited: () => t('error_rate_limited'),
  room_limit: () => t('error_room_limit'),
  no_such_seq: () => t('error_no_such_seq'),
  expired: () => t('error_no_such_seq'),
  not_joined: () => t('error_not_joined'),
  overloaded: () => t('error_unavailable'),
  storage_unavailable: () => t('error_unavailable'),
});

/** @param {{ code?: string, text?: string }} error @returns {string} */
export const reasonOf = (error) => WORDS[error.code ?? '']?.() ?? error.text ?? '';
