// Server-sent events from the pieces in which they arrive. Pure. The browser's own reader cannot send who asks.

/**
 * @param {(event: Record<string, string>) => void} onEvent Its fields by name; what only keeps the line alive has none.
 * @returns {(text: string) => void} Takes the next piece.
 */
export function createEvents(onEvent) {
  let rest = '';
  return (text) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      /** @type {Record<string, string>} */
      const event = {};
      // Only a line feed ends a line: a message may contain every other separator.
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':');
        if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '');
      }
      onEvent(event);
    }
  };
}
