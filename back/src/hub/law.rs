//! What moderators imposed, and how it reaches those who are here: history has stored it when it comes to this.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use shared::{CloseCode, Name, OkBody, SanctionKind, ServerMessage, UserId};

use super::{outlet::Farewell, people::People};
use crate::{
    history::unix_ms,
    moderation::{Address, Sanction, Sanctions},
};

/// Bans and mutes.
#[derive(Default)]
pub struct Law {
    sanctions: Mutex<Sanctions>,
    /// How many there are: mostly none, and everybody who speaks looks.
    count: AtomicUsize,
}

impl Law {
    fn change<T>(&self, change: impl FnOnce(&mut Sanctions) -> T) -> T {
        let mut sanctions = self.sanctions();
        let done = change(&mut sanctions);
        self.count.store(sanctions.len(), Ordering::Release);
        done
    }

    fn sanctions(&self) -> MutexGuard<'_, Sanctions> {
        self.sanctions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Puts in force what was stored before the process began.
    pub fn load(&self, stored: Vec<Sanction>) {
        self.change(|sanctions| stored.into_iter().for_each(|sanction| sanctions.impose(Arc::new(sanction))));
    }

    /// Forgets what is over.
    pub fn sweep(&self) {
        if self.count() > 0 {
            self.change(|sanctions| sanctions.sweep(unix_ms()));
        }
    }

    /// What is in force.
    pub fn list(&self) -> Vec<shared::Sanction> {
        self.sanctions().list(unix_ms())
    }

    /// What keeps somebody from speaking.
    pub fn mute_of(&self, user: &UserId) -> Option<Arc<Sanction>> {
        if self.count() == 0 {
            return None;
        }
        self.sanctions().mute_of(user, unix_ms()).cloned()
    }

    /// What keeps somebody, or whoever comes from there, from coming in.
    pub fn ban_of(&self, user: Option<&UserId>, address: Option<Address>) -> Option<Arc<Sanction>> {
        if self.count() == 0 {
            return None;
        }
        self.sanctions().ban_of(user, address, unix_ms()).cloned()
    }

    /// Puts something in force, and lets it reach whom it is against. It stands before they are looked for: who comes in
    /// between finds it.
    pub(super) fn impose(&self, people: &People, sanction: &Arc<Sanction>) -> OkBody {
        self.change(|sanctions| sanctions.impose(Arc::clone(sanction)));
        let until = Some(sanction.until);
        match sanction.kind {
            SanctionKind::Ban => {
                let connections = people.dismiss(&sanction.user, &sanction.addresses, &farewell(sanction));
                OkBody::Sanctioned { connections, until, addresses: Some(sanction.addresses.len()) }
            }
            SanctionKind::Mute => {
                let connections = people.tell(&sanction.user, &sanction.told(unix_ms()));
                OkBody::Sanctioned { connections, until, addresses: None }
            }
        }
    }

    /// Lifts what is in force against somebody; who could not speak is told.
    pub(super) fn pardon(&self, people: &People, user: &UserId, by: &Name) {
        let muted = self.change(|sanctions| {
            sanctions.end(user, SanctionKind::Ban);
            sanctions.end(user, SanctionKind::Mute)
        });
        if muted.is_some_and(|mute| mute.left_ms(unix_ms()) > 0) {
            people.tell(user, &ServerMessage::Unmuted { by: by.clone() });
        }
    }
}

/// How somebody is told of a ban who is here, or comes.
pub fn farewell(ban: &Sanction) -> Farewell {
    Farewell {
        code: CloseCode::Forbidden,
        retry_after_ms: Some(ban.left_ms(unix_ms())),
        text: ban.reason.clone(),
        by: Some(ban.by.clone()),
    }
}
