//! How one signs in and out, and what is open to whoever did: requests and answers around `accounts`.

mod attempts;
pub(crate) mod beside;
mod cookie;
pub(crate) mod desk;
mod doors;
mod guard;
pub(crate) mod invited;
mod until;

pub(crate) use doors::Doors;
pub(crate) use guard::guard;
