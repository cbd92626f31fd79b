//! Which pages may open a connection: the rule of [`shared::origin`], for a handshake's head.

use shared::origin::{self, AllowedOrigin, REFUSAL};

use super::{Head, Reply};

/// Refuses a page from elsewhere.
///
/// # Errors
/// 403 with a sentence that names the flag.
pub(super) fn check(head: &Head<'_>, allowed: &[AllowedOrigin]) -> Result<(), Reply> {
    // A head gives its first value of a name; that there are two is enough to refuse them.
    let origins = (0..head.count("origin")).map(|_| head.value("origin"));
    match origin::check(origins, head.value("host"), allowed) {
        Ok(_) => Ok(()),
        Err(origin::Refused) => Err(Reply::refuse(403, REFUSAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(lines: &str) -> bool {
        let request = format!("GET / HTTP/1.1\r\nHost: 192.0.2.7:3000\r\n{lines}\r\n");
        let mut space = Head::space();
        let head = Head::parse(request.as_bytes(), &mut space).unwrap();
        check(&head, &["https://chat.example.org".parse().unwrap()]).is_ok()
    }

    #[test]
    fn a_handshake_says_which_page_it_comes_from() {
        assert!(passes(""));
        assert!(passes("Origin: http://localhost:8080\r\n"));
        assert!(passes("Origin: http://192.0.2.7\r\n"));
        assert!(passes("Origin: https://chat.example.org\r\n"));
        assert!(!passes("Origin: http://evil.example\r\n"));
        assert!(!passes("Origin: http://localhost\r\nOrigin: http://evil.example\r\n"));
        assert!(!passes("Origin: http://evil.example\r\nOrigin: http://localhost\r\n"));
        assert!(!passes("Origin:\r\n"));
    }
}
