//! Tickets that another application makes as JSON Web Tokens (RFC 7519). Which algorithm counts follows from the key, never
//! from the token: a token that names another one was signed by somebody else. Pure: the time is handed in.

use std::{fmt, fs, path::PathBuf};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;
use serde_json::Value;
use service::secret::{self, SecretError};
use shared::{
    KEYS, Name, RoomName, Ticket, TicketError,
    ticket::{AHEAD_MS, KEY_BYTES, TICKET_BYTES},
};

/// How a public key in PEM begins (RFC 7468). Whoever makes one with `openssl pkey -pubout` has it like this.
const PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----";

/// How it ends.
const PUBLIC_END: &str = "-----END PUBLIC KEY-----";

/// What is said of a token that is signed and is no ticket.
const LACKING: TicketError = TicketError::Malformed("lacks sub, aud, iat, exp or jti, or has a field that cannot be");

/// What an operator says of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the keys are: a line each for HS256, or Ed25519 public keys in PEM for EdDSA.
    pub key: PathBuf,
    /// For whom they are made: `aud`.
    pub audience: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The file cannot be read, or holds no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It holds a public key of another kind.
    #[error(
        "{0}: these are not one or two Ed25519 public keys; `openssl pkey -in private.pem -pubout` writes one of `openssl genpkey -algorithm ed25519`"
    )]
    NotEd25519(PathBuf),
}

/// The keys that they are checked with: all of one algorithm.
pub struct JwtKey {
    /// Any of them may have signed.
    keys: Vec<DecodingKey>,
    validation: Validation,
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtKey({:?})", self.validation.algorithms)
    }
}

/// What a token says. Times are in seconds, as everywhere in JSON Web Tokens.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
    jti: String,
    nbf: Option<u64>,
    name: Option<Name>,
    #[serde(default)]
    rooms: Vec<RoomName>,
    #[serde(default)]
    prefixes: Vec<String>,
    sid: Option<String>,
    #[serde(default)]
    end: bool,
    #[serde(default)]
    anew: bool,
}

/// Public keys in PEM, one behind the other; nothing where one is none of Ed25519, or there are too many.
fn public(pem: &[u8]) -> Option<Vec<DecodingKey>> {
    let text = std::str::from_utf8(pem).ok()?.trim();
    let blocks: Vec<&str> = text.split_inclusive(PUBLIC_END).collect();
    let keys = blocks.iter().map(|block| DecodingKey::from_ed_pem(block.trim().as_bytes()).ok());
    if blocks.len() > KEYS { None } else { keys.collect() }
}

impl JwtKey {
    /// Reads the key that these settings name.
    ///
    /// # Errors
    /// When the file cannot be read, a secret in it is too short or open to others, or a public key is no Ed25519 key.
    pub fn read(settings: &Settings) -> Result<Self, JwtError> {
        let file = &settings.key;
        let bytes = fs::read(file).map_err(|error| SecretError::File { file: file.clone(), error })?;
        let (algorithm, keys) = if bytes.trim_ascii_start().starts_with(PUBLIC) {
            (Algorithm::EdDSA, public(&bytes).ok_or_else(|| JwtError::NotEd25519(file.clone()))?)
        } else {
            let secrets = secret::read(file, KEY_BYTES, KEYS)?;
            (Algorithm::HS256, secrets.iter().map(|secret| DecodingKey::from_secret(secret)).collect())
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // Its clock is none that can be handed in: `Ticket::check` looks at the times.
        validation.validate_exp = false;
        Ok(Self { keys, validation })
    }

    fn read_with(&self, key: &DecodingKey, text: &str) -> Result<Value, TicketError> {
        let said = decode::<Value>(text, key, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidAudience => TicketError::Malformed("its aud is another server's"),
            ErrorKind::MissingRequiredClaim(_) => LACKING,
            _ => TicketError::Foreign,
        })?;
        Ok(said.claims)
    }

    /// Reads a token that somebody hands over at this time, in Unix milliseconds. Whether it was used before is not
    /// known here.
    ///
    /// # Errors
    /// As [`Ticket::open`].
    pub fn open(&self, text: &str, now: u64) -> Result<Ticket, TicketError> {
        if text.len() > TICKET_BYTES {
            return Err(TicketError::Foreign);
        }
        // First as anything: whoever is told that a field is missing has signed it.
        let mut tried = self.keys.iter().map(|key| self.read_with(key, text));
        let said =
            tried.find(|said| !matches!(said, Err(TicketError::Foreign))).unwrap_or(Err(TicketError::Foreign))?;
        let claims: Claims = serde_json::from_value(said).map_err(|_| LACKING)?;
        if claims.nbf.is_some_and(|nbf| nbf.saturating_mul(1_000) > now.saturating_add(AHEAD_MS)) {
            return Err(TicketError::Early);
        }
        let ticket = Ticket {
            sub: claims.sub,
            name: claims.name,
            rooms: claims.rooms,
            prefixes: claims.prefixes,
            iat: claims.iat.saturating_mul(1_000),
            exp: claims.exp.saturating_mul(1_000),
            jti: claims.jti,
            sid: claims.sid,
            end: claims.end,
            anew: claims.anew,
        };
        ticket.check(now)?;
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789a";

    fn key_of(bytes: &[u8]) -> Result<JwtKey, JwtError> {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("jwt.key");
        fs::write(&key, bytes).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        JwtKey::read(&Settings { key, audience: "madang".to_owned() })
    }

    fn claims() -> Value {
        let (iat, exp) = (NOW / 1_000, NOW / 1_000 + 30);
        json!({"sub": "42", "aud": "madang", "iat": iat, "exp": exp, "jti": "0123456789abcdef", "rooms": ["dev"]})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    fn hs256(claims: &Value) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
    }

    #[test]
    fn a_token_says_what_a_ticket_does() {
        let key = key_of(SECRET).unwrap();
        let ticket = key.open(&hs256(&claims()), NOW).unwrap();
        assert_eq!((ticket.sub.as_str(), ticket.iat, ticket.exp), ("42", NOW, NOW + 30_000));
        assert_eq!(ticket.rooms[0].as_str(), "dev");
        assert_eq!(ticket.user(), shared::ticket::user_of_account("42"));
        let several = with("aud", json!(["other", "madang"]));
        assert!(key.open(&hs256(&several), NOW).is_ok());
    }

    #[test]
    fn the_key_says_which_algorithm_counts() {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let public = pair.public_key_pem();
        let signs = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        let eddsa = encode(&Header::new(Algorithm::EdDSA), &claims(), &signs).unwrap();
        let (asymmetric, secret) = (key_of(public.as_bytes()).unwrap(), key_of(SECRET).unwrap());
        assert!(asymmetric.open(&eddsa, NOW).is_ok());
        assert_eq!(secret.open(&eddsa, NOW).err(), Some(TicketError::Foreign));
        // What everybody may know is no secret: signed with it, in the manner of the other algorithm.
        let public_as_secret = EncodingKey::from_secret(public.as_bytes());
        let confused = encode(&Header::new(Algorithm::HS256), &claims(), &public_as_secret).unwrap();
        assert_eq!(asymmetric.open(&confused, NOW).err(), Some(TicketError::Foreign));
        assert_eq!(asymmetric.open(&hs256(&claims()), NOW).err(), Some(TicketError::Foreign));
    }

    #[test]
    fn what_is_not_signed_is_foreign() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let key = key_of(SECRET).unwrap();
        let token = hs256(&claims());
        let [_, said, mac] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        for alg in ["none", "None", "HS512", "RS256", "x"] {
            let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT"}).to_string());
            for mac in ["", mac] {
                assert_eq!(key.open(&format!("{head}.{said}.{mac}"), NOW).err(), Some(TicketError::Foreign), "{alg}");
            }
        }
        let other = encode(&Header::default(), &claims(), &EncodingKey::from_secret(&[b'x'; 43])).unwrap();
        let long = hs256(&with("name", json!("x".repeat(TICKET_BYTES))));
        for bad in [other.as_str(), "", ".", "..", "a.b", "a.b.c", "t1.e30.x", &token[1..], &format!("{token}A"), &long]
        {
            assert_eq!(key.open(bad, NOW).err(), Some(TicketError::Foreign), "{bad}");
        }
    }

    #[test]
    fn times_and_the_audience_are_looked_at() {
        let key = key_of(SECRET).unwrap();
        let open = |claims: &Value| key.open(&hs256(claims), NOW);
        let now = NOW / 1_000;
        assert_eq!(open(&with("exp", json!(now))).err(), Some(TicketError::Expired));
        assert_eq!(open(&with("nbf", json!(now + 60))).err(), Some(TicketError::Early));
        assert!(open(&with("nbf", json!(now))).is_ok());
        let ahead = json!({"sub": "42", "aud": "madang", "iat": now + 60, "exp": now + 90, "jti": "0123456789abcdef"});
        assert_eq!(open(&ahead).err(), Some(TicketError::Early));
        for (field, value) in [
            ("exp", json!(now + 3_600)),
            ("exp", json!("soon")),
            ("exp", Value::Null),
            ("aud", json!("another")),
            ("aud", Value::Null),
            ("iat", Value::Null),
            ("jti", json!("short")),
            ("jti", Value::Null),
            ("sub", json!("")),
            ("rooms", json!(["a/b"])),
            ("prefixes", json!(vec![""; 100])),
        ] {
            let told = open(&with(field, value.clone())).err();
            assert!(matches!(told, Some(TicketError::Malformed(_))), "{field} {value}: {told:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_with_what_to_do() {
        assert!(key_of(b"short").unwrap_err().to_string().contains("shorter than 32"));
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let error = key_of(pair.public_key_pem().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("not one or two Ed25519 public keys"), "{error}");
        // A private key belongs to whoever makes the tokens.
        assert!(key_of(pair.serialize_pem().as_bytes()).unwrap_err().to_string().contains("lines of text"));
    }

    #[test]
    fn any_of_two_keys_may_have_signed() {
        let other = [b'x'; 40];
        let both = key_of(&[&other[..], b"\n", SECRET, b"\n"].concat()).unwrap();
        assert!(both.open(&hs256(&claims()), NOW).is_ok());
        let foreign =
            encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&[b'y'; 40])).unwrap();
        assert_eq!(both.open(&foreign, NOW).err(), Some(TicketError::Foreign));
        // What is wrong with a token is told to whoever signed it, with whichever key.
        let over = with("exp", json!(NOW / 1_000 - 1));
        assert_eq!(both.open(&hs256(&over), NOW).err(), Some(TicketError::Expired));
        let pairs: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate_for(&PKCS_ED25519).unwrap()).collect();
        let pem = |pairs: &[KeyPair]| pairs.iter().map(KeyPair::public_key_pem).collect::<String>();
        let both = key_of(pem(&pairs[..2]).as_bytes()).unwrap();
        for (at, pair) in pairs.iter().enumerate() {
            let signs = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
            let token = encode(&Header::new(Algorithm::EdDSA), &claims(), &signs).unwrap();
            assert_eq!(both.open(&token, NOW).is_ok(), at < 2, "{at}");
        }
        assert!(key_of(pem(&pairs).as_bytes()).is_err(), "three are too many");
        assert!(key_of(&[pem(&pairs[..1]).as_bytes(), SECRET].concat()).is_err(), "of one kind");
    }
}
