//! What those who came in may see: what they may not answers as what is not there.

use back::history::unix_ms;
use serde_json::{Value, json};
use shared::Ticket;

use crate::{
    client::{Client, End, seqs},
    office::{Office, assert_refused, enter, knock, ticket},
};

/// What differs from run to run is taken away: the name of the room that was asked about.
fn unnamed(answer: &Value, room: &str) -> String {
    answer.to_string().replace(room, "ROOM")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_one_may_not_see_answers_as_one_that_is_not_there() {
    let office = Office::open();
    let server = office.closed();
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &["board"]).await;
    let stored = kim.ask(json!({"type": "send", "id": "1", "text": "the secret"})).await;
    kim.messages(1).await;
    let epoch = stored["epoch"].clone();
    // Resumed, by name and by position, in the hello of somebody who may see another room.
    let rooms = json!({"board": {"epoch": epoch, "seq": 0}, "open": {}});
    let hello = json!({"type": "hello", "ticket": office.ticket("lee", &["open", "mine"]), "rooms": rooms});
    let (mut lee, welcome) = knock(server.address, hello).await;
    assert_eq!(welcome["type"], "welcome");
    let refused = lee.next().await;
    assert_eq!((&refused["code"], &refused["got"]), (&json!("no_room"), &json!("board")));
    assert_eq!(lee.until("synced").await["room"], "open", "the other rooms of the hello are entered");
    for question in [
        json!({"type": "join"}),
        json!({"type": "join", "epoch": epoch, "seq": 1}),
        json!({"type": "join", "last": 10}),
        json!({"type": "leave"}),
        json!({"type": "send", "text": "x"}),
        json!({"type": "send", "text": "x", "reply_to": 1}),
        json!({"type": "edit", "seq": 1, "text": "x"}),
        json!({"type": "delete", "seq": 1}),
        json!({"type": "read", "seq": 1}),
        json!({"type": "history"}),
        json!({"type": "history", "around": 1}),
        json!({"type": "search", "text": "secret"}),
        json!({"type": "who"}),
        json!({"type": "topic"}),
        json!({"type": "topic", "text": "x"}),
        json!({"type": "slow", "seconds": 1}),
    ] {
        let mut answers = Vec::new();
        for room in ["board", "nothing"] {
            let mut question = question.clone();
            (question["id"], question["room"]) = (json!("q"), json!(room));
            let answer = lee.ask(question.clone()).await;
            assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("no_room")), "{question}");
            answers.push(unnamed(&answer, room));
        }
        assert_eq!(answers[0], answers[1], "{question}");
    }
    // Typing has no `id`, and is refused as everything else.
    for room in ["board", "nothing"] {
        lee.send(json!({"type": "typing", "room": room})).await;
        assert_eq!(lee.next().await["code"], "no_room");
    }
    // The list has what was given by name and is there, and no more.
    assert_eq!(
        lee.ask(json!({"type": "rooms", "id": "r"})).await["rooms"],
        json!([{"room": "open", "count": 1, "top": 0}])
    );
    lee.ask(json!({"type": "join", "id": "j", "room": "mine"})).await;
    let mine = lee.ask(json!({"type": "send", "id": "m", "room": "mine", "text": "x"})).await;
    assert_eq!(mine["seq"], 1);
    kim.expect_silence().await;
    assert_eq!(kim.ask(json!({"type": "who", "id": "w", "room": "board"})).await["count"], 1);
    let page = kim.ask(json!({"type": "history", "id": "h", "room": "board"})).await;
    assert_eq!(seqs(page["messages"].as_array().unwrap()), [1], "nothing was said there");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_see_the_open_rooms_and_no_others() {
    let office = Office::open();
    let server = office.server(&["--guest-rooms", "lobby,open-*"]);
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &["board"]).await;
    kim.ask(json!({"type": "send", "id": "1", "text": "secret"})).await;
    let mut guest = Client::in_room(server.address, "guest", "open-day").await;
    assert_eq!(guest.ask(json!({"type": "join", "id": "1", "room": "board"})).await["code"], "no_room");
    let listed = guest.ask(json!({"type": "rooms", "id": "2"})).await;
    assert_eq!(listed["rooms"].as_array().unwrap().len(), 1, "{listed}");
    let mut plain = Client::plain(server.address, "/rooms/board").await;
    plain.until("welcome").await;
    assert_eq!(plain.next().await["code"], "no_room");
    // A ticket that is no good makes nobody a guest.
    let (mut other, first) = knock(server.address, json!({"type": "hello", "ticket": "t1.x.y"})).await;
    assert_refused(&mut other, Some(first), "ticket", 4001).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rooms_of_a_ticket_are_listed_however_full_others_are() {
    let office = Office::open();
    let server =
        office.server(&["--sends-per-second", "0", "--requests-per-second", "0", "--rooms-per-connection", "0"]);
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &[]).await;
    for n in 0..=200 {
        let room = if n == 0 { "quiet".to_owned() } else { format!("loud-{n}") };
        kim.ask(json!({"type": "join", "id": "j", "room": room})).await;
        for _ in 0..=usize::from(n > 0) {
            kim.ask(json!({"type": "send", "id": format!("{n}-{}", unix_ms()), "text": "x"})).await;
        }
    }
    let (mut lee, _) = enter(server.address, &office.ticket("lee", &["quiet", "nowhere"]), &[]).await;
    let listed = lee.ask(json!({"type": "rooms", "id": "1"})).await;
    assert_eq!(listed["rooms"], json!([{"room": "quiet", "count": 1, "top": 1}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_less_comes_anew_and_sees_less() {
    let office = Office::open();
    let server = office.closed();
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["dev", "board"]), &["dev", "board"]).await;
    let (mut lee, _) = enter(server.address, &office.ticket("lee", &["dev"]), &["dev"]).await;
    let unused = office.ticket("kim", &["dev", "board"]);
    let order = office.seal(&Ticket { end: true, anew: true, ..ticket("kim", &[]) });
    knock(server.address, json!({"type": "hello", "ticket": order})).await;
    let (told, end) = kim.end().await;
    let last: Vec<&Value> = told.iter().filter(|said| said["type"] != "presence").collect();
    assert!(matches!(end, End::Close(4203, _)) && last.len() == 1, "{end:?} {told:?}");
    assert_eq!((&last[0]["type"], &last[0]["reconnect"]), (&json!("bye"), &json!(true)));
    let (mut late, first) = knock(server.address, json!({"type": "hello", "ticket": unused})).await;
    assert_refused(&mut late, Some(first), "ticket", 4203).await;
    // Another one, made since, shows what may be seen now. The others notice nothing.
    let since = office.seal(&Ticket { iat: unix_ms() + 1, ..ticket("kim", &["dev"]) });
    let (mut kim, _) = enter(server.address, &since, &["dev"]).await;
    assert_eq!(kim.ask(json!({"type": "join", "id": "1", "room": "board"})).await["code"], "no_room");
    lee.ask(json!({"type": "ping", "id": "1"})).await;
}
