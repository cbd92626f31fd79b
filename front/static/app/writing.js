// Joins what one does here beyond reading: the box with its commands and completions, what can be done with messages, and
// the ways to one of them.

import { createAbout } from './about.js';
import { createActing } from './acting.js';
import { createActions } from './actions.js';
import { alarm } from './alarm.js';
import { COMMANDS } from './commands.js';
import { createCompleting } from './completing.js';
import { createComposer } from './composer.js';
import { byId } from './dom.js';
import { createJump } from './jump.js';
import { createNaming } from './naming.js';
import { createNote, hint } from './note.js';
import { page } from './page.js';
import { createSpeaking } from './speaking.js';
import { tab } from './storage.js';
import { t } from './words.js';

/**
 * @param {object} options
 * @param {string} options.room
 * @param {{ user: () => string, setName: (name: string) => void, topic: () => string }} options.state
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {import('./outbox.js').Outbox} options.outbox
 * @param {import('./roster.js').Roster} options.roster
 * @param {ReturnType<typeof import('./rooms.js').createRooms>} options.rooms
 * @param {ReturnType<typeof import('./connection.js').createConnection>} options.connection
 * @param {ReturnType<typeof import('./messages.js').createMessages>} options.messages
 * @param {ReturnType<typeof import('./scroll.js').createScroll>} options.scroll
 * @param {() => void} options.onType
 * @param {() => void} options.onWritten There is something to send.
 * @param {() => void} options.onChange The timeline has changed.
 * @param {() => void} [options.help] Shows all that can be done; without it /help shows the commands.
 * @param {import('./actions.js').Action[]} [options.more] What else can be done with a message.
 * @param {Record<string, (rest: string) => void>} [options.run] What other parts do for a command.
 */
export function createWriting({ room, state, timeline, outbox, roster, rooms, connection, messages, scroll, ...on }) {
  const box = byId('box');
  const list = byId('messages');
  const { request } = connection;
  const composer = createComposer({
    form: byId('composer'),
    box,
    draftKey: `madang.draft.${room}`,
    onSend: (text) => speaking.send(text),
    onType: on.onType,
  });
  const note = createNote(composer.focus);
  const about = createAbout({ storage: tab, key: `madang.about.${room}`, box, swap: composer.swap });
  const acting = createActing({
    timeline,
    outbox,
    me: state.user,
    about,
    hint,
    note: note.show,
    onWritten(isNew) {
      on.onWritten();
      if (isNew) void scroll.toBottom();
    },
  });
  const actions = createActions({
    scroller: byId('scroller'),
    list,
    rowOf: messages.rowOf,
    actions: [...acting.actions, ...(on.more ?? [])],
    onLeave: () => box.focus(),
  });
  const jump = createJump({ room, timeline, request, list, scroll, focus: actions.focus, onChange: on.onChange });
  /** Comes when it is wanted, and stays. @type {Promise<ReturnType<typeof import('./search.js').createSearch>> | undefined} */
  let search;
  /** @param {string} [text] */
  const lookFor = async (text) => {
    search ??= import('./search.js').then(({ createSearch }) => createSearch({ room, request, onChoose: jump.to }));
    try {
      (await search).open(text);
    } catch {
      // The page server is away; the next time asks again.
      search = undefined;
      alarm(t('search_offline'));
    }
  };
  const naming = createNaming({ request, onName: state.setName });
  const people = () => roster.sorted(state.user(), page.lang).map(({ name }) => name);
  const speaking = createSpeaking({
    say: acting.say,
    giveBack: composer.swap,
    note,
    editing: () => about.now?.kind === 'edit',
    people,
    count: () => roster.count,
    topic: state.topic,
    run: {
      ...(on.help && { help: on.help }),
      async name(rest) {
        const why = await naming.change(rest);
        if (why) alarm(why);
        else hint(t('named', { name: rest }));
      },
      search: lookFor,
      clear() {
        timeline.clear();
        on.onChange();
      },
      leave: () => rooms.forget(room),
      ...on.run,
    },
  });
  byId('open-search').addEventListener('click', () => lookFor());
  addEventListener('keydown', (event) => {
    if (event.code !== 'KeyF' || !event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void lookFor();
  });
  createCompleting({ box, known: () => ({ names: people(), rooms: rooms.names(), commands: COMMANDS }) });
  box.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'ArrowUp' || event.isComposing || event.altKey || event.shiftKey || box.value) return;
    event.preventDefault();
    acting.editLast();
  });

  return {
    focus: composer.focus,
    keep: actions.keep,
    aim: jump.aim,
    drawn: jump.drawn,
    byAddress: jump.byAddress,

    /** @param {import('./outbox.js').Entry} entry What was not sent, to be changed. */
    rewrite: (entry) => acting.rewrite(entry, composer.takeBack),
  };
}
