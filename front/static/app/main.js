// The room page: joins the parts. What arrives goes into the model (timeline, roster, outbox), the model into the store,
// and the views draw what changed.

import { Acquaintance } from './acquaintance.js';
import { alarm } from './alarm.js';
import { createAnnouncer } from './announcer.js';
import { Comings } from './comings.js';
import { createConnection, Refused } from './connection.js';
import { createCrowd } from './crowd.js';
import { byId } from './dom.js';
import { createDoors } from './doors.js';
import { createDrawers } from './drawers.js';
import { createEmpty } from './empty.js';
import { createMessages } from './messages.js';
import { createModerator } from './moderator.js';
import { createNotify } from './notify.js';
import { Outbox } from './outbox.js';
import { page } from './page.js';
import { createPager } from './pager.js';
import { createPast } from './past.js';
import { drawPeople } from './people.js';
import { createRooms } from './rooms.js';
import { isAbout, reasonOf } from './reasons.js';
import { Roster } from './roster.js';
import { makeRows } from './rows.js';
import { createRules } from './rules.js';
import { createScroll } from './scroll.js';
import { createSender } from './sender.js';
import { claim, keep, rememberedName, rememberName } from './session.js';
import { createStatus } from './status.js';
import { tab } from './storage.js';
import { createStore } from './store.js';
import { createStrays, outboxKey } from './strays.js';
import { createTheme } from './theme.js';
import { fetchTicket } from './ticket.js';
import { dayOf } from './time.js';
import { Timeline } from './timeline.js';
import { createTyping } from './typing.js';
import { createUnread } from './unread.js';
import { FIRST_LOOK, hello, join, leave, typing as sayTyping } from './wire.js';
import { t } from './words.js';
import { createWriting } from './writing.js';

/** Rows kept in the document. */
const MOST_ROWS = 1_500;

const room = /** @type {string} */ (page.room);
const { title } = document;
const { secret, copied } = await claim();
let session = secret;

const store = createStore({
  revision: 0, // of the log and the outbox
  roster: 0, // revision of the people
  me: { user: '', name: rememberedName() },
  online: false,
  inside: false, // the room is joined: what is written now is sent now
  waitUntil: 0,
  day: 0,
  synced: false,
  unread: 0,
  line: /** @type {{ epoch: string, seq: number } | null} */ (null),
  called: false, // by name, or by an answer, in what is unread
  topic: '',
  slow: 0,
  mute: /** @type {import('./rules.js').Mute | null} */ (null),
  moderator: '', // the name of the moderator that this tab is
});
const timeline = new Timeline();
if (page.past) timeline.begin(page.past);
const roster = new Roster();
const comings = new Comings();
const people = new Acquaintance();
const changed = () => store.set({ revision: store.get().revision + 1 });
// A duplicated tab is somebody else: what its original has still to send is not its own.
if (copied) for (const key of tab.keys()) if (key.startsWith(outboxKey(''))) tab.removeItem(key);
const outbox = new Outbox(tab, outboxKey(room), changed);

const announcer = createAnnouncer();
const status = createStatus({ onRetry: () => connection.retryNow() });
const scroll = createScroll({
  scroller: byId('scroller'),
  list: byId('messages'),
  button: byId('below'),
  isCut: () => timeline.isCut,
  onEnd: () => past.toEnd(),
  onBottom: () => unread.look(),
});
const pager = createPager({ scroller: byId('scroller'), list: byId('messages'), older: byId('older') });
const connection = createConnection({
  hello: () => hello({
    name: rememberedName() || undefined,
    session,
    moderator: moderator.secret(),
    rooms: { ...strays.rooms(), [room]: timeline.position(FIRST_LOOK) },
  }),
  onMessage,
  onLink(link) {
    const online = link.phase === 'open';
    if (!online) {
      clearTimeout(rejoining);
      away = true;
      sender.setReady('');
      strays.lost();
      store.set({ inside: false });
    }
    if (online !== store.get().online) store.set({ online });
    status.show(link);
  },
});
const sender = createSender({
  outbox,
  room,
  request: connection.request,
  // What was stored before its answer got lost may have been replayed already.
  onSettled: () => outbox.seen(timeline.epoch, timeline.last),
  onWait: (waitUntil) => store.set({ waitUntil }),
});
const strays = createStrays({ storage: tab, current: room, request: connection.request, tell: connection.tell });
/** The pace may be another one now, for all or for this person. */
const again = () => [sender, strays].forEach((one) => one.again());
const typing = createTyping({ tell: () => store.get().mute || connection.tell(sayTyping(room)) });
const { request } = connection;
const moderator = createModerator({
  request,
  onChange(name) {
    store.set({ moderator: name });
    again();
  },
  onLeave: () => connection.restart(),
});
/** What moderators do comes when they do it. @param {'open' | 'list'} what @returns {(...of: any[]) => void} */
const sanction = (what) => (...of) => {
  const coming = import('./sanction.js').then(({ createSanction }) => createSanction({ room, request })[what](...of));
  coming.catch(() => alarm(t('lost')));
};
const rules = createRules({ room, request, state: store.get, onMute: (mute) => store.set({ mute }) });
const past = createPast({ room, timeline, request: connection.request, onChange: changed });
const crowd = createCrowd({
  room,
  roster,
  request: connection.request,
  onChange: () => store.set({ roster: store.get().roster + 1 }),
});
const rooms = createRooms({
  list: byId('rooms'),
  others: byId('others'),
  current: room,
  here: () => roster.count,
  unread: () => store.get().unread,
  request: connection.request,
  onList: (_, others) => (byId('others-head').hidden = others === 0),
  onForget() {
    connection.tell(leave(room));
    unread.leave();
    location.assign(`${page.base}/`);
  },
});
const unread = createUnread({
  room,
  timeline,
  me: () => store.get().me.user,
  atBottom: () => scroll.atBottom,
  request: connection.request,
  onChange: ({ unread: n, line }) => store.set({ unread: n, line, called: n > 0 && store.get().called }),
});
const notify = createNotify({ room, me: () => store.get().me, find: (seq) => timeline.find(seq) });
const messages = createMessages({
  list: byId('messages'),
  me: () => store.get().me,
  people,
  rooms,
  link: store.get,
  onLoadGap: (gap, row) => past.fill(gap, scroll.isAbove(row)),
  onOwn,
});
const doors = createDoors({ room, all: rooms.all });
const showEmpty = createEmpty();
const writing = createWriting({
  room,
  state: {
    user: () => store.get().me.user,
    setName: (name) => store.set({ me: { ...store.get().me, name } }),
    topic: () => store.get().topic,
  },
  timeline,
  outbox,
  roster,
  rooms,
  connection,
  messages,
  scroll,
  onType: () => typing.typed(),
  run: { moderator: moderator.command },
  more: [
    {
      key: 'moderate',
      label: () => t('moderate_short'),
      when: ({ user, epoch }) => Boolean(store.get().moderator) && user !== store.get().me.user && epoch === timeline.epoch,
      run: (item) => sanction('open')(item, item),
    },
  ],
  onWritten() {
    typing.sent();
    sender.pump();
    unread.spoke();
  },
  help: doors.help,
  onChange: changed,
});

/** Messages that came with a resume, for the word about it; `null` while nothing is resumed. */
let missed = /** @type {number | null} */ (null);
let live = false;
/** The link was away: what comes now was missed. A change of the way alone is nobody's business. */
let away = true;

/** @param {any} message */
function onMessage(message) {
  if (message.type === 'welcome') return welcomed(message);
  if (message.type === 'error') return refused(message);
  if (message.type === 'notice') return alarm(message.text);
  if (message.type === 'muted') return rules.muted(message);
  if (message.type === 'unmuted') return rules.unmuted();
  if (message.type === 'joined') strays.joined(message);
  if (message.type === 'room') again();
  if (message.room !== room) return undefined;
  return handlers[/** @type {keyof typeof handlers} */ (message.type)]?.(message);
}

/** What this page understands; other types are for later versions. */
const handlers = {
  /** @param {any} message */
  joined(message) {
    // A link that breaks again before all is told goes on counting.
    missed = away && store.get().synced ? missed ?? 0 : null;
    if (away) live = false;
    if (message.epoch !== timeline.epoch) comings.clear();
    timeline.joined(message);
    unread.joined(message);
    outbox.seen(timeline.epoch, timeline.last);
    roster.reset(message);
    crowd.changed();
    changed();
    sender.setReady(timeline.epoch);
    store.set({ inside: true, topic: message.topic ?? '', slow: message.slow ?? 0 });
  },

  /** @param {any} message */
  message(message) {
    if (!timeline.message(message)) return;
    if (message.user === store.get().me.user) outbox.came(message, timeline.epoch);
    outbox.seen(timeline.epoch, timeline.last);
    typing.gone(message.user);
    if (notify.heard(message, timeline.epoch, live || missed !== null)) store.set({ called: true });
    // An edit or a deletion is seen where it happens and is no message.
    if (message.user !== store.get().me.user && message.edits === undefined && message.deletes === undefined) {
      scroll.arrived(1);
      if (missed !== null) missed += 1;
      if (live) announcer.say(message);
    }
    changed();
  },

  /** @param {any} message */
  synced({ seq }) {
    live = true;
    timeline.synced(seq);
    if (missed !== null) status.resumed(missed);
    missed = null;
    away = false;
    if (!store.get().synced) writing.byAddress();
    store.set({ synced: true });
  },

  /** @param {any} message */
  gap(message) {
    timeline.gap(message);
    outbox.seen(timeline.epoch, timeline.last);
    changed();
  },

  /** @param {any} message */
  presence(message) {
    if (live && !timeline.isCut && comings.note(message, roster.people, store.get().me.user, timeline.last)) changed();
    roster.apply(message, store.get().me.user);
    for (const { user } of message.left ?? []) typing.gone(user);
    crowd.changed();
  },

  /** @param {any} message */
  room({ topic = '', slow = 0 }) {
    store.set({ topic, slow });
  },

  /** @param {any} message */
  typing(message) {
    if (message.user !== store.get().me.user) typing.seen(message);
  },
};

/** @param {any} welcome */
function welcomed({ session: given, user, name, moderator: known }) {
  session = given;
  moderator.welcomed({ moderator: known });
  rules.unmuted();
  store.set({ me: { user, name } });
  keep(given);
  typing.clear();
  rooms.refresh();
}

/** How long to wait before asking again for a room that could not be joined. */
const REJOIN_MS = 5_000;
let rejoining = 0;

/** An error that answers no request of this page. @param {any} error */
function refused(error) {
  // The goodbye that follows says it.
  if (error.code === 'banned') return;
  // No member any more: the page says so. If it may be about a room that was left, reloading might never end.
  const meant = [room, ...Object.keys(strays.rooms())].filter((name) => isAbout(name, error.got));
  if (error.code === 'no_room' && meant.join() === room && page.account) return location.reload();
  // Signed out, maybe: then the page goes to where one signs in.
  if (error.code === 'unauthorized' && page.account) void fetchTicket();
  // Wrong, or a new person's tab. A refused ticket says nothing about it.
  if (['secret', 'moderator', 'session'].includes(error.field)) moderator.forget();
  alarm(reasonOf(error));
  if (!store.get().online) {
    // Before the welcome only `hello` can be refused: come in as a guest, or as somebody new, instead of not at all.
    if (error.field === 'session') session = undefined;
    else if (error.field === 'name') rememberName('');
    connection.restart();
  } else if (!store.get().inside) {
    // The room did not let us in; what is written waits.
    clearTimeout(rejoining);
    rejoining = setTimeout(async () => {
      try {
        await connection.request(join(room, timeline.position(FIRST_LOOK)));
      } catch (why) {
        if (why instanceof Refused) refused(why.body);
      }
    }, REJOIN_MS);
  }
}

/** @param {'retry' | 'edit' | 'delete'} action @param {string} id */
function onOwn(action, id) {
  if (action === 'retry') outbox.retry(id);
  else {
    const entry = outbox.remove(id);
    if (entry && action === 'edit') writing.rewrite(entry);
  }
  sender.pump();
}

store.watch(['revision', 'me', 'inside', 'waitUntil', 'day', 'line'], ({ me, inside, waitUntil, line }) => {
  const seen = () => scroll.rows().map((row) => messages.rowOf(row)?.item).find((item) => item?.kind === 'message');
  const reader = writing.aim() ?? (scroll.atBottom ? undefined : seen());
  const make = () => makeRows(timeline.items, outbox.entries, me, `${inside}${waitUntil}`, { line, comings: comings.lines });
  timeline.trim(MOST_ROWS, reader);
  let rows = make();
  // Days and what is still to be sent are rows too.
  if (rows.length > MOST_ROWS) {
    timeline.trim(Math.max(MOST_ROWS / 2, timeline.items.length - (rows.length - MOST_ROWS)), reader);
    rows = make();
  }
  scroll.around(() => {
    byId('older').hidden = !timeline.hasOlder;
    writing.keep(() => messages.draw(rows));
  });
  pager.look(timeline.items[0]?.epoch === timeline.epoch && !timeline.isCleared);
  unread.look();
  writing.drawn();
});
store.watch(['revision', 'synced'], ({ synced }) => {
  showEmpty(synced && !timeline.items.length && !timeline.hasOlder && !outbox.entries.length);
});
store.watch(['roster', 'me', 'moderator'], ({ me, moderator: is }) => drawPeople(roster, me.user, is ? sanction('open') : null));
store.watch(['topic', 'slow', 'mute', 'moderator'], rules.draw);
store.watch(['roster', 'me'], ({ me }) => {
  if (people.meet([...roster.people.values(), me.name].filter(Boolean))) changed();
});
store.watch(['roster', 'unread'], rooms.draw);
store.watch(['unread', 'called'], ({ unread: n, called }) => {
  document.title = `${n ? `(${called ? '@' : ''}${n}) ` : ''}${title}`;
});
store.watch(['me'], ({ me }) => {
  if (document.activeElement !== byId('my-name')) byId('my-name').value = me.name;
});

byId('older').addEventListener('click', past.older);
byId('moderator-list').addEventListener('click', sanction('list'));
// "Today" is not today for ever.
(function atMidnight() {
  store.set({ day: dayOf(Date.now()) });
  setTimeout(atMidnight, new Date().setHours(24, 0, 1, 0) - Date.now());
})();
createTheme();
// Another language is the same page, at the same message.
for (const link of document.querySelectorAll('a[hreflang]')) {
  link.addEventListener('click', () => (/** @type {HTMLAnchorElement} */ (link).hash = location.hash));
}
createDrawers([
  { button: 'open-rooms', side: 'rooms-side' },
  { button: 'open-people', side: 'people-side' },
]);
// Where storage is denied or full, what was written lives as long as the page: leaving it asks first.
addEventListener('beforeunload', (event) => {
  if ([outboxKey(''), 'madang.draft.'].some(tab.isFleeting)) event.preventDefault();
});
byId('box').placeholder = t('write_here', { room: `#${room}` });
writing.focus();
connection.connect();
