//! A request's head, copied out of what its connection has read.
//!
//! A head is parsed where it was read, and its values share that buffer of 8 KiB or more. actix keeps heads to use them
//! again, up to 128 of each kind on each thread, and lets go of what is in one only when it is used again: each would keep
//! a buffer, from a busy second to the next one. What is kept now is the head itself, often a twentieth of that.

use actix_web::http::header::{HeaderMap, HeaderValue};

/// Has these headers share nothing with their connection.
pub(crate) fn detach(headers: &mut HeaderMap) {
    headers.retain(|_, value| {
        // What was read once is readable.
        if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = own;
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use bytes::Bytes;

    use super::*;

    #[test]
    fn headers_share_nothing_with_what_was_read() {
        let read = Bytes::from_static(b"a=1; b=\xe9|one||two").to_vec();
        let read = Bytes::from(read);
        let mut headers = HeaderMap::new();
        for (name, part) in
            [header::COOKIE, header::VIA, header::VIA, header::VIA].into_iter().zip(read.split(|byte| *byte == b'|'))
        {
            headers.append(name, HeaderValue::from_maybe_shared(read.slice_ref(part)).unwrap());
        }
        let before = format!("{headers:?}");
        assert!(!read.is_unique());
        detach(&mut headers);
        assert!(read.is_unique());
        assert_eq!(format!("{headers:?}"), before);
    }
}
