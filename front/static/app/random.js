// Identifiers nobody can guess. `crypto.randomUUID` exists only on secure pages; this works on a plain http address too.

/**
 * 128 random bits as 22 characters that need no escaping anywhere.
 * @returns {string}
 */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
