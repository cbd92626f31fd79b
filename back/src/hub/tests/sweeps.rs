//! Sweeps alone, on one thread: whose turn it is, and who is there. Whatever happens in the middle of a flush is done
//! by the script that is written to.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{
    log::Place,
    script::frames,
    segment::{MEMBERS, Member},
    *,
};

/// Somebody in a room whose connection nobody drives: it gets what sweeps write.
struct Guest {
    script: Arc<Script>,
    outlet: Arc<Outlet>,
    member: Arc<Member>,
}

impl Guest {
    fn new() -> Self {
        let script = Arc::new(Script::default());
        let wire = Wire::Scripted(Arc::clone(&script));
        let outlet = Arc::new(Outlet::new(1, wire, true, Vitals::new(false), Arc::default()));
        let member = Arc::new(Member::new(Arc::clone(&outlet)));
        Self { script, outlet, member }
    }

    fn seated(room: &Arc<Room>) -> Self {
        let guest = Self::new();
        guest.settle(room, head(room));
        guest
    }

    fn settle(&self, room: &Arc<Room>, at: Place) {
        sweep::settle(room, Arc::clone(&self.member), at);
    }

    fn heard(&self) -> String {
        let written = self.script.take();
        frames(&written).0.iter().map(|(_, payload)| str::from_utf8(payload).unwrap()).collect()
    }

    /// Whether nothing of the room holds on to it.
    fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.member) == 1 && Arc::strong_count(&self.outlet) == 2
    }
}

fn room() -> Arc<Room> {
    let room = Room::new(RoomName::lobby(), QUIET, Duration::ZERO, Arc::default());
    room.log().open(0, Vec::new());
    Arc::new(room)
}

fn head(room: &Room) -> Place {
    room.log().head()
}

/// Adds a message to the room's log, and has it delivered.
fn say(room: &Arc<Room>, text: &str) {
    let mut log = room.log();
    let seq = log.head().seq + 1;
    assert!(log.append_message(seq, frame::text(text)));
    drop(log);
    sweep::mark(room);
}

/// Waits until the room is being swept no more: a sweep holds on to its room.
async fn swept(room: &Arc<Room>) {
    until(|| Arc::strong_count(room) == 1).await;
}

/// So many guests in a room; every write to one of them is told as `name`.
fn crowd(room: &Arc<Room>, count: usize, name: char, order: &SyncSender<char>) -> Vec<Guest> {
    let guest = |_| {
        let (guest, order) = (Guest::seated(room), order.clone());
        guest.script.on_write(move || order.send(name).unwrap());
        guest
    };
    (0..count).map(guest).collect()
}

fn told(order: &Receiver<char>) -> String {
    order.try_iter().collect()
}

#[tokio::test]
async fn a_small_room_waits_for_one_segment_of_a_huge_one() {
    let (order, writes) = sync_channel(1_000);
    let (huge, small) = (room(), room());
    let _guests = (crowd(&huge, 10 * MEMBERS, 'h', &order), crowd(&small, 1, 's', &order));
    // Whichever comes first.
    for rooms in [[&huge, &small], [&small, &huge]] {
        for room in rooms {
            say(room, "a");
        }
        for room in rooms {
            swept(room).await;
        }
        let order = told(&writes);
        let before = order.split('s').next().unwrap().len();
        // There is one worker.
        assert!(order.len() == 10 * MEMBERS + 1 && before <= MEMBERS, "{order}");
    }
}

#[tokio::test]
async fn publishing_into_a_huge_room_without_end_does_not_keep_a_small_one_waiting() {
    let (order, writes) = sync_channel(1_000);
    let (huge, small) = (room(), room());
    let (crowd, few) = (crowd(&huge, 10 * MEMBERS, 'h', &order), crowd(&small, 1, 's', &order));
    for _ in 0..100 {
        told(&writes);
        say(&small, "a");
        let mut waited = String::new();
        while !waited.contains('s') {
            // One for each sweep, so that it never rests, and never ends.
            if !huge.pace().is_busy(Instant::now()) {
                say(&huge, "a");
            }
            yield_now().await;
            waited += &told(&writes);
        }
        assert_eq!(few[0].heard(), "a");
        // One segment while the small room lets everybody go first, and one before its turn.
        let before = waited.split('s').next().unwrap().len();
        assert!(before <= 2 * MEMBERS, "{before} clients of the huge room came first");
    }
    assert!(crowd.iter().all(|guest| guest.heard().len() > 10));
}

#[tokio::test]
async fn whoever_takes_a_seat_where_the_log_has_moved_on_gets_what_it_missed() {
    let (room, guest) = (room(), Guest::new());
    let at = head(&room);
    say(&room, "a");
    swept(&room).await;
    guest.settle(&room, at);
    swept(&room).await;
    assert_eq!(guest.heard(), "a");
    // Also beside others who have it.
    let late = Guest::new();
    late.settle(&room, at);
    swept(&room).await;
    assert_eq!((late.heard(), guest.heard()), ("a".to_owned(), String::new()));
    say(&room, "b");
    swept(&room).await;
    assert_eq!((late.heard(), guest.heard()), ("b".to_owned(), "b".to_owned()));
    assert_eq!(room.segments().len(), 1);
}

#[tokio::test]
async fn whoever_leaves_is_let_go_at_once() {
    let room = room();
    let guests: Vec<Guest> = (0..=MEMBERS).map(|_| Guest::seated(&room)).collect();
    assert_eq!(room.segments().len(), 2);
    for guest in &guests {
        assert!(!guest.is_let_go());
        sweep::leave(&room, &guest.member);
        assert!(guest.is_let_go());
    }
    assert_eq!((room.segments().len(), Arc::strong_count(&room)), (0, 1));
}

#[tokio::test]
async fn whoever_leaves_while_the_room_is_told_hears_no_more_and_is_let_go() {
    for (leaver, heard) in [(0, "a"), (2, "")] {
        let room = room();
        let guests: Vec<Guest> = (0..3).map(|_| Guest::seated(&room)).collect();
        let (place, member) = (Arc::clone(&room), Arc::clone(&guests[leaver].member));
        guests[1].script.on_next_write(move || sweep::leave(&place, &member));
        say(&room, "a");
        swept(&room).await;
        assert_eq!(guests[leaver].heard(), heard);
        assert!(guests[leaver].is_let_go());
        say(&room, "b");
        swept(&room).await;
        assert_eq!((guests[leaver].heard(), guests[1].heard()), (String::new(), "ab".to_owned()));
        // Its seat is free, and only that.
        let next: Vec<Guest> = (2..MEMBERS).map(|_| Guest::seated(&room)).collect();
        assert_eq!((room.segments().len(), next.len()), (1, MEMBERS - 2));
        assert_eq!(Guest::seated(&room).heard() + &room.segments().len().to_string(), "2");
    }
}

#[tokio::test]
async fn whoever_comes_while_the_room_is_told_is_there_for_what_follows() {
    let (room, first, second) = (room(), Guest::new(), Arc::new(Guest::new()));
    first.settle(&room, head(&room));
    let (place, comes) = (Arc::clone(&room), Arc::clone(&second));
    first.script.on_next_write(move || comes.settle(&place, head(&place)));
    say(&room, "a");
    swept(&room).await;
    // What is passing comes to those only who have a seat.
    room.log().append_passing(frame::text("b"));
    sweep::mark(&room);
    swept(&room).await;
    assert_eq!((first.heard(), second.heard()), ("ab".to_owned(), "b".to_owned()));
    assert_eq!(room.segments().len(), 1);
}

/// A flush first moves everybody, and then lets people come and go. Here somebody comes or goes while another newcomer is
/// brought to where the others are: after it has looked who waits.
async fn at_the_end_of_a_flush(beside: &Guest, act: impl FnOnce(&Arc<Room>) + Send + 'static) -> Arc<Room> {
    let (room, newcomer) = (room(), Guest::new());
    let at = head(&room);
    say(&room, "a");
    swept(&room).await;
    beside.settle(&room, head(&room));
    let place = Arc::clone(&room);
    newcomer.script.on_next_write(move || act(&place));
    newcomer.settle(&room, at);
    swept(&room).await;
    assert_eq!(newcomer.heard(), "a");
    room
}

#[tokio::test]
async fn whoever_goes_at_the_end_of_a_flush_is_let_go_by_the_next() {
    let goes = Guest::new();
    let leaver = Arc::clone(&goes.member);
    let room = at_the_end_of_a_flush(&goes, move |room| sweep::leave(room, &leaver)).await;
    assert!(goes.is_let_go());
    assert_eq!(room.segments().len(), 1);
}

#[tokio::test]
async fn whoever_comes_at_the_end_of_a_flush_is_seated_by_the_next() {
    let comes = Arc::new(Guest::new());
    let newcomer = Arc::clone(&comes);
    let room = at_the_end_of_a_flush(&Guest::new(), move |room| newcomer.settle(room, head(room))).await;
    // What is passing comes to those only who have a seat.
    room.log().append_passing(frame::text("b"));
    sweep::mark(&room);
    swept(&room).await;
    assert_eq!(comes.heard(), "b");
}
