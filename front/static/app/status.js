// Says how the link is: one word that is always there, and a banner when an interruption lasts. The word is what screen
// readers hear: it changes once for each interruption that lasts, and the seconds count beside it, unheard.

import { byId } from './dom.js';
import { page } from './page.js';
import { dayAndTime } from './time.js';
import { t } from './words.js';

/** Shorter interruptions are nobody's business. */
const BANNER_AFTER_MS = 1_500;
/** After so many attempts without an answer, the address itself may be wrong. */
const HINT_AFTER = 3;
/** How long a good news stays. */
const NEWS_MS = 6_000;

/** Reasons that end the attempts; literal keys, so that a test can find them in the tables. */
const STOPS = /** @type {Record<number, () => string>} */ ({
  4000: () => t('stop_4000'),
  4001: () => t('stop_4001'),
  4003: () => t('stop_4003'),
  4004: () => t('stop_4004'),
  4005: () => t('stop_4005'),
  4006: () => t('stop_4006'),
  4007: () => t('stop_4007'),
});

/** What each way is called, and what that means. */
const WAYS = /** @type {Record<import('./transports/ladder.js').Way, () => [string, string]>} */ ({
  websocket: () => ['WebSocket', t('way_websocket')],
  sse: () => ['SSE', t('way_sse')],
  longpoll: () => [t('longpoll'), t('way_longpoll')],
  poll: () => [t('poll'), t('way_poll')],
});

/** @param {{ code: number, until: number }} stop */
function whyStopped({ code, until }) {
  if (code === 4003 && until) return t('shut_out_until', { when: dayAndTime(until) });
  return STOPS[code]?.() ?? t('stop_other', { code: String(code) });
}

/** @param {{ onRetry: () => void }} options */
export function createStatus({ onRetry }) {
  const status = byId('status');
  const banner = byId('banner');
  /** @type {import('./connection.js').Link | null} */
  let link = null;
  let news = '';
  let newsTimer = 0;
  let ticker = 0;
  let opened = false;

  /** Writing the same text again would be announced again. @param {string} id @param {string} text */
  function set(id, text) {
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }

  byId('retry-now').addEventListener('click', onRetry);

  /** Whether an interruption is somebody's business. */
  const lasts = () => link !== null && link.phase !== 'open' && (link.stop !== null || Date.now() - link.since >= BANNER_AFTER_MS);

  function word() {
    if (link?.phase === 'open') return news || t('open');
    if (lasts()) return t('closed');
    return opened ? t('open') : t('connecting');
  }

  function draw() {
    if (!link) return;
    status.dataset.state = link.phase;
    status.classList.toggle('news', news !== '');
    set('status', word());

    const { stop, retryAt, failures, way } = link;
    const badge = byId('way');
    [badge.textContent, badge.title] = link.phase === 'open' ? WAYS[way]() : ['', ''];
    badge.dataset.way = way;
    banner.hidden = !lasts();
    if (banner.hidden) return;
    // The end of all attempts is an alarm; that there will be another is none.
    if (stop) byId('banner-why').setAttribute('role', 'alert');
    else byId('banner-why').removeAttribute('role');
    set('banner-why', stop ? whyStopped(stop) : t('lost'));
    const seconds = Math.ceil((retryAt - Date.now()) / 1000);
    const words = stop?.text ? t('moderator_reason', { why: stop.text }) : '';
    set('banner-when', stop ? words : seconds > 0 ? t('retry_in', { n: seconds }) : t('retrying'));
    set('banner-hint', !stop && failures >= HINT_AFTER ? t('unreachable', { back: page.back }) : '');
  }

  /** @param {string} text */
  function tell(text) {
    news = text;
    clearTimeout(newsTimer);
    newsTimer = setTimeout(() => {
      news = '';
      draw();
    }, NEWS_MS);
  }

  return {
    /** @param {import('./connection.js').Link} now */
    show(now) {
      // Whoever heard of the loss hears one word of its end; how much was missed follows, if anything was.
      if (now.phase === 'open' && opened && lasts()) tell(t('resumed'));
      link = now;
      opened ||= now.phase === 'open';
      clearInterval(ticker);
      if (now.phase !== 'open' && !now.stop) ticker = setInterval(draw, 250);
      draw();
    },

    /** The link is back, and so many messages came with it. @param {number} missed */
    resumed(missed) {
      tell(missed ? t('resumed_missed', { n: missed }) : t('resumed'));
      draw();
    },
  };
}
