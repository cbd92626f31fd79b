//! Lists: the rooms, the people of a room, and what is found in it.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use shared::{ErrorBody, ErrorCode, RoomName, UserId, limits};

use super::{asked, messages::answer_with_page};
use crate::{
    asked::{query, sight_of},
    bridge::{Bridge, Page},
    problem::Problem,
    visitor::counted,
};

/// `GET /api/rooms`.
pub(super) async fn rooms(request: HttpRequest, bridge: Data<Bridge>) -> Result<HttpResponse, Problem> {
    bridge.may_ask(counted(&request))?;
    let sight = sight_of(&request);
    let mut fields = fields(&bridge.ask(None, json!({ "type": "rooms" })).await?)?;
    if let Some(Value::Array(rooms)) = fields.get_mut("rooms") {
        let seen = |room: &Value| RoomName::parse(room["room"].as_str()?).ok().filter(|room| sight.covers(room));
        rooms.retain(|room| seen(room).is_some());
    }
    Ok(answer(fields))
}

/// `GET …/users`.
pub(super) async fn users(request: HttpRequest, bridge: Data<Bridge>) -> Result<HttpResponse, Problem> {
    let room = asked::room(&request)?;
    let mut question = json!({ "type": "who", "room": room });
    if let Some(after) = query(&request, "after") {
        let after =
            UserId::parse(&after).map_err(|error| Problem::field("after", format!("after: {error}")).got(&after))?;
        question["after"] = after.as_str().into();
    }
    bridge.may_ask(counted(&request))?;
    Ok(answer(fields(&bridge.ask(Some(&room), question).await?)?))
}

/// `GET …/search`.
pub(super) async fn search(request: HttpRequest, bridge: Data<Bridge>) -> Result<HttpResponse, Problem> {
    let room = asked::room(&request)?;
    let text = query(&request, "q").unwrap_or_default();
    let mut question = json!({ "type": "search", "room": room, "text": text });
    question["limit"] = asked::limit(&request, limits::DEFAULT_LAST)?.into();
    if let Some(before) = asked::number(&request, "before", limits::MAX_SAFE_INTEGER)? {
        question["before"] = before.into();
    }
    let from = counted(&request);
    bridge.may_ask(from)?;
    let page = bridge.search(from, question).await.map_err(|mut error| {
        // It is called otherwise here.
        if error.field.as_deref() == Some("text") {
            error.field = Some("q".to_owned());
        }
        error
    })?;
    Ok(answer_with_page(&room, &Page::read(&page)?))
}

/// The fields of an `ok` without those of the socket.
fn fields(ok: &Bytes) -> Result<Map<String, Value>, Problem> {
    let mut fields: Map<String, Value> = serde_json::from_slice(ok)
        .map_err(|_| ErrorBody::new(ErrorCode::Internal, "the chat server's answer could not be read"))?;
    fields.remove("type");
    fields.remove("id");
    Ok(fields)
}

fn answer(fields: Map<String, Value>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(Value::Object(fields).to_string())
}
