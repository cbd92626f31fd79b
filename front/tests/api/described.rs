//! The description against the real thing: every address that is described exists, every one that exists is described,
//! and what is answered has the described form.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    house::House,
    http::Answer,
    person::Person,
    signin::{Closed, PASSWORD},
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn paths(description: &Value) -> impl Iterator<Item = (&String, &Value)> {
    description["paths"].as_object().unwrap().iter()
}

/// What of this value is not as the schema says; the parts of JSON Schema that the description uses.
fn faults(description: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let wrong = |what: &str| format!("{at}: {what}: {value}");
    for (word, rule) in schema.as_object().expect("a schema") {
        match word.as_str() {
            "$ref" => {
                let schema = description.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("a schema");
                self::faults(description, schema, value, at, faults);
                return;
            }
            "type" => {
                let is = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    other => panic!("{other}"),
                };
                if !is {
                    faults.push(wrong("another type"));
                }
            }
            "const" if rule != value => faults.push(wrong("not the constant")),
            "enum" if !rule.as_array().unwrap().contains(value) => faults.push(wrong("not one of them")),
            "minimum" if value.as_i64() < rule.as_i64() => faults.push(wrong("too small")),
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        faults.push(wrong(&format!("without {name}")));
                    }
                }
            }
            "const" | "enum" | "minimum" | "properties" | "items" | "anyOf" | "description" | "pattern" | "default" => {
            }
            other => panic!("{other} is not looked at"),
        }
    }
    if let Some(parts) = schema.get("properties") {
        for (name, part) in value.as_object().into_iter().flatten() {
            match parts.get(name) {
                Some(schema) => self::faults(description, schema, part, &format!("{at}/{name}"), faults),
                // What an empty list of properties leaves open is open.
                None if parts.as_object().unwrap().len() < 2 => {}
                None => faults.push(format!("{at}: {name} is not described")),
            }
        }
    }
    if let Some(schema) = schema.get("items") {
        for part in value.as_array().into_iter().flatten() {
            self::faults(description, schema, part, &format!("{at}[]"), faults);
        }
    }
    if let Some(schemas) = schema.get("anyOf") {
        let fits = |schema: &Value| {
            let mut faults = Vec::new();
            self::faults(description, schema, value, at, &mut faults);
            faults.is_empty()
        };
        if !schemas.as_array().unwrap().iter().any(fits) {
            faults.push(format!("{at}: none of them: {value}"));
        }
    }
}

/// Holds an answer against its description.
fn hold(description: &Value, method: &str, path: &str, answer: &Answer) {
    let responses = &description["paths"][path][method]["responses"];
    let mut response = responses.get(answer.status.to_string()).unwrap_or(&responses["default"]);
    if let Some(name) = response.get("$ref").and_then(Value::as_str) {
        response = description.pointer(name.trim_start_matches('#')).unwrap();
    }
    assert!(response.is_object(), "{method} {path} does not describe {answer:?}");
    let kind = answer.header("content-type").split(';').next().unwrap();
    let Some(content) = response.get("content") else {
        assert_eq!(answer.body, "", "{method} {path}");
        return;
    };
    let described = content.get(kind).unwrap_or_else(|| panic!("{method} {path} does not describe {kind}"));
    if kind == "application/json" {
        let mut found = Vec::new();
        faults(description, &described["schema"], &answer.json(), path, &mut found);
        assert!(found.is_empty(), "{method} {path}: {found:#?}");
    }
}

#[tokio::test]
async fn every_address_is_described_and_every_described_one_exists() {
    let (open, closed) = (House::open(), Closed::open());
    let description = open.json("/api/openapi.json").await;
    assert_eq!(description["openapi"], "3.1.0");
    let cookie = closed.sign_in("kim").await;
    for (path, operations) in paths(&description) {
        let path = path.replace("{room}", "dev").replace("{user}", "u7Zk2mQ0aB-_x9Yc");
        let of_desk = path == "/api/ticket" || path.starts_with("/sign-");
        for method in METHODS {
            let house = if of_desk { &closed.house } else { &open };
            // Signed in, but not out by looking for the way.
            let headers = if of_desk && path != "/sign-out" { &[("Cookie", cookie.as_str())][..] } else { &[] };
            let answer = match (method, path.ends_with("/events") || path.ends_with("/stream")) {
                // Those go on for ever; a HEAD would too, so it is the wrong method there.
                ("get", true) => house.get(&format!("{path}?after=wrong")).await,
                _ => house.ask(&method.to_uppercase(), &path, headers, "").await,
            };
            let is_nothing = |answer: &Answer| answer.problem().1 == "not_found";
            let exists = answer.status != 405 && !(answer.status == 404 && is_nothing(&answer));
            assert_eq!(exists, operations.get(method).is_some(), "{method} {path}: {answer:?}");
        }
    }
    // The other direction: what the source puts at an address.
    let source = include_str!("../../src/api/mod.rs");
    let routed: BTreeSet<String> = source
        .split("only(\"")
        .chain(source.split("resource(\"").skip(1))
        .filter(|rest| rest.starts_with('/') && !rest.starts_with("//"))
        .map(|rest| format!("/api{}", rest.split('"').next().unwrap().replace(":[^/]*", "")))
        .collect();
    let described = paths(&description).map(|(path, _)| path.clone()).filter(|path| path.starts_with("/api/"));
    assert_eq!(routed, described.collect());
}

#[tokio::test]
async fn what_the_desk_answers_has_the_described_form() {
    let closed = Closed::open();
    let description = closed.house.json("/api/openapi.json").await;
    let cookie = closed.sign_in("kim").await;
    hold(&description, "get", "/sign-in", &closed.house.get("/sign-in").await);
    hold(&description, "post", "/sign-in", &closed.desk("kim", PASSWORD, &[]).await);
    hold(&description, "post", "/sign-in", &closed.desk("kim", "wrong password", &[]).await);
    for (cookie, status) in [(cookie.as_str(), 200), ("", 401)] {
        let answer = closed.ask("POST", "/api/ticket", cookie, "").await;
        assert_eq!(answer.status, status, "{answer:?}");
        hold(&description, "post", "/api/ticket", &answer);
    }
    let elsewhere = closed.house.ask("POST", "/sign-out", &[("Origin", "null")], "").await;
    for answer in [elsewhere, closed.ask("POST", "/sign-out", &cookie, "").await] {
        hold(&description, "post", "/sign-out", &answer);
    }
}

#[tokio::test]
async fn real_answers_have_the_described_form() {
    let house = House::open();
    let description = house.json("/api/openapi.json").await;
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    kim.say("hello").await;
    kim.ask(json!({ "type": "edit", "id": "e", "seq": 1, "text": "Hello" })).await;
    let gets = [
        ("/api/openapi.json", "/api/openapi.json"),
        ("/api/rooms", "/api/rooms"),
        ("/api/rooms/{room}/messages", "/api/rooms/dev/messages"),
        ("/api/rooms/{room}/messages", "/api/rooms/dev/messages?after=elsewhere:1"),
        ("/api/rooms/{room}/messages", "/api/rooms/dev/messages?before=2"),
        ("/api/rooms/{room}/messages", "/api/rooms/dev/messages?limit=900"),
        ("/api/rooms/{room}/messages", "/api/rooms/a%2Fb/messages"),
        ("/api/rooms/{room}/events", "/api/rooms/dev/events?last=900"),
        ("/api/rooms/{room}/stream", "/api/rooms/dev/stream?last=900"),
        ("/api/rooms/{room}/users", "/api/rooms/dev/users"),
        ("/api/rooms/{room}/search", "/api/rooms/dev/search?q=hello"),
        ("/api/rooms/{room}/search", "/api/rooms/dev/search"),
    ];
    for (path, asked) in gets {
        hold(&description, "get", path, &house.get(asked).await);
    }
    let messages = "/api/rooms/{room}/messages";
    let key = [("Idempotency-Key", "k"), ("Content-Type", "application/json")];
    for body in [r#"{"text":"x"}"#, r#"{"text":"x"}"#, r#"{"text":7}"#] {
        hold(&description, "post", messages, &house.ask("POST", "/api/rooms/dev/messages", &key, body).await);
    }
    for body in [r#"{"text":"x"}"#, "{"] {
        hold(
            &description,
            "post",
            "/api/rooms/{room}/hook",
            &house.ask("POST", "/api/rooms/dev/hook", &[], body).await,
        );
    }
    let begun = house.ask("POST", "/api/sessions", &[], r#"{"rooms":{"dev":{}}}"#).await;
    assert_eq!(begun.status, 201);
    hold(&description, "post", "/api/sessions", &begun);
    hold(&description, "post", "/api/sessions", &house.ask("POST", "/api/sessions", &[], "{").await);
    let secret = format!("Bearer {}", begun.json()["session"].as_str().unwrap());
    let at = begun.header("location");
    for (method, path, body) in
        [("get", "/events?wait=0", ""), ("post", "/commands", r#"[{"type":"ping"}]"#), ("delete", "", "")]
    {
        let described = format!("/api/sessions/{{user}}{}", path.split('?').next().unwrap());
        let target = format!("{at}{path}");
        let without = house.ask(&method.to_uppercase(), &target, &[], body).await;
        hold(&description, method, &described, &without);
        let with = house.ask(&method.to_uppercase(), &target, &[("Authorization", &secret)], body).await;
        assert!(with.status < 300, "{with:?}");
        hold(&description, method, &described, &with);
    }
}
