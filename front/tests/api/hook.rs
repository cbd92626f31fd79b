//! Slack's incoming webhook.

use serde_json::json;

use crate::{
    house::House,
    http::{Answer, escaped},
    person::Person,
};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn programs_that_speak_to_slack_speak_to_a_room() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let hook = async |header, body: &str| -> Answer { house.ask("POST", "/api/rooms/dev/hook", &[header], body).await };
    let payload = json!({ "text": "<https://ci.example/1|#1> &lt;ok&gt;", "username": "ci" }).to_string();
    for (header, body) in [(JSON, payload.clone()), (FORM, format!("payload={}", escaped(&payload)))] {
        let answer = hook(header, &body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let heard = kim.until(|said| said["type"] == "message").await;
        assert_eq!(
            (heard["text"].as_str(), heard["name"].as_str()),
            (Some("#1 (https://ci.example/1) <ok>"), Some("ci"))
        );
    }
    for (header, body, word) in [
        (JSON, "{", "invalid_payload"),
        (FORM, "x=1", "invalid_payload"),
        (FORM, "payload=%7B", "invalid_payload"),
        (JSON, "{}", "no_text"),
        (JSON, r#"{"text":"  "}"#, "no_text"),
    ] {
        let answer = hook(header, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, word), "{body}");
    }
}
