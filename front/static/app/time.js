// Times as the reader's language writes them.

import { page } from './page.js';
import { t } from './words.js';

const clock = new Intl.DateTimeFormat(page.lang, { hour: 'numeric', minute: '2-digit' });
const short = new Intl.DateTimeFormat(page.lang, { dateStyle: 'medium', timeStyle: 'short' });
const full = new Intl.DateTimeFormat(page.lang, { dateStyle: 'full', timeStyle: 'medium' });
const date = new Intl.DateTimeFormat(page.lang, { dateStyle: 'full' });

/** @param {number} at */
export const clockTime = (at) => clock.format(at);

/** @param {number} at */
export const dayAndTime = (at) => short.format(at);

/** @param {number} at */
export const fullTime = (at) => full.format(at);

/** The local midnight before a moment; equal for two moments of one day. @param {number} at */
export const dayOf = (at) => new Date(at).setHours(0, 0, 0, 0);

/** @param {number} day A local midnight. */
export function dayName(day) {
  const today = dayOf(Date.now());
  if (day === today) return t('today');
  // Noon before today's midnight is yesterday in every time zone, even where a day has 23 hours.
  if (day === dayOf(today - 12 * 60 * 60 * 1000)) return t('yesterday');
  return date.format(day);
}
