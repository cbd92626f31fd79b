//! Saying something with one request.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data, Payload},
};
use serde::Deserialize;
use serde_json::Value;
use shared::{ClientMessage, ErrorBody, ErrorCode, MessageId, Name, NameError, RoomName, limits};

use super::asked;
use crate::{
    asked::query,
    bridge::{Bridge, Saying, new_id},
    problem::Problem,
    visitor::counted,
};

/// What somebody wants to say.
struct Said {
    text: String,
    name: Option<Name>,
    id: Option<MessageId>,
    reply_to: Option<u64>,
}

/// `POST …/messages`.
pub(super) async fn post(
    request: HttpRequest,
    payload: Payload,
    bridge: Data<Bridge>,
) -> Result<HttpResponse, Problem> {
    let room = asked::room(&request)?;
    let speaker = asked::speaker(&request)?;
    let key = key(&request)?;
    // Before the body is read: whoever is slow holds a place, and nothing else.
    let place = bridge.post(counted(&request))?;
    let body = asked::body(payload, limits::MESSAGE_BYTES).await?;
    let said = match asked::media_type(&request).as_str() {
        "" | "text/plain" | "application/x-www-form-urlencoded" => plain(&request, &body)?,
        "application/json" => json(&body)?,
        other => {
            let text = "the body must be text/plain, application/json, or what curl -d sends";
            return Err(Problem::field("Content-Type", text).got(other).into());
        }
    };
    let id = match (said.id, key) {
        (Some(id), Some(key)) if id != key => {
            let text = "id and Idempotency-Key are two different keys";
            return Err(Problem::field("id", text).got(id.as_str()).hint("give one of them").into());
        }
        (id, key) => id.or(key),
    };
    let (from, person) = (asked::address(&request), asked::person(&request));
    let saying = match speaker {
        Some(session) => {
            let id = id.map_or_else(new_id, Ok)?;
            let (text, reply_to, name) = (said.text, said.reply_to, said.name);
            Saying { room, text, reply_to, session, name, id, from, person, shows_session: true }
        }
        None => Saying { person, ..Saying::guest(room, said.text, said.reply_to, said.name, id, from)? },
    };
    Ok(stored(&bridge.say(place, saying).await?))
}

/// The `ok` as an answer.
fn stored(ok: &Bytes) -> HttpResponse {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(default)]
        duplicate: bool,
    }
    let duplicate = serde_json::from_slice(ok).is_ok_and(|Stored { duplicate }| duplicate);
    let status = if duplicate { StatusCode::OK } else { StatusCode::CREATED };
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(ok.clone())
}

/// The key under which it is stored once, where the header gives one.
fn key(request: &HttpRequest) -> Result<Option<MessageId>, Problem> {
    let mut keys = request.headers().get_all("idempotency-key");
    let Some(key) = keys.next() else { return Ok(None) };
    let text = key.to_str().unwrap_or_default();
    match MessageId::parse(text) {
        Ok(id) if keys.next().is_none() => Ok(Some(id)),
        Ok(_) => Err(Problem::field("Idempotency-Key", "there is more than one Idempotency-Key").into()),
        Err(error) => Err(Problem::field("Idempotency-Key", format!("Idempotency-Key: {error}")).got(text).into()),
    }
}

/// The body is the text.
fn plain(request: &HttpRequest, body: &Bytes) -> Result<Said, Problem> {
    let text = asked::text(body)?.to_owned();
    let name = query(request, "name").map(|name| named(&name)).transpose()?;
    Ok(Said { text, name, id: None, reply_to: None })
}

fn json(body: &Bytes) -> Result<Said, Problem> {
    let mut fields = asked::object(body)?;
    let name = match fields.remove("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(named(&name)?),
        Some(other) => {
            let error = ErrorBody::new(ErrorCode::BadName, "name must be a string").field("name");
            return Err(error.got(&other.to_string()).into());
        }
    };
    // The path names the room. For the rest it is a `send`, and refused as one.
    fields.remove("room");
    fields.insert("type".to_owned(), "send".into());
    match ClientMessage::parse(&Value::Object(fields).to_string())? {
        ClientMessage::Send { id, text, reply_to, room: _ } => Ok(Said { text, name, id, reply_to }),
        _ => Err(ErrorBody::new(ErrorCode::BadJson, "the body is not what is said").into()),
    }
}

/// A person's name.
pub(super) fn named(name: &str) -> Result<Name, Problem> {
    Name::parse(name).map_err(|error: NameError| {
        let body = ErrorBody::new(ErrorCode::BadName, format!("name: {error}")).field("name").got(name);
        match error.limit() {
            Some(limit) => body.limit(limit as u64).into(),
            None => body.into(),
        }
    })
}

/// What a guest says without a key.
pub(super) fn by_guest(
    request: &HttpRequest,
    room: RoomName,
    text: String,
    name: Option<Name>,
) -> Result<Saying, Problem> {
    let saying = Saying::guest(room, text, None, name, None, asked::address(request))?;
    Ok(Saying { person: asked::person(request), ..saying })
}
