//! Who asks, and how: address, scheme and host as they were at the first proxy that is trusted. It knows the headers that
//! proxies write, and nothing of pages.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{HttpMessage, HttpRequest, dev::ServiceRequest, http::header, web::Data};
use service::live::Live;
use shared::{
    Address, TrustedProxies,
    origin::{self, AllowedOrigin},
};

use crate::{
    base::BasePath,
    host::{BackUrl, Host},
};

/// The header of addresses, one for each proxy on the way.
pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";
/// The header of the scheme at the first proxy.
pub(crate) const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The header of the host that was asked for at the first proxy.
pub(crate) const FORWARDED_HOST: &str = "x-forwarded-host";

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The address of the browser, as far as it is known.
    pub(crate) address: IpAddr,
    /// Whether the browser asked over TLS.
    pub(crate) secure: bool,
    /// The host that the browser asked for.
    pub(crate) host: Host,
    /// Whether this server goes by that name. Whoever asked for another may be somebody else's page, and reads no room.
    pub(crate) expected: bool,
}

/// What has to be known to tell.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    /// Whether connections here are over TLS.
    pub(crate) tls: bool,
    /// Proxies whose word counts.
    pub(crate) trusted: Live<TrustedProxies>,
    /// Where browsers find the chat server, if somebody said so.
    pub(crate) public: Option<BackUrl>,
    /// Whether they find it on this server's own port.
    pub(crate) same_port: bool,
    /// The path under which this server's addresses are.
    pub(crate) base: BasePath,
    /// Origins that the operator listed; their hosts are names of this server.
    pub(crate) origins: Live<Vec<AllowedOrigin>>,
}

impl Gate {
    /// Who asks; nothing when a host that counts is missing, repeated or malformed.
    pub(crate) fn visitor(&self, request: &ServiceRequest) -> Option<Visitor> {
        let mut hosts = request.headers().get_all(header::HOST);
        let host = Host::parse(hosts.next()?.to_str().ok()?).ok()?;
        if hosts.next().is_some() {
            return None;
        }
        let secure = self.tls;
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let trusted = self.trusted.now();
        if !trusted.trusts(peer) {
            return Some(self.met(peer.to_canonical(), secure, host, true));
        }
        // What a client wrote before a proxy's entry need not be text.
        let hops: Vec<&[u8]> = request.headers().get_all(FORWARDED_FOR).map(|value| value.as_bytes()).collect();
        let secure = last(request, FORWARDED_PROTO).map_or(Some(secure), |scheme| match scheme {
            "https" | "wss" => Some(true),
            "http" | "ws" => Some(false),
            _ => None,
        })?;
        // A page under somebody else's name, in a browser on a proxy's machine, writes such headers too, but not `Host`.
        let expected = self.is_ours(&host);
        let host = last(request, FORWARDED_HOST).map_or(Some(host), |forwarded| Host::parse(forwarded).ok())?;
        Some(self.met(trusted.client(peer, hops.into_iter()), secure, host, expected))
    }

    fn is_ours(&self, host: &Host) -> bool {
        origin::is_known_host(&host.to_string(), &self.origins.now())
    }

    fn met(&self, address: IpAddr, secure: bool, host: Host, expected: bool) -> Visitor {
        let expected = expected && self.is_ours(&host);
        Visitor { address, secure, host, expected }
    }

    /// Where this visitor's browser finds the chat server.
    pub(crate) fn back(&self, visitor: &Visitor) -> BackUrl {
        match &self.public {
            Some(public) => public.clone(),
            None if self.same_port => BackUrl::relayed(visitor.secure, &visitor.host, &self.base),
            None => BackUrl::beside(visitor.secure, &visitor.host),
        }
    }
}

/// The last entry of a list: the one that the nearest proxy wrote. Those before it may be anybody's.
fn last<'a>(request: &'a ServiceRequest, name: &str) -> Option<&'a str> {
    let line = request.headers().get_all(name).last()?;
    // What cannot be read is no scheme and no host.
    line.to_str().unwrap_or("").rsplit(',').next().map(str::trim)
}

/// From where a request came, where that has limits: not for this machine, and not for a proxy that names nobody.
pub(crate) fn counted(request: &HttpRequest) -> Option<Address> {
    let address = request.extensions().get::<Visitor>()?.address;
    let is_proxy = request.app_data::<Data<Gate>>().is_some_and(|gate| gate.trusted.now().trusts(address));
    Address::of(address).filter(|_| !is_proxy)
}
