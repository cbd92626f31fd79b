//! A request's head, copied out of what its connection has read.
//!
//! A head is parsed where it was read, and its address and values share that buffer of 8 KiB or more. actix keeps heads to
//! use them again, up to 128 of each kind on each thread, and lets go of what is in one only when it is used again: each
//! would keep a buffer, from a busy second to the next one. What is kept now is the head itself, often a twentieth of that.

use actix_web::{
    dev::{RequestHead, ServiceRequest},
    http::{Uri, header::HeaderValue},
};

/// Has this request share nothing with its connection.
pub(crate) fn detach(request: &mut ServiceRequest) {
    copy(request.head_mut());
    let uri = request.uri().clone();
    request.match_info_mut().get_mut().update(&uri);
}

fn copy(head: &mut RequestHead) {
    // What was read once is readable.
    if let Ok(uri) = Uri::try_from(head.uri.to_string()) {
        head.uri = uri;
    }
    head.headers.retain(|_, value| {
        if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = own;
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_head_shares_nothing_with_what_was_read() {
        for address in ["/r/dev?lang=ko&q=%ED%95%9C", "//a//b", "*", "http://h:8080", "http://h/x?y", "h:443"] {
            let read = Bytes::from(format!("{address}|a=1; b=\u{e9}|one|two"));
            let mut parts = read.split(|byte| *byte == b'|').map(|part| read.slice_ref(part));
            let mut next = || parts.next().unwrap();
            let mut request = TestRequest::default().to_srv_request();
            request.head_mut().uri = Uri::from_maybe_shared(next()).unwrap();
            let uri = request.uri().clone();
            request.match_info_mut().get_mut().update(&uri);
            let mut put =
                |name, value| request.headers_mut().append(name, HeaderValue::from_maybe_shared(value).unwrap());
            put(actix_web::http::header::COOKIE, next());
            put(actix_web::http::header::VIA, next());
            put(actix_web::http::header::VIA, next());
            let before =
                (uri.to_string(), format!("{:?}", request.headers()), request.match_info().as_str().to_owned());
            drop((uri, parts));
            assert!(!read.is_unique(), "{address}");
            detach(&mut request);
            assert!(read.is_unique(), "{address}");
            let after = (
                request.uri().to_string(),
                format!("{:?}", request.headers()),
                request.match_info().as_str().to_owned(),
            );
            assert_eq!(after, before);
        }
    }
}
