// What moderators set of this room, and what they forbid its reader: the topic below the room's name, and a line beside
// the box for its pace and for a mute.

import { alarm } from './alarm.js';
import { byId } from './dom.js';
import { dayAndTime } from './time.js';
import { t } from './words.js';

/** A timer cannot be set for longer. */
const LONGEST_MS = 2 ** 31 - 1;

/** @typedef {{ until: number, reason?: string, by: string }} Mute */

/** Seconds in words. @param {number} seconds */
export function inWords(seconds) {
  if (seconds % 3_600 === 0) return t('for_hours', { n: seconds / 3_600 });
  return seconds % 60 === 0 ? t('for_minutes', { n: seconds / 60 }) : t('for_seconds', { n: seconds });
}

/** @param {Mute} mute */
export function muteInWords({ until, reason, by }) {
  const what = t('muted', { when: dayAndTime(until), by });
  return reason ? `${what} ${t('moderator_reason', { why: reason })}` : what;
}

/**
 * @param {object} options
 * @param {string} options.room
 * @param {(message: object) => Promise<any>} options.request
 * @param {() => { topic: string, slow: number }} options.state
 * @param {(mute: Mute | null) => void} options.onMute
 */
export function createRules({ room, request, state, onMute }) {
  let timer = 0;

  /** @param {{ topic: string, slow: number, mute: Mute | null, moderator: string }} now */
  function draw({ topic, slow, mute, moderator }) {
    byId('topic').textContent = topic || (moderator && t('topic_none'));
    byId('rules').hidden = !topic && !moderator;
    byId('change-rules').hidden = !moderator;
    const lines = [mute && muteInWords(mute), slow > 0 && t('slowed', { time: inWords(slow) })];
    const text = lines.filter(Boolean).join(' · ');
    // Writing the same text again would be announced again.
    if (byId('pace').textContent !== text) byId('pace').textContent = text;
  }

  byId('change-rules').addEventListener('click', () => {
    const opening = import('./setting.js').then(({ openSetting }) => openSetting({ room, request, before: state() }));
    opening.catch(() => alarm(t('lost')));
  });

  return {
    draw,

    /** @param {{ retry_after_ms: number, reason?: string, by: string }} told */
    muted({ retry_after_ms: left, reason, by }) {
      // By this machine's clock: the server's may be another.
      onMute({ until: Date.now() + left, reason, by });
      clearTimeout(timer);
      if (left < LONGEST_MS) timer = setTimeout(() => onMute(null), left);
    },

    unmuted() {
      clearTimeout(timer);
      onMute(null);
    },
  };
}
