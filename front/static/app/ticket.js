// Tickets for who signed in: each is for one connection.

import { page } from './page.js';

/** @returns {Promise<string | undefined>} Nothing when there is none just now: without one nobody says hello, and it is tried again. */
export async function fetchTicket() {
  try {
    const answer = await fetch(`${page.base}/api/ticket`, { method: 'POST', cache: 'no-store' });
    if (answer.ok) return (await answer.json()).ticket;
    // Signed out, maybe in another tab: the page leads to where one signs in.
    if (answer.status === 401) location.reload();
  } catch {
    // As above.
  }
  return undefined;
}
