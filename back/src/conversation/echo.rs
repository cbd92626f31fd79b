//! `/echo`: every message comes back. Who sends faster than clients may ask is heard later, and told nothing: an error for
//! each message would cost what its echo does.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use service::bucket::Bucket;

use super::{Rest, Yard};
use crate::{
    hub::{Outlet, Registration},
    limits,
    metrics::{Limit, Metrics},
};

/// One who is echoed.
pub struct Echo {
    /// Dropping it takes the connection out of the registry.
    _registration: Registration,
    requests: Bucket,
    metrics: Arc<Metrics>,
}

impl Echo {
    /// Somebody new.
    pub fn new(yard: &Yard, registration: Registration) -> Self {
        let requests = limits::requests(&yard.limits.rates, registration.visit().is_some());
        Self { _registration: registration, requests, metrics: Arc::clone(yard.hub.metrics()) }
    }

    /// Sends a message back; what is left is to wait before the next one is read.
    pub fn hear(&mut self, outlet: &Outlet, frames: Bytes) -> Option<Rest<'_>> {
        outlet.push(frames);
        let wait = self.requests.take(Instant::now()).err()?;
        self.metrics.hit(Limit::RequestsPerSecond);
        Some(Box::pin(async move {
            tokio::time::sleep(wait).await;
            while let Err(wait) = self.requests.take(Instant::now()) {
                tokio::time::sleep(wait).await;
            }
        }))
    }
}
