//! The form of the page without a script, against the real chat server.

use crate::house::House;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The hidden word of a new form.
async fn once(house: &House) -> String {
    let page = house.get("/r/dev").await.body;
    let (_, rest) = page.split_once(r#"name="once" value=""#).expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_one_message() {
    let house = House::open();
    // Somebody new, whose two clicks come before any cookie; and at the same time.
    let first = format!("once={}&name=kim&text=clicked+twice", once(&house).await);
    let (a, b) =
        tokio::join!(house.ask("POST", "/r/dev", &[FORM], &first), house.ask("POST", "/r/dev", &[FORM], &first));
    assert_eq!((a.status, b.status), (303, 303));
    assert_eq!(a.header("location"), "/r/dev");
    // The same text in a new form is said again.
    let second = format!("once={}&name=kim&text=clicked+twice", once(&house).await);
    for _ in 0..2 {
        assert_eq!(house.ask("POST", "/r/dev", &[FORM], &second).await.status, 303);
    }
    let page = house.json("/api/rooms/dev/messages").await;
    let said: Vec<_> =
        page["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(said, ["clicked twice", "clicked twice"]);
    assert_eq!(page["top"], 2);
}

#[tokio::test]
async fn a_moderators_secret_that_is_typed_into_the_form_is_shown_to_nobody() {
    let house = House::open();
    for text in ["%2Fmoderator+4fQm1zX8Jw0cK7sYh2LbNg", "+%2FModerator+4fQm"] {
        let body = format!("once={}&name=mo&text={text}", once(&house).await);
        let answer = house.ask("POST", "/r/dev", &[FORM], &body).await;
        assert!(answer.status == 400 && answer.body.contains("Not sent"), "{answer:?}");
    }
    assert_eq!(house.json("/api/rooms/dev/messages").await["top"], 0);
}
