// The form: remembers the name for the room page, and fills the list of rooms from the chat server.

import { createConnection } from './connection.js';
import { byId } from './dom.js';
import { createRooms } from './rooms.js';
import { rememberedName, rememberName } from './session.js';
import { createTheme } from './theme.js';
import { hello } from './wire.js';
import { t } from './words.js';

/** Who signed in has a name. @type {HTMLInputElement | null} */
const name = document.querySelector('#name');
const note = byId('rooms-note');

if (name) {
  name.value ||= rememberedName();
  // Storage that belongs to this tab carries the name; the address stays free of it and can be shared.
  byId('join').form.addEventListener('submit', () => rememberName(name.value.trim()));
}

createTheme();
note.textContent = t('rooms_waiting');
const connection = createConnection({
  // Looks without coming in: no room, no name, no session kept.
  hello: () => hello({ rooms: {} }),
  onMessage(message) {
    if (message.type === 'welcome') rooms.refresh();
  },
  onLink(link) {
    if (link.failures > 0) note.textContent = t('rooms_away');
  },
});
const rooms = createRooms({
  list: byId('rooms'),
  current: null,
  request: connection.request,
  onList(count) {
    note.textContent = count ? '' : t('rooms_none');
  },
});
connection.connect();
