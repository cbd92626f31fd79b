//! The pure modules of the page, where they will run.

use serde_json::json;

use crate::yard::Yard;

#[tokio::test]
async fn the_pure_modules_keep_their_rules() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/")).await;
    for rule in [LINK, LOG, WRITING].into_iter().flatten() {
        assert_eq!(tab.promise(rule).await, json!(true), "{rule}");
    }
}

/// How what is said goes out, and how what others say comes in. Each rule is a promise of `true`.
const LINK: &[&str] = &[
    // The back-off: full jitter within its bounds, and the server's advice wins.
    "import('/static/app/backoff.js').then(({ delay }) => [0, 1, 2, 3, 20].map((n) => delay(n, undefined, () => 1)).join() === '300,500,1000,2000,30000')",
    "import('/static/app/backoff.js').then(({ delay }) => delay(5, undefined, () => 0) === 0)",
    "import('/static/app/backoff.js').then(({ delay }) => delay(9, 5000, () => 0) === 5000 && delay(0, 5000, () => 1) <= 5500)",
    // The ladder: three attempts that bring nothing lead down, and round again; one that could not be made says nothing.
    r"import('/static/app/transports/ladder.js').then(({ Ladder, WAYS }) => {
        const l = new Ladder('rubbish');
        const ways = [];
        for (let n = 0; n < 12; n += 1) { ways.push(l.way); l.failed(); }
        const down = ways.join() === WAYS.flatMap((way) => [way, way, way]).join() && l.way === 'websocket';
        for (let n = 0; n < 3; n += 1) l.failed();
        const sse = l.way === 'sse';
        l.failed(true);
        const nobodyThere = l.way === 'websocket' && !l.low;
        for (let n = 0; n < 3; n += 1) l.failed();
        l.worked();
        l.failed(true); l.failed(); l.failed(); l.worked(); l.failed(); l.failed();
        const stays = l.way === 'sse' && l.low;
        l.top();
        const top = l.way === 'websocket';
        l.failed(true);
        return down && sse && nobodyThere && stays && top && l.way === 'sse' && new Ladder('poll').way === 'poll';
    })",
    // Events arrive in pieces, and a text cannot pretend to be a field.
    r#"import('/static/app/transports/events.js').then(({ createEvents }) => {
        const whole = 'id: 1\ndata: {"a":"x\u2028event: close\\n"}\n\n: alive\n\nid: 2\nevent: close\ndata:{}\n\n';
        const read = (size) => {
            const seen = [];
            const feed = createEvents((event) => seen.push(event));
            for (let at = 0; at < whole.length; at += size) feed(whole.slice(at, at + size));
            return JSON.stringify(seen);
        };
        const expected = [{ id: '1', data: '{"a":"x\u2028event: close\\n"}' }, {}, { id: '2', event: 'close', data: '{}' }];
        return [1, 2, 7, 1000].every((size) => read(size) === JSON.stringify(expected));
    })"#,
    // The outbox: ordered, one id for all attempts, kept over a reload, passed by the log.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'test');
        const [a, b, c] = ['a', 'b', 'c'].map((text) => box.add(text));
        box.fail(a.id, 'why');
        const passes = box.next().id === b.id;
        box.store(b.id, { epoch: 'e', seq: 7, at: 1 });
        const again = new Outbox(sessionStorage, 'test');
        const kept = again.entries.map((entry) => entry.id).join() === [a.id, c.id].join();
        box.seen('e', 6);
        const early = box.entries.length;
        box.seen('e', 7);
        box.retry(a.id);
        const ordered = box.next().id === a.id;
        box.clear();
        return passes && kept && early === 3 && ordered && new Set([a.id, b.id, c.id]).size === 3;
    })",
    // A copy that comes before its answer hides what was sent, once; one that an answer told of hides nothing.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'came');
        const [a, b] = ['x', 'x'].map((text) => box.add(text));
        box.came({ seq: 1, text: 'x' }, 'e');
        const unsent = !box.entries.some(({ here }) => here);
        box.tried(a.id);
        box.came({ seq: 2, text: 'y' }, 'e');
        box.store(b.id, { epoch: 'e', seq: 3, at: 1 });
        box.came({ seq: 3, text: 'x' }, 'e');
        const told = !box.entries.some(({ here }) => here);
        box.came({ seq: 4, text: 'x' }, 'e');
        const hidden = box.entries.filter(({ here }) => here).map(({ id }) => id).join() === a.id;
        const again = new Outbox(sessionStorage, 'came');
        box.clear();
        return unsent && told && hidden && !again.entries[0].here;
    })",
    // What an entry is about stays with it.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'about');
        box.add('a', { within: 'e', reply_to: 3 });
        const again = new Outbox(sessionStorage, 'about');
        box.clear();
        return again.next().reply_to === 3 && again.next().within === 'e';
    })",
    // A number means nothing in another history: a change is refused, an answer is only a message.
    r"Promise.all([import('/static/app/sender.js'), import('/static/app/outbox.js')]).then(async ([{ createSender }, { Outbox }]) => {
        const outbox = new Outbox(sessionStorage, 'within');
        const asked = [];
        await new Promise((done) => {
            const request = async (message) => (asked.push(message), { epoch: 'new', seq: asked.length, at: 1 });
            const onSettled = () => outbox.next() || done();
            const sender = createSender({ outbox, room: 'r', request, onSettled, onWait: () => {} });
            for (const within of ['old', 'new']) {
                outbox.add('e', { within, edits: 1 }); outbox.add('', { within, deletes: 2 }); outbox.add('a', { within, reply_to: 3 });
            }
            sender.setReady('new');
        });
        const states = outbox.entries.map(({ state }) => state).join();
        outbox.clear();
        return states === 'failed,failed,stored,stored,stored,stored' && JSON.stringify(asked) === JSON.stringify([
            { type: 'send', room: 'r', text: 'a' }, { type: 'edit', room: 'r', seq: 1, text: 'e' }, { type: 'delete', room: 'r', seq: 2 },
            { type: 'send', room: 'r', text: 'a', reply_to: 3 }]);
    })",
    // A pause that the server asked for ends when it may have more patience, also when that is heard before the refusal; a
    // link that is gone sends nothing.
    r"Promise.all([import('/static/app/sender.js'), import('/static/app/outbox.js'), import('/static/app/connection.js')]).then(
        async ([{ createSender }, { Outbox }, { Refused }]) => {
        const outbox = new Outbox(sessionStorage, 'again');
        const log = [];
        let slow = true, waits = () => {}, early = false;
        const request = async ({ text }) => {
            log.push(text);
            if (early) { early = slow = false; sender.again(); throw new Refused({ code: 'rate_limited', retry: true, retry_after_ms: 21600000 }); }
            if (slow) throw new Refused({ code: 'rate_limited', retry: true, retry_after_ms: 21600000 });
            return { epoch: 'e', seq: 1, at: 1 };
        };
        const onWait = (until) => { log.push(until ? 'wait' : 'go'); if (until) waits(); };
        const onSettled = () => outbox.next() || waits();
        const sender = createSender({ outbox, room: 'r', request, onSettled, onWait });
        const waiting = (act) => new Promise((done) => { waits = done; act(); });
        sender.again();
        outbox.add('a');
        await waiting(() => sender.setReady('e'));
        await waiting(() => sender.again());
        sender.setReady('');
        await waiting(() => sender.setReady('e'));
        slow = false;
        await waiting(() => sender.again());
        outbox.add('b');
        early = true;
        await new Promise((done) => { waits = () => outbox.next() || done(); sender.pump(); });
        outbox.clear();
        return log.join() === 'a,wait,go,a,wait,go,a,wait,go,a,b,wait,go,b' || Promise.reject(log.join());
    })",
];

/// What is known of a room, and what follows from it.
const LOG: &[&str] = &[
    // The timeline: a repetition is no message, a hole is a line, a page fills it.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 5, resume: 'fresh' });
        const waits = t.position(50).last === 50;
        const news = [4, 5, 5, 4, 6].map((seq) => t.message(m(seq)));
        t.gap({ from: 7, to: 9, reason: 'slow' });
        t.message(m(10));
        const hole = t.items.find((item) => item.kind === 'gap');
        t.page({ epoch: 'a', first: 1, messages: [m(7), m(8)] }, hole);
        // The same page once more, for the hole as it was: that says nothing of what is left of it.
        t.page({ epoch: 'a', first: 1, messages: [m(7), m(8)] }, hole);
        const left = t.items.find((item) => item.kind === 'gap');
        t.page({ epoch: 'a', first: 1, messages: [m(9)] }, left);
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2), m(3), m(4)] });
        return waits && news.join() === 'true,true,false,false,true' && left.seq === 9 && left.reason === 'slow' && !t.hasOlder
            && t.items.map((item) => item.seq).join() === '1,2,3,4,5,6,7,8,9,10' && t.position(50).seq === 10;
    })",
    // Another epoch is a line; what was above stays, and what comes begins at one again.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, text) => ({ room: 'r', seq, user: 'u', name: 'n', text, at: seq });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 0, resume: 'fresh' });
        t.message(m(1, 'old'));
        t.joined({ epoch: 'b', first: 1, top: 1, resume: 'gap' });
        t.gap({ from: 1, to: 1, reason: 'epoch' });
        t.message(m(1, 'new'));
        return t.items.map((item) => item.text ?? item.kind).join() === 'old,epoch,new' && !t.hasOlder;
    })",
    // An edit and a deletion act on what they name, also when it is loaded later.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: 'first', at: seq, ...more });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 4, resume: 'fresh' });
        t.message(m(3, { text: 'better', edits: 1 }));
        t.message(m(4, { text: '', deletes: 2 }));
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2)] });
        return t.items[0].text === 'better' && t.items[0].edited && t.items[1].deleted;
    })",
    // What is dropped below is a hole that grows with what is said; a page of the newest ends it, one from anywhere fits in.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq, ...more });
        const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => m(from + n));
        const t = new Timeline();
        const look = () => t.items.reduce((seen, { kind, seq, to, reason }) => {
            const before = seen.at(-1);
            if (kind === 'message' && before?.[2] === '' && before[1] === seq - 1) before[1] = seq;
            else seen.push([seq, to ?? seq, reason ?? '']);
            return seen;
        }, []).map(([from, to, reason]) => `${from}-${to}${reason}`).join();
        t.joined({ epoch: 'a', first: 1, top: 1000, resume: 'fresh' });
        range(901, 1000).forEach((message) => t.message(message));
        t.page({ epoch: 'a', first: 1, messages: range(801, 900) });
        t.trim(150, { epoch: 'a', seq: 805 });
        const looks = [look()];
        const cut = t.isCut;
        t.message(m(1001)); t.message(m(1002, { text: 'new', edits: 810 })); t.gap({ from: 1003, to: 1010, reason: 'slow' });
        looks.push(look(), t.find(810).text);
        // Newer than what was delivered: it is on its way.
        t.page({ epoch: 'a', first: 1, messages: range(991, 1011) });
        looks.push(look());
        t.message(m(1011));
        t.page({ epoch: 'a', first: 1, messages: range(100, 120) });
        looks.push(look());
        const hole = t.items.find(({ kind, seq }) => kind === 'gap' && seq === 121);
        t.page({ epoch: 'a', first: 1, messages: range(700, 800) }, hole);
        t.page({ epoch: 'a', first: 150, messages: range(150, 160) }, t.items.find(({ id }) => id === hole.id));
        looks.push(look());
        t.trim(30);
        looks.push(look());
        return cut && !t.isCut && JSON.stringify(looks) === JSON.stringify([
            '801-949,950-1000cut', '801-949,950-1010cut', 'new', '801-949,950-990cut,991-1010',
            '100-120,121-800cut,801-949,950-990cut,991-1011',
            '100-120,121-149expired,150-160,161-699cut,700-949,950-990cut,991-1011',
            '942-949,950-990cut,991-1011']) || Promise.reject(JSON.stringify(looks));
    })",
    // Unread: others' messages behind the marker, whole holes, and what is above all that is loaded.
    r"Promise.all([import('/static/app/timeline.js'), import('/static/app/unread.js')]).then(([{ Timeline }, { countAfter }]) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: '', at: seq, ...more });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 60, resume: 'fresh' });
        for (const message of [m(51), m(52, { user: 'me' }), m(53, { edits: 51 }), m(54)]) t.message(message);
        t.gap({ from: 55, to: 60, reason: 'slow' });
        return [0, 50, 51, 53, 54, 57, 60].map((seq) => countAfter(t, seq, 'me')).join() === '58,8,7,7,6,3,0';
    })",
    // Rooms that nobody is in are asked in turn, few at a time; a refusal ends that, makes nothing known unknown, and the next
    // time goes on there. One that is closed to this person is forgotten.
    r"Promise.all([import('/static/app/rooms.js'), import('/static/app/connection.js')]).then(async ([{ createRooms }, { Refused }]) => {
        const names = Array.from({ length: 45 }, (_, n) => `q${String(n).padStart(2, '0')}`);
        localStorage.setItem('madang.rooms', JSON.stringify(Object.fromEntries(names.map((name) => [name, { epoch: 'e', seq: 1 }]))));
        let asked = [], left = Infinity, minutes = 0;
        const request = async ({ type, room }) => {
            if (type === 'rooms') return { rooms: [{ room: 'here', count: 1, top: 0 }] };
            asked.push(room);
            if (room === 'q03') throw new Refused({ code: 'no_room', text: '', retry: false });
            if ((left -= 1) < 0) throw new Refused({ code: 'rate_limited', text: '', retry: true });
            return { top: 3 };
        };
        const ul = () => document.createElement('ul');
        const rooms = createRooms({ list: ul(), others: ul(), current: 'here', request });
        const { now } = Date;
        Date.now = () => now() + minutes * 60000;
        const told = [];
        for (left of [Infinity, Infinity, Infinity, 5, Infinity]) {
            asked = [];
            minutes += 1;
            await rooms.refresh();
            told.push(`${asked.length} ${asked[0]}-${asked.at(-1)} ${rooms.all().filter(({ unread }) => unread === 2).length}`);
        }
        Date.now = now;
        localStorage.removeItem('madang.rooms');
        return told.join() === '20 q00-q19 19,20 q21-q40 39,4 q41-q44 43,6 q00-q06 43,20 q06-q25 44' || Promise.reject(told.join());
    })",
    // A page from far above is a piece of its own; one in a hole splits it; the pieces grow together.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const page = (...seqs) => ({ epoch: 'a', first: 1, messages: seqs.map(m) });
        const t = new Timeline();
        const look = () => t.items.map((item) => (item.kind === 'gap' ? `${item.seq}-${item.to}` : item.seq)).join();
        t.joined({ epoch: 'a', first: 1, top: 50, resume: 'fresh' });
        for (const seq of [49, 50]) t.message(m(seq));
        const looks = [];
        // What is newer than what was delivered will be delivered.
        for (const next of [page(10, 11), page(20, 21), page(9, 10, 11, 12), page(50, 51)]) { t.page(next); looks.push(look()); }
        const hole = t.items.find((item) => item.kind === 'gap');
        t.page(page(14, 15), hole); looks.push(look());
        t.page(page(16, 17, 18, 19)); looks.push(look());
        return t.find(15).text === '15' && t.find(13) === undefined && t.before === 9 && JSON.stringify(looks) === JSON.stringify([
            '10,11,12-48,49,50', '10,11,12-19,20,21,22-48,49,50', '9,10,11,12,13-19,20,21,22-48,49,50', '9,10,11,12,13-19,20,21,22-48,49,50',
            '9,10,11,12,13-13,14,15,16-19,20,21,22-48,49,50', '9,10,11,12,13-13,14,15,16,17,18,19,20,21,22-48,49,50']);
    })",
    // An emptied view can be filled again, from its end.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const t = new Timeline();
        const empty = t.hasOlder;
        t.joined({ epoch: 'a', first: 1, top: 2, resume: 'fresh' });
        t.message(m(1)); t.message(m(2)); t.clear();
        const older = t.hasOlder && t.before === 3 && t.position(50).seq === 2;
        t.message(m(3));
        const rest = t.before;
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2)] });
        return !empty && older && rest === 3 && t.items.map(({ seq }) => seq).join() === '1,2,3' && !t.hasOlder;
    })",
    // A change is shown where it happens, a quote with what it says now; without its target each says so.
    r"import('/static/app/rows.js').then(({ makeRows }) => {
        const m = (seq, more) => ({ kind: 'message', epoch: 'a', version: 0, seq, user: 'u', name: 'n', text: `t${seq}`, at: 1, ...more });
        const own = [{ id: 'x', text: 'new', at: 1, state: 'pending', within: 'a', edits: 1 }, { id: 'y', text: 'far', at: 1, state: 'failed', within: 'a', edits: 9 },
            { id: 'z', text: 'old', at: 1, state: 'pending', within: 'b', edits: 1 }];
        const rows = makeRows([m(1), m(2, { reply_to: 1 }), m(3, { reply_to: 7 })], own, { user: 'u', name: 'n' }, '').filter(({ kind }) => kind !== 'day');
        return rows.map(({ key }) => key).join() === 'a:1,a:2,a:3,y,z' && rows[0].change.id === 'x' && !rows[1].change
            && rows[1].quote.name === 'n' && rows[1].quote.text === 't1' && rows[2].quote.seq === 7 && rows[2].quote.name === undefined;
    })",
    // The roster knows when it does not know everybody.
    r"import('/static/app/roster.js').then(({ Roster }) => {
        const r = new Roster();
        r.reset({ count: 2, users: [{ user: 'a', name: '가' }, { user: 'b', name: '나' }] });
        r.apply({ count: 2, joined: [{ user: 'c', name: '다' }], left: [{ user: 'a', name: '가' }] });
        r.apply({ count: 2, renamed: [{ user: 'b', name: '하' }] });
        const whole = !r.isIncomplete();
        r.apply({ count: 3 });
        return whole && r.isIncomplete() && r.sorted('b', 'ko').map(({ name }) => name).join() === '하,다';
    })",
    // In a crowd not everybody who leaves is named: the list keeps the newest 250, and oneself; below, it counts again.
    r"import('/static/app/roster.js').then(({ Roster }) => {
        const r = new Roster();
        const range = (from, to) => Array.from({ length: to - from }, (_, n) => ({ user: `u${from + n}`, name: 'n' }));
        r.reset({ count: 240, users: range(0, 240) });
        const sizes = [240, 260, 320, 320, 320, 250, 250].map((count, n) => {
            r.apply({ count, joined: range(240 + 40 * n, 280 + 40 * n), left: range(240 + 40 * n - 5, 240 + 40 * n) }, 'u2');
            return r.people.size;
        });
        return sizes.join() === '275,250,250,250,250,285,320' && r.isIncomplete() && ['u2', 'u274', 'u519'].map((user) => r.people.has(user)).join() === 'true,true,true'
            && !['u0', 'u3', 'u50'].some((user) => r.people.has(user)) || Promise.reject(sizes.join());
    })",
    // Coming and going: nobody twice, nobody above 250, not oneself, and who comes back was never away.
    r"import('/static/app/comings.js').then(({ Comings }) => {
        const c = new Comings();
        const p = (user) => ({ user, name: user.toUpperCase() });
        const told = [
            c.note({ count: 3, joined: [p('a'), p('me')] }, new Set(['b']), 'me', 7),
            c.note({ count: 3, joined: [p('b')] }, new Set(['b']), 'me', 7),
            c.note({ count: 3, left: [p('b')] }, new Set(['b']), 'me', 7),
            c.note({ count: 251, joined: [p('x')] }, new Set(), 'me', 7),
            c.note({ count: 3, joined: [p('b')] }, new Set(), 'me', 7),
        ];
        return told.join() === 'true,false,true,false,true' && c.lines.length === 1
            && [...c.lines[0].joined].join() === 'a,A' && c.lines[0].left.size === 0;
    })",
    // A server that knows less than was read has begun anew; who was never there has missed nothing.
    r"import('/static/app/visited.js').then(({ unreadOf }) =>
        [unreadOf({ seq: 5 }, 8), unreadOf({ seq: 5 }, 5), unreadOf({ seq: 5 }, 2), unreadOf(undefined, 9), unreadOf({ seq: 5 }, 0)]
            .join() === '3,0,2,0,0')",
    // Where the words of a search are, as the server finds them.
    r"import('/static/app/marks.js').then(({ piecesOf, isQuery }) => {
        const marked = (text, query) => piecesOf(text, query).map(({ text, found }) => (found ? `[${text}]` : text)).join('');
        return marked('주간회의록, 회의', '회의') === '주간[회의]록, [회의]' && marked('회 의', '회의') === '회 의'
            && marked('Hello shell', 'HEL') === '[Hel]lo shell' && marked('v2.1 회의', 'v2회의') === '[v2].1 [회의]'
            && marked('😀 Straße', 'str') === '😀 [Str]aße' && marked('aaa', 'a') === '[a]aa' && marked('', 'a') === ''
            && marked('회의', '\u1112\u116c\u110b\u1174') === '[회의]' && !isQuery(' ?!😀') && isQuery('가');
    })",
];

/// What a text means, and keys.
const WRITING: &[&str] = &[
    // Keys of a two-set keyboard, of letters alone, of syllables, of syllables in parts.
    r"import('/static/app/keys.js').then(({ keysOf }) => ['ㅗ디ㅔ', 'ㅗ디ㅔ'.normalize('NFD'), '좨', 'ㅜ믇', 'ㄴㄷㅁㄱ초', '값', '쎘', 'Help']
        .map(keysOf).join() === 'help,help,who,name,search,rkqt,tpt,help')",
    // What an error repeats of a long value is its beginning.
    r"import('/static/app/reasons.js').then(({ isAbout }) => isAbout('dev') === false && isAbout('dev', 'dev') && !isAbout('dev', 'de')
        && isAbout('a'.repeat(64), 'a'.repeat(40) + '…') && !isAbout('b' + 'a'.repeat(63), 'a'.repeat(40) + '…'))",
    // Steps go round, over what is mine alone.
    r"import('/static/app/shortcuts.js').then(({ stepFrom }) => {
        const rooms = ['a', 'b', 'c', 'd'].map((room, n) => ({ room, unread: n === 1 ? 2 : 0, mine: room !== 'd' }));
        return [stepFrom(rooms, 'c', 1, false), stepFrom(rooms, 'a', -1, false), stepFrom(rooms, 'c', 1, true),
            stepFrom(rooms, 'b', 1, true), stepFrom(rooms.slice(0, 1), 'a', 1, false)].join() === 'a,c,b,,';
    })",
    // What a slash means.
    r"import('/static/app/commands.js').then(({ read }) => JSON.stringify(['hi', '//x', ' /moderator S', '/', '/ a', '/ME waves\nhi', '/ㅗ디ㅔ', '/usr/bin', 'a /help']
        .map(read)) === JSON.stringify([{ text: 'hi' }, { text: '/x' }, { command: 'moderator', rest: 'S' }, { text: '/' }, { text: '/ a' }, { command: 'me', rest: 'waves\nhi' },
        { command: 'help', rest: '' }, { unknown: '/usr/bin' }, { text: 'a /help' }]))",
    // A secret is no text, whatever stands unseen before it; what is not one is left as it is.
    r"import('/static/app/commands.js').then(({ read }) => {
        const blanks = [' ', '\t\n', '\x85', '\xa0', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2028', '\u2060', '\u3000', '\ufeff', '\u200b \u2060', '\xad', '\u202a', '\u3164'];
        const of = (line) => blanks.filter((blank) => read(blank + line).text !== undefined).map((blank) => escape(blank)).join();
        return of('/moderator S') + of('/MODERATOR S') + of('/ㅡㅐㅇㄷㄱㅁ색 S') + of('/moderator=S') === ''
            && read('\u200b/moderator S').rest === 'S' && read('\uff0fmoderator S').rest === 'S' && read('\u200b/help').text === '\u200b/help' && read(' //moderator S').text === ' //moderator S';
    })",
    r"import('/static/app/commands.js').then(({ lineOf, read }) => ['hi', '/shrug', '//x', '/', '/help'].every((text) => read(lineOf(text)).text === text)
        && lineOf('/me waves') === '/me waves')",
    // What Tab finds: syllables in the making, letters alone, keys; each once, the literal ones first.
    r"import('/static/app/completion.js').then(({ complete }) => {
        const known = { names: ['기민', '김민수', 'Ada', 'Ada'], rooms: ['dev'], commands: ['help'] };
        const found = (text) => complete(text, known).words.join();
        return found('hi @김') === '@김민수,@기민' && found('@ㄱ') === '@기민,@김민수' && found('@rla') === '@기민,@김민수' && found('@a') === '@Ada'
            && found('/h') === '/help' && found('a /h') === '' && found('#') === '#dev' && found('Ada') === '' && found('') === ''
            && complete('hi @a', known).start === 3;
    })",
    // A name is a whole word in any script, however it is composed; what is said to Korean people is no part of it.
    r"import('/static/app/markup.js').then(({ calls }) =>
        [['hi @Ada!', 'Ada'], ['@ada', 'Ada'], ['(@민수)', '민수'], ['@민수님께서는', '민수'], ['@민수야', '민수'],
         ['@' + '민수'.normalize('NFD'), '민수'], ['@Ada Lovelace, hi', 'Ada Lovelace'], ['@a.b*c', 'a.b*c'], ['@[o-o]', '[o-o]']]
            .every(([text, name]) => calls(text, name)) &&
        [['@Adam', 'Ada'], ['mail@Ada', 'Ada'], ['@민수정', '민수'], ['@Joséph', 'José'], ['`@Ada`', 'Ada'], ['Ada', 'Ada'],
         ['@aXb', 'a.b'], ['@', '']].every(([text, name]) => !calls(text, name)))",
    // What somebody does, and a text in one line.
    r"import('/static/app/text.js').then(({ actionOf, excerptOf }) => actionOf('/me waves\nx') === 'waves\nx' && actionOf('/me ') === ''
        && actionOf('/meow x') === '' && excerptOf('a\n\n b ') === 'a b' && excerptOf('😀'.repeat(200)) === `${'😀'.repeat(120)}…`)",
];
