//! Saying one thing as one person: a connection for as long as that takes, which nobody in the room sees.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::{CloseCode, ErrorBody, ErrorCode, MessageId, Name, RoomName, SessionToken, close::Advice, limits};
use tokio::time::{Instant, sleep, timeout};

use super::{
    backoff::{Backoff, random},
    feed::{Feed, Stage, View},
    told::{Told, error_of, overloaded, signed_out},
    upstream::{self, Heard, Hearing, Speaking},
};
use crate::{accounts::Person, dial::Back};

/// How long is tried where back was lost before it answered.
const PATIENCE: Duration = Duration::from_secs(8);

/// Time for what need not be: to say goodbye, to hear of what was said.
const GOODBYE: Duration = Duration::from_secs(1);

/// Something that somebody says.
#[derive(Debug, Clone)]
pub struct Saying {
    /// Where.
    pub room: RoomName,
    /// What.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<u64>,
    /// Who.
    pub session: SessionToken,
    /// What they want to be called.
    pub name: Option<Name>,
    /// The key under which it is stored once.
    pub id: MessageId,
    /// From where, as far as that is known.
    pub from: Option<IpAddr>,
    /// Who signed in, where one has to.
    pub person: Option<Person>,
    /// Whether the session is shown beside that: it has to be theirs then.
    pub shows_session: bool,
}

impl Saying {
    /// Something that a guest says. The key counts together with room, name and text, so that strangers who choose the
    /// same one do not swallow each other's messages; without a key the guest is somebody new.
    ///
    /// # Errors
    /// `internal` when the system gives no random bytes.
    pub fn guest(
        room: RoomName,
        text: String,
        reply_to: Option<u64>,
        name: Option<Name>,
        id: Option<MessageId>,
        from: Option<IpAddr>,
    ) -> Result<Self, Box<ErrorBody>> {
        let (session, id) = match id {
            Some(id) => {
                let mut hash = Sha256::new();
                hash.update(b"madang guest");
                let name = name.as_ref().map_or("", Name::as_str);
                for part in [room.as_str(), name, id.as_str(), &text] {
                    // The length keeps two parts from reading like one.
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part.as_bytes());
                }
                (URL_SAFE_NO_PAD.encode(hash.finalize()), id)
            }
            None => (random_word()?, new_id()?),
        };
        let session = SessionToken::parse(&session).map_err(|_| no_word())?;
        Ok(Self { room, text, reply_to, session, name, id, from, person: None, shows_session: false })
    }
}

/// An `id` for what came without one.
///
/// # Errors
/// `internal` when the system gives no random bytes.
pub fn new_id() -> Result<MessageId, Box<ErrorBody>> {
    MessageId::parse(&random_word()?).map_err(|_| no_word())
}

fn random_word() -> Result<String, Box<ErrorBody>> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| no_word())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn no_word() -> Box<ErrorBody> {
    Box::new(ErrorBody::new(ErrorCode::Internal, "no identity could be made for this message"))
}

/// Says it, again where the connection was lost in between: it has the same `id` each time, and is stored once.
pub(super) async fn say(back: &Back, saying: &Saying) -> Result<Bytes, Box<ErrorBody>> {
    let Saying { room, text, reply_to, session, name, id, from, person, shows_session } = saying;
    let mut send = json!({ "type": "send", "id": id, "room": room, "text": text });
    if let Some(seq) = reply_to {
        send["reply_to"] = (*seq).into();
    }
    let send = send.to_string();
    if send.len() > limits::MESSAGE_BYTES {
        let error = ErrorBody::new(ErrorCode::TooBig, format!("the text has {} bytes", text.len())).field("text");
        return Err(Box::new(error.limit(limits::TEXT_BYTES as u64).hint("send it in parts")));
    }
    let mut hello = json!({ "type": "hello", "presence": false });
    if person.is_none() || *shows_session {
        hello["session"] = session.as_str().into();
    }
    if let Some(name) = name {
        hello["name"] = name.as_str().into();
    }
    // An `id` of its own, unlike the message's.
    let join = if id.as_str() == "join" { "join again" } else { "join" };
    let join_id = join;
    let join = json!({ "type": "join", "id": join, "room": room, "last": 0 });
    let mut lines = [String::new(), join.to_string(), send];

    let begun = Instant::now();
    let mut backoff = Backoff::default();
    let mut said = false;
    loop {
        match upstream::open(back, *from).await {
            Ok((mut speaking, mut hearing)) => {
                // A ticket is for one try. Whoever signed out meanwhile says nothing any more, and nothing as a guest.
                if let Some(person) = person {
                    match back.ticket_of(person) {
                        Some(ticket) => hello["ticket"] = ticket.into(),
                        None if said => return Err(in_doubt()),
                        None => return Err(signed_out()),
                    }
                }
                lines[0] = hello.to_string();
                let again = std::mem::replace(&mut said, true);
                let attempt = timeout(PATIENCE, attempt(&mut speaking, &mut hearing, &lines, join_id, id.as_str()));
                match attempt.await {
                    // It says of this attempt that nothing was stored, and knows nothing of the one before.
                    Ok(Some(Err(error))) if again && !is_about_the_message(error.code) => {}
                    Ok(Some(answer)) => {
                        tokio::spawn(goodbye(speaking, hearing));
                        return answer;
                    }
                    Ok(None) | Err(_) => {}
                }
            }
            // Nothing of it has left: there is no doubt about what was stored.
            Err(error) if !said => {
                tracing::debug!(%error, "back cannot be reached");
                return Err(error.problem());
            }
            Err(_) => {}
        }
        let pause = backoff.next(random());
        if begun.elapsed() + pause > PATIENCE {
            return Err(in_doubt());
        }
        sleep(pause).await;
    }
}

/// A try was begun, and nobody said how it ended.
fn in_doubt() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::Unavailable, "the chat server did not answer");
    let hint = "it is not known whether it was stored; send it again with the same Idempotency-Key";
    Box::new(error.retry_after_ms(1_000).hint(hint))
}

/// Whether the same message gets the same refusal at any time.
fn is_about_the_message(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::BadField | ErrorCode::BadName | ErrorCode::BadJson | ErrorCode::TooBig)
}

/// One connection's try; nothing when it was lost.
async fn attempt(
    speaking: &mut Speaking,
    hearing: &mut Hearing,
    lines: &[String],
    join: &str,
    id: &str,
) -> Option<Result<Bytes, Box<ErrorBody>>> {
    for line in lines {
        if speaking.say(line.clone()).await.is_err() {
            // Back may have said why it ended the connection.
            break;
        }
    }
    loop {
        let text = match hearing.hear().await {
            Heard::Text(text) => text,
            Heard::End(code) => return closed(code.map(|(code, _)| code)).map(Err),
        };
        let Ok(told) = serde_json::from_slice::<Told<'_>>(&text) else { continue };
        let about = told.id.as_deref();
        match &*told.kind {
            // Without an `id` it is about the hello, and nothing after it counts.
            "error" if about.is_none() || about == Some(join) || about == Some(id) => {
                return Some(Err(error_of(&text)));
            }
            "ok" if about == Some(id) => return Some(Ok(text)),
            _ => {}
        }
    }
}

/// What the end of a connection means for whoever wanted something of it; nothing when it is worth another try.
pub(super) fn closed(code: Option<u16>) -> Option<Box<ErrorBody>> {
    let code = CloseCode::ALL.iter().find(|known| Some(known.code()) == code)?;
    let text = format!("the chat server ended the connection: {}", code.word());
    let error = match code {
        CloseCode::Unauthorized | CloseCode::TicketExpired => ErrorBody::new(ErrorCode::Unauthorized, text),
        CloseCode::Forbidden | CloseCode::Kicked | CloseCode::Abuse => ErrorBody::new(ErrorCode::Forbidden, text),
        CloseCode::TooManyConnections | CloseCode::Overloaded => return Some(overloaded(&text)),
        code if code.advice() == Advice::DoNotReconnect => ErrorBody::new(ErrorCode::BadField, text),
        _ => return None,
    };
    Some(Box::new(error))
}

/// Whoever asks next should find what they have said: where this front reads the room, it has heard of it by then.
pub(super) async fn until_heard(ok: &Bytes, feed: &Feed) {
    let Ok(Told { epoch: Some(epoch), seq: Some(seq), .. }) = serde_json::from_slice(ok) else { return };
    let mut changes = feed.watch();
    let hearing = async {
        loop {
            changes.borrow_and_update();
            let View { stage, here, .. } = feed.look(u64::MAX);
            let heard = here.is_some_and(|here| here.epoch != epoch || here.top >= seq);
            if heard || !matches!(stage, Stage::Live) || changes.changed().await.is_err() {
                return;
            }
        }
    };
    // It is stored either way.
    let _ = timeout(GOODBYE, hearing).await;
}

async fn goodbye(mut speaking: Speaking, mut hearing: Hearing) {
    let ending = async {
        if speaking.say(r#"{"type":"quit"}"#.to_owned()).await.is_ok() {
            while let Heard::Text(_) = hearing.hear().await {}
        }
    };
    let _ = timeout(GOODBYE, ending).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(room: &str, text: &str, name: Option<&str>, id: Option<&str>) -> (String, String) {
        let room = RoomName::parse(room).unwrap();
        let (name, id) = (name.map(|name| Name::parse(name).unwrap()), id.map(|id| MessageId::parse(id).unwrap()));
        let saying = Saying::guest(room, text.to_owned(), None, name, id, None).unwrap();
        (saying.session.as_str().to_owned(), saying.id.as_str().to_owned())
    }

    #[test]
    fn a_guests_key_counts_together_with_room_name_and_text() {
        let one = guest("a", "x", Some("kim"), Some("1"));
        assert_eq!(one, guest("a", "x", Some("kim"), Some("1")));
        for other in [
            guest("b", "x", Some("kim"), Some("1")),
            guest("a", "y", Some("kim"), Some("1")),
            guest("a", "x", Some("lee"), Some("1")),
            guest("a", "x", None, Some("1")),
            guest("a", "x", Some("kim"), Some("2")),
            guest("a", "1x", Some("kim"), Some("1")),
        ] {
            assert_ne!(one.0, other.0);
        }
        assert_ne!(guest("a", "x", None, None), guest("a", "x", None, None));
    }

    #[test]
    fn some_ends_are_answers_and_some_are_worth_another_try() {
        assert_eq!(closed(None), None);
        assert_eq!(closed(Some(4200)), None);
        assert_eq!(closed(Some(4001)).unwrap().code, ErrorCode::Unauthorized);
        assert_eq!(closed(Some(4100)).unwrap().code, ErrorCode::Overloaded);
    }
}
