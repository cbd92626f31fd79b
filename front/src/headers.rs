//! The headers of every answer, and the check of `Host` that they rest on. It knows nothing of pages: what it found out
//! about the request travels in the request's extensions.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use shared::ErrorCode;

use crate::{
    ahead::Ahead,
    bridge::Bridge,
    detach::detach,
    host::BackUrl,
    metrics::{Kind, Metrics},
    pages::Pages,
    visitor::Gate,
};

/// Everything that a page may load or talk to, with the places of the chat server and of frames left open.
const POLICY: [&str; 3] = [
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; manifest-src 'self'; connect-src 'self'",
    "; base-uri 'none'; form-action 'self'",
    "; require-trusted-types-for 'script'",
];

/// The policy of everything that is no page: it loads nothing, wherever it is opened.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What a page has to do with frames. A handler says it in the extensions of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: it has none and stands in none.
    Apart,
    /// It has frames of this server.
    Frames,
    /// It may stand in a frame of this server.
    Framed,
}

impl Framing {
    fn policy(self) -> &'static str {
        match self {
            Self::Apart => "; frame-ancestors 'none'",
            Self::Frames => "; frame-src 'self'; frame-ancestors 'none'",
            Self::Framed => "; frame-ancestors 'self'",
        }
    }
}

/// The content security policy of an answer whose page talks to `back`.
pub fn policy(back: Option<&BackUrl>, framing: Framing) -> String {
    let [before, after, end] = POLICY;
    let back = back.map(|back| format!(" {}", back.source())).unwrap_or_default();
    format!("{before}{back}{after}{}{end}", framing.policy())
}

/// Refuses a request without exactly one well-formed `Host`, tells the handlers who asks and where that browser finds
/// the chat server, and puts the headers on whatever they answer.
pub(crate) async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let ahead = request.request().conn_data::<Ahead>().cloned();
    if let Some(ahead) = &ahead {
        ahead.answered();
    }
    let in_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
    detach(request.headers_mut());
    let is_old = request.version() < Version::HTTP_11;
    if is_old {
        // A compressed answer has no known length, and HTTP/1.0, which w3m speaks, has no chunks to send it in.
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let known = request.app_data::<web::Data<Gate>>().and_then(|gate| {
        let visitor = gate.visitor(&request)?;
        Some((gate.back(&visitor), visitor))
    });
    let back = known.as_ref().map(|(back, _)| back.clone());
    let counted = counted(&request);
    let response = match known {
        Some((back, visitor)) => {
            request.extensions_mut().insert(back);
            request.extensions_mut().insert(visitor);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        None => {
            let refusal = HttpResponse::BadRequest()
                .content_type("text/plain; charset=utf-8")
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body("The Host header must be one host name or address, with an optional port.\n");
            Ok(request.into_response(refusal).map_into_right_body())
        }
    };
    if let Some(ahead) = ahead.filter(|_| in_chunks) {
        ahead.is_over();
        // What came of a body that is not read any more fills actix's buffer, and it looks there again only now: else the
        // connection is never read again, nor closed.
        tokio::task::yield_now().await;
    }
    let mut response = response?;
    if is_old {
        // Where an answer has no length, its end is the connection's.
        response.response_mut().head_mut().no_chunking(true);
    }
    if let Some((metrics, kind)) = counted {
        metrics.answered(kind, response.status().as_u16());
        if let Some(code) = response.response().extensions().get::<ErrorCode>() {
            metrics.refused(*code);
        }
    }
    // What follows this answer is no page.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let is_page =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let framing = response.response().extensions().get::<Framing>().copied().unwrap_or(Framing::Apart);
        let policy = if is_page { Cow::Owned(policy(back.as_ref(), framing)) } else { Cow::Borrowed(DATA_POLICY) };
        put(response.headers_mut());
        // The headers of a 304 take the place of those that the browser has kept (RFC 9111, 3.2), and what it has kept may
        // be a page.
        if response.status() != StatusCode::NOT_MODIFIED
            && let Ok(policy) = HeaderValue::from_str(&policy)
        {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    Ok(response)
}

/// What counts this request, and as what.
fn counted(request: &ServiceRequest) -> Option<(Arc<Metrics>, Kind)> {
    let bridge = request.app_data::<web::Data<Bridge>>()?;
    let base = request.app_data::<web::Data<Pages>>()?.base().as_str();
    let kind = request.path().strip_prefix(base).map_or(Kind::Nothing, Kind::of);
    Some((Arc::clone(bridge.metrics()), kind))
}

fn put(headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "no-referrer");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_documented_one() {
        let back = "ws://localhost:3000".parse().unwrap();
        assert_eq!(
            policy(Some(&back), Framing::Apart),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; manifest-src 'self'; \
             connect-src 'self' ws://localhost:3000; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'"
        );
    }
}
