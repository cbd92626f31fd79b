//! Texts of messages. A text begins with its sender's id for it, so that a reader can tell what it was given from the
//! text alone.

use sha2::{Digest, Sha256};

use crate::random::Random;

/// The longest text, which is also the server's limit.
const LONGEST: usize = 16_384;

/// Syllables of Korean fillers.
const SYLLABLES: &str = "안녕하세요 마당에 오신 것을 환영합니다 오늘은 비가 온다 ";

/// A text for this id: mostly short, sometimes long, sometimes Korean.
pub fn compose(cid: &str, random: &mut Random) -> String {
    let room = LONGEST - cid.len() - 1;
    let len = match random.below(100) {
        0..70 => 1 + random.index(120),
        70..95 => 1 + random.index(2_000),
        95..99 => 1 + random.index(room),
        _ => room,
    };
    let mut text = String::with_capacity(cid.len() + 1 + len);
    text.push_str(cid);
    text.push(' ');
    let end = text.len() + len;
    if random.chance(0.3) {
        // Whole characters only: a cut syllable would be no text.
        text.extend(SYLLABLES.chars().cycle().skip(random.index(8)).take(len / 3));
    }
    while text.len() < end {
        text.push(char::from(b'a' + u8::try_from(random.below(26)).unwrap_or(0)));
    }
    text
}

/// The id and the hash of a text.
pub fn identify(text: &str) -> (String, String) {
    let cid = text.split(' ').next().unwrap_or_default();
    (cid.to_owned(), hash(text))
}

/// A short hash: the first 8 bytes of SHA-256, as hexadecimal digits.
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_id_and_keeps_the_limit() {
        let mut random = Random::new(1);
        for n in 0..2_000 {
            let cid = format!("p1-{n}");
            let text = compose(&cid, &mut random);
            assert!(text.len() <= LONGEST && text.len() > cid.len() + 1, "{}", text.len());
            assert_eq!(identify(&text), (cid, hash(&text)));
        }
    }
}
