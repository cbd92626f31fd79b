//! In place of `jwt.rs`, where the feature is off: there are no such keys.

use shared::{Ticket, TicketError};

/// What an operator cannot say.
#[derive(Debug, Clone)]
pub enum Settings {}

/// What cannot fail.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {}

/// A key that nobody has.
#[derive(Debug)]
pub enum JwtKey {}

impl JwtKey {
    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn read(settings: &Settings) -> Result<Self, JwtError> {
        match *settings {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn open(&self, _text: &str, _now: u64) -> Result<Ticket, TicketError> {
        match *self {}
    }
}
