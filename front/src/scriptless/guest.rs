//! Who posts: a secret and a name in a cookie that no script can read, so that one is the same person from post to post.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{COOKIE, HeaderValue, SET_COOKIE},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::{Name, SessionToken};

use super::form::word;

/// The cookie of the secret.
const GUEST: &str = "guest";
/// The cookie of the name. It is apart, because the form with which one begins writes it and cannot read the other.
const NAME: &str = "guest-name";

/// Somebody without a script.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    secret: String,
    name: String,
}

impl Guest {
    /// Nobody yet, but already with a name.
    pub(crate) fn named(name: &Name) -> Self {
        Self { secret: String::new(), name: name.as_str().to_owned() }
    }

    /// Who the request says it is: nobody yet where the cookies are missing or not as they were made.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let cookie = |wanted| {
            let fields = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
            let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let secret = cookie(GUEST).filter(|secret| SessionToken::parse(secret).is_ok()).unwrap_or_default();
        let name = cookie(NAME).and_then(|name| Name::parse(&percent_decode_str(name).decode_utf8().ok()?).ok());
        Self { secret: secret.to_owned(), name: name.map(|name| name.as_str().to_owned()).unwrap_or_default() }
    }

    /// The name as it was given last; empty for none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a name, and whoever is nobody yet becomes somebody by the form: whose first post comes twice is one person.
    pub(super) fn be(&mut self, name: Option<&Name>, once: &str) {
        self.name = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        if self.secret.is_empty() {
            self.secret = word(&[b"guest", once.as_bytes()]);
        }
    }

    /// The secret; nothing for nobody.
    pub(super) fn session(&self) -> Option<SessionToken> {
        SessionToken::parse(&self.secret).ok()
    }

    /// Puts it into the answer's cookies, with these attributes.
    pub(crate) fn keep(&self, answer: &mut HttpResponse, attributes: &str) {
        let name = utf8_percent_encode(&self.name, NON_ALPHANUMERIC).to_string();
        for (cookie, value) in [(GUEST, &self.secret), (NAME, &name)] {
            // Who is nobody yet may be somebody in the rooms: that cookie stays.
            if cookie == GUEST && value.is_empty() {
                continue;
            }
            if let Ok(cookie) = HeaderValue::from_str(&format!("{cookie}={value}{attributes}")) {
                answer.headers_mut().append(SET_COOKIE, cookie);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(cookies: &str) -> Guest {
        Guest::of(&TestRequest::get().insert_header(("cookie", cookies)).to_http_request())
    }

    /// What a browser sends back of what an answer set.
    fn kept(guest: &Guest) -> String {
        let mut answer = HttpResponse::Ok().finish();
        guest.keep(&mut answer, "; Path=/r");
        let set: Vec<_> = answer.headers().get_all(SET_COOKIE).map(|cookie| cookie.to_str().unwrap()).collect();
        assert!(set.iter().all(|cookie| cookie.matches(';').count() == 1 && cookie.ends_with("; Path=/r")), "{set:?}");
        set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_guest_comes_back_as_they_were() {
        let mut guest = Guest::default();
        guest.be(Some(&Name::parse("민수; Path=/").unwrap()), "AAAAAAAAAAAAAAAAAAAAAA");
        let again = of(&format!("lang=ko; {}", kept(&guest)));
        assert_eq!((again.name(), again.session()), ("민수; Path=/", guest.session()));
        let mut renamed = again;
        renamed.be(None, "BBBBBBBBBBBBBBBBBBBBBB");
        assert_eq!((renamed.name(), renamed.session()), ("", guest.session()));
        assert_eq!(of(&kept(&renamed)).name(), "");
    }

    #[test]
    fn a_name_alone_leaves_the_person_as_they_were() {
        assert_eq!(kept(&Guest::named(&Name::parse("kim").unwrap())), "guest-name=kim");
    }

    #[test]
    fn a_cookie_that_was_not_made_here_is_nobody() {
        for bad in ["", "guest", "guest=", "guest=short", "guest=A AAAAAAAAAAAAAAAAAAAAAA", "guest-name=kim"] {
            assert_eq!(of(bad).session(), None, "{bad}");
        }
        for bad in ["guest-name", "guest-name=", "guest-name=%E2%80%AE", "guest-name=%FF"] {
            assert_eq!(of(bad).name(), "", "{bad}");
        }
    }
}
