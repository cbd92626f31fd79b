//! Slack's incoming webhook: programs that can speak to it can speak to a room. Its answers are Slack's too, in text.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::StatusCode,
    web::{Data, Payload},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use shared::{ErrorCode, Name, limits};

use super::{asked, post::by_guest};
use crate::{bridge::Bridge, problem::Problem, visitor::counted};

/// What Slack calls a payload, as far as it is understood here.
#[derive(Deserialize)]
struct Hook {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    username: Option<String>,
}

/// `POST …/hook`.
pub(super) async fn post(request: HttpRequest, payload: Payload, bridge: Data<Bridge>) -> HttpResponse {
    match say(&request, payload, &bridge).await {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(problem) => {
            let word = match problem.code() {
                ErrorCode::BadJson => "invalid_payload".to_owned(),
                // The text is all that can be wrong then.
                ErrorCode::BadField => "no_text".to_owned(),
                code => {
                    serde_json::to_value(code).ok().and_then(|code| Some(code.as_str()?.to_owned())).unwrap_or_default()
                }
            };
            let mut answer = text(problem.status_code(), &word);
            // When to come back stays said.
            let headers = problem.error_response().headers().clone();
            if let Some(after) = headers.get(actix_web::http::header::RETRY_AFTER) {
                answer.headers_mut().insert(actix_web::http::header::RETRY_AFTER, after.clone());
            }
            answer
        }
    }
}

fn text(status: StatusCode, word: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(word.to_owned())
}

async fn say(request: &HttpRequest, payload: Payload, bridge: &Bridge) -> Result<(), Problem> {
    let room = asked::room(request)?;
    let place = bridge.post(counted(request))?;
    let body = asked::body(payload, limits::MESSAGE_BYTES).await?;
    let invalid = || Problem::from(shared::ErrorBody::new(ErrorCode::BadJson, "no payload"));
    let whole = asked::text(&body)?;
    let json =
        if asked::media_type(request) == "application/x-www-form-urlencoded" && !whole.trim_start().starts_with('{') {
            let field = whole.split('&').find_map(|pair| pair.strip_prefix("payload=")).ok_or_else(invalid)?;
            percent_decode_str(&field.replace('+', " ")).decode_utf8().map_err(|_| invalid())?.into_owned()
        } else {
            whole.to_owned()
        };
    let Hook { text, username } = serde_json::from_str(&json).map_err(|_| invalid())?;
    let text = text.map(|text| as_text(&text)).filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Problem::field("text", "there is nothing to say"))?;
    // A name that cannot be one here is no reason to lose what was said.
    let name = username.and_then(|name| Name::parse(&name).ok());
    bridge.say(place, by_guest(request, room, text, name)?).await?;
    Ok(())
}

/// Slack's markup as text: `<url|label>` becomes `label (url)`, `<!here>` `@here`, `<#id|name>` `#name`, and the three
/// escapes what they stand for.
fn as_text(markup: &str) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((inner, behind)) = after.split_once('>') else {
            // Nothing closes any more: a search for each `<` that is left would take their square.
            text.push('<');
            rest = after;
            break;
        };
        let (target, label) = inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
        match (target.split_at_checked(1), label) {
            (Some(("!" | "@", _)), Some(label)) => text.push_str(&format!("@{}", label.trim_start_matches('@'))),
            (Some(("!" | "@", word)), None) => text.push_str(&format!("@{word}")),
            (Some(("#", _)), Some(label)) => text.push_str(&format!("#{label}")),
            (_, Some(label)) if label != target => text.push_str(&format!("{label} ({target})")),
            _ => text.push_str(target),
        }
        rest = behind;
    }
    text.push_str(rest);
    // `&amp;` last: what it brings forth is no escape.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slacks_markup_becomes_text() {
        for (markup, text) in [
            ("Hello", "Hello"),
            ("build <https://ci.example/1|#1> failed", "build #1 (https://ci.example/1) failed"),
            ("see <https://ci.example/1>", "see https://ci.example/1"),
            ("<!here> <!subteam^S1|@ops> <@U123> <#C1|dev>", "@here @ops @U123 #dev"),
            ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
            ("1 < 2", "1 < 2"),
            ("<|>", "<|>".trim_matches(['<', '>']).trim_matches('|')),
            ("<", "<"),
            ("<b> << a < b", "b << a < b"),
        ] {
            assert_eq!(as_text(markup), text, "{markup}");
        }
    }
}
