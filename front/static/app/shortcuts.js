// The keys that work anywhere on the page. By `code` too, so that they are where they are while Hangul is typed.

/** @param {EventTarget | null} target */
const isField = (target) => target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable);

/**
 * @param {object} options
 * @param {() => void} options.onSwitch
 * @param {() => void} options.onHelp
 * @param {(step: 1 | -1, unread: boolean) => void} options.onStep To the next room or the one before, or of those with news.
 */
export function createShortcuts({ onSwitch, onHelp, onStep }) {
  document.addEventListener('keydown', (event) => {
    const { code, key, ctrlKey, metaKey, altKey, shiftKey } = event;
    if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (ctrlKey !== metaKey && !altKey && !shiftKey && (code === 'KeyK' || key === 'k')) onSwitch();
    else if (altKey && !ctrlKey && !metaKey && (code === 'ArrowUp' || code === 'ArrowDown')) {
      onStep(code === 'ArrowUp' ? -1 : 1, shiftKey);
    } else if (!altKey && !ctrlKey && !metaKey && !isField(event.target) && (key === '?' || (code === 'Slash' && shiftKey))) {
      onHelp();
    } else return;
    event.preventDefault();
  });
}

/**
 * The room that a step leads to; round and round. Pure.
 * @param {{ room: string, unread: number, mine: boolean }[]} entries @param {string} current
 * @param {1 | -1} step @param {boolean} unread
 * @returns {string | undefined}
 */
export function stepFrom(entries, current, step, unread) {
  const mine = entries.filter(({ mine }) => mine);
  const at = mine.findIndex(({ room }) => room === current);
  const round = mine.map((_, n) => mine[(at + step * (n + 1) + mine.length * 2) % mine.length]);
  return round.find((entry) => entry.room !== current && (!unread || entry.unread > 0))?.room;
}
