// The one place where the page's state lives. Views subscribe to the keys they show and are called once per change,
// never in the middle of one.

/**
 * @template {object} State
 * @param {State} initial
 */
export function createStore(initial) {
  let state = initial;
  /** @type {Map<string, Set<(state: State) => void>>} */
  const listeners = new Map();
  /** @type {Set<string>} */
  const changed = new Set();
  let scheduled = false;

  function flush() {
    scheduled = false;
    const due = new Set();
    for (const key of changed) for (const listener of listeners.get(key) ?? []) due.add(listener);
    changed.clear();
    for (const listener of due) listener(state);
  }

  return {
    get: () => state,

    /** @param {Partial<State>} patch */
    set(patch) {
      state = { ...state, ...patch };
      for (const key of Object.keys(patch)) changed.add(key);
      if (scheduled) return;
      scheduled = true;
      // A task, not an animation frame: hidden tabs get no frames, and a burst of messages still renders once.
      setTimeout(flush, 0);
    },

    /**
     * @param {(keyof State)[]} keys
     * @param {(state: State) => void} listener Called now and after each change of one of the keys.
     */
    watch(keys, listener) {
      for (const key of keys) {
        const name = String(key);
        if (!listeners.has(name)) listeners.set(name, new Set());
        listeners.get(name)?.add(listener);
      }
      listener(state);
    },
  };
}
