//! What moderators do, and how it is known that they are.

use std::sync::Arc;

use shared::{
    CloseCode, ErrorBody, ErrorCode, MessageId, ModeratorSecret, Name, OkBody, SanctionKind, Sentence, UserId,
};

use super::{Later, Talk, Yard};
use crate::{
    history::{Change, Draft, Says, Unavailable, unix_ms},
    hub::{Farewell, Room, unavailable},
    moderation::{Hash, MOST, Sanction, hash_of},
    session::Order,
};

/// Wrong secrets on one connection, which then ends with 4007. Nobody guesses 128 bits; each try costs a look.
const WRONG_SECRETS: u32 = 5;

/// What a connection showed to be a moderator's.
#[derive(Default)]
pub(super) struct Badge {
    hash: Option<Box<Hash>>,
    /// Secrets that were none.
    wrong: u32,
}

impl Badge {
    /// Looks at a secret: the badge, whose it is, and what is wrong with it.
    pub(super) async fn shown(yard: &Yard, secret: &ModeratorSecret) -> (Self, Option<Name>, Option<Box<ErrorBody>>) {
        let mut badge = Self::default();
        match badge.show(yard, secret).await {
            Ok(name) => (badge, Some(name), None),
            Err(error) => (badge, None, Some(error)),
        }
    }

    async fn show(&mut self, yard: &Yard, secret: &ModeratorSecret) -> Result<Name, Box<ErrorBody>> {
        let hash = hash_of(secret);
        match yard.moderator(hash).await.map_err(unavailable)? {
            Some(name) => {
                self.hash = Some(Box::new(hash));
                Ok(name)
            }
            None => {
                self.hash = None;
                self.wrong += 1;
                let error = ErrorBody::new(ErrorCode::Unauthorized, "this is no moderator's secret");
                Err(Box::new(error.field("secret").hint("the operator makes one with `back moderator add NAME`")))
            }
        }
    }

    /// Whether a draft is another thing when a moderator says it.
    pub(super) fn is_asked_for(&self, draft: &Draft, room: Option<&Arc<Room>>) -> bool {
        self.hash.is_some()
            && match draft.says {
                Says::Delete { .. } => true,
                Says::Text { .. } => room.is_some_and(|room| room.is_slow()),
                Says::Edit { .. } | Says::Remove { .. } => false,
            }
    }
}

impl Yard {
    /// The moderator whose secret hashes to this, as it is now.
    async fn moderator(&self, hash: Hash) -> Result<Option<Name>, Unavailable> {
        match self.moderators.now().iter().find(|known| known.hash == hash) {
            Some(known) => Ok(Some(known.name.clone())),
            None => self.hub.history().moderator(hash).await,
        }
    }
}

impl Talk {
    /// Somebody shows a secret.
    pub(super) async fn claim(&mut self, id: MessageId, secret: &ModeratorSecret) {
        let shown = self.badge.show(&self.yard, secret).await;
        self.registration.moderates(shown.is_ok());
        match shown {
            Ok(name) => {
                tracing::info!(conn = self.outlet.connection(), moderator = %name, "a moderator came");
                self.ok(Some(id), OkBody::Named { name });
            }
            Err(error) => {
                self.error(Some(id), *error);
                if self.badge.wrong >= WRONG_SECRETS {
                    self.outlet.close(CloseCode::Abuse, None);
                }
            }
        }
    }

    /// The moderator who speaks. It is looked up each time: who was removed is none from then on.
    async fn vouch(&mut self) -> Result<Name, Box<ErrorBody>> {
        let forbidden = |text: &str| {
            let error = ErrorBody::new(ErrorCode::Forbidden, text);
            Box::new(error.hint(r#"prove it first: {"type":"moderator","id":"1","secret":"…"}"#))
        };
        let Some(hash) = &self.badge.hash else { return Err(forbidden("only a moderator may do that")) };
        match self.yard.moderator(**hash).await {
            Ok(Some(name)) => Ok(name),
            Ok(None) => {
                self.badge.hash = None;
                self.registration.moderates(false);
                Err(forbidden("you are no moderator any more"))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Says what a moderator may say otherwise than others: somebody else's message is taken back, and a slowed room is
    /// as fast as any.
    pub(super) async fn say_as_moderator(&mut self, mut draft: Box<Draft>) {
        let later = match self.vouch().await {
            Ok(_) => {
                if let Says::Delete { seq } = draft.says {
                    draft.says = Says::Remove { seq };
                }
                self.say_now(draft)
            }
            Err(error) if error.code == ErrorCode::Forbidden => self.say_in_turn(draft),
            Err(error) => return self.error(draft.id, *error),
        };
        match later {
            Some(Later::Append(append)) => self.append_in_turn(append).await,
            Some(Later::Say(room, draft)) => self.say_when_delivered(&room, *draft).await,
            Some(Later::Act(_) | Later::Vouch(_)) | None => {}
        }
    }

    /// Does what a moderator wants, or says why not.
    pub(super) async fn moderate(&mut self, id: Option<MessageId>, order: Order) {
        let by = match self.vouch().await {
            Ok(by) => by,
            Err(error) => return self.error(id, *error),
        };
        if order.user() == Some(&self.session.person().user) {
            let error = ErrorBody::new(ErrorCode::BadField, "that is you yourself").field("user");
            return self.error(id, error);
        }
        // Without the words: they are for the one whom it is about.
        let conn = self.outlet.connection();
        match &order {
            Order::Sanctions => {}
            Order::Kick(user, _) => tracing::info!(conn, moderator = %by, %user, "a moderator sends somebody away"),
            Order::Ban { user, seconds, address, .. } => {
                tracing::info!(conn, moderator = %by, %user, seconds, address, "a moderator shuts somebody out");
            }
            Order::Mute { user, seconds, .. } => {
                tracing::info!(conn, moderator = %by, %user, seconds, "a moderator silences somebody");
            }
            Order::Pardon(user) => tracing::info!(conn, moderator = %by, %user, "a moderator pardons somebody"),
            Order::Slow(room, seconds) => {
                tracing::info!(conn, moderator = %by, %room, seconds, "a moderator sets a room's pace");
            }
            Order::Topic(room, _) => tracing::info!(conn, moderator = %by, %room, "a moderator sets a topic"),
        }
        let change = match order {
            Order::Kick(user, text) => {
                let farewell = Farewell { code: CloseCode::Kicked, retry_after_ms: None, text, by: Some(by) };
                let connections = self.yard.hub.people().dismiss(&user, &[], &farewell);
                return self.ok(id, OkBody::Sanctioned { connections, until: None, addresses: None });
            }
            Order::Sanctions => return self.ok(id, OkBody::Sanctions { sanctions: self.yard.hub.law().list() }),
            Order::Ban { .. } | Order::Mute { .. } if self.yard.hub.law().count() >= MOST => {
                let error = ErrorBody::new(ErrorCode::Overloaded, "as many bans and mutes are in force as may be");
                return self.error(id, error.limit(MOST as u64).hint("pardon somebody"));
            }
            Order::Ban { user, seconds, reason, address } => {
                let mut ban = self.sanction(SanctionKind::Ban, user, seconds, reason, by).await;
                if address {
                    ban.addresses = self.yard.hub.people().addresses_of(&ban.user);
                }
                Change::Impose(Arc::new(ban))
            }
            Order::Mute { user, seconds, reason } => {
                Change::Impose(Arc::new(self.sanction(SanctionKind::Mute, user, seconds, reason, by).await))
            }
            Order::Pardon(user) => Change::Pardon { user, by },
            Order::Slow(room, seconds) => Change::Set { room, topic: None, slow: Some(seconds), by },
            Order::Topic(room, text) => Change::Set { room, topic: Some(text), slow: None, by },
        };
        if let Some(append) = self.append(id, change) {
            self.append_in_turn(append).await;
        }
    }

    async fn sanction(
        &self,
        kind: SanctionKind,
        user: UserId,
        seconds: u64,
        reason: Option<Sentence>,
        by: Name,
    ) -> Sanction {
        let hub = &self.yard.hub;
        let name = match hub.people().name_of(&user) {
            Some(name) => Some(name),
            // What they are called is for people; a history that cannot be read is no reason not to act.
            None => hub.history().name(&user).await.ok().flatten(),
        };
        let name = name.unwrap_or_else(|| Name::guest(&user));
        let until = unix_ms().saturating_add(seconds.saturating_mul(1_000));
        Sanction { kind, user, name, until, reason, by, addresses: Vec::new() }
    }
}
