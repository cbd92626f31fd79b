//! What Madang's two processes need from the machine they run on: certificates, signals, the log, and what they tell of
//! themselves. It knows neither pages nor chat. The words that both speak are in `shared`, which is pure and does not
//! depend on this.

pub mod bucket;
pub mod descriptors;
pub mod drain;
pub mod exposure;
pub mod kept;
pub mod live;
pub mod log;
pub mod metrics;
pub mod ops;
pub mod private;
pub mod process;
pub mod refused;
pub mod secret;
pub mod settings;
pub mod signals;
pub mod supervisor;
pub mod tls;
pub mod visitors;
