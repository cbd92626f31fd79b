//! The Korean and English words of the page, and which of the two a request wants. One table serves both the templates
//! and the script, so that no sentence exists twice. It knows nothing of HTTP beyond the text of three header fields.

use std::collections::BTreeMap;

use serde_json::Value;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Korean.
    Ko,
    /// English; also for everybody who asked for something else.
    En,
}

/// The name of the cookie that the switch leaves.
pub const COOKIE: &str = "lang";

impl Lang {
    /// Both, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::Ko, Self::En];

    /// The tag of RFC 5646.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }

    /// What the language calls itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::Ko => "한국어",
            Self::En => "English",
        }
    }

    /// The language of a tag such as `ko` or `ko-KR`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or(tag);
        Self::ALL.into_iter().find(|lang| primary.eq_ignore_ascii_case(lang.tag()))
    }

    /// The switch's choice from a `Cookie` field.
    pub fn of_cookie(cookies: &str) -> Option<Self> {
        let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, tag)| Self::of_tag(tag))
    }

    /// The best of an `Accept-Language` field (RFC 9110, 12.5.4); the first of equals.
    pub fn of_accept(field: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for part in field.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let Some(lang) = pieces.next().and_then(Self::of_tag) else { continue };
            let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(Ok(1.0), str::parse).unwrap_or(0.0);
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

/// One language's table: a sentence per key, or a sentence per plural category.
pub type Table = BTreeMap<String, Value>;

/// Both tables.
pub struct Words {
    ko: Table,
    en: Table,
}

impl Words {
    /// Reads the tables that were built in.
    ///
    /// # Errors
    /// When one of them is not an object of JSON.
    pub fn load() -> Result<Self, serde_json::Error> {
        Ok(Self {
            ko: serde_json::from_str(include_str!("../static/words/ko.json"))?,
            en: serde_json::from_str(include_str!("../static/words/en.json"))?,
        })
    }

    /// The table of one language.
    pub fn table(&self, lang: Lang) -> &Table {
        match lang {
            Lang::Ko => &self.ko,
            Lang::En => &self.en,
        }
    }

    /// The sentence of `key` with each `{name}` replaced; the key itself where it is missing, so that a mistake shows.
    pub fn say(&self, lang: Lang, key: &str, values: &[(&str, &str)]) -> String {
        let sentence = self.table(lang).get(key).and_then(Value::as_str).unwrap_or(key);
        values.iter().fold(sentence.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_language_wins_and_unknown_ones_do_not_count() {
        assert_eq!(Lang::of_accept("ko-KR,ko;q=0.9,en;q=0.8"), Some(Lang::Ko));
        assert_eq!(Lang::of_accept("fr, en;q=0.3, ko;q=0.7"), Some(Lang::Ko));
        assert_eq!(Lang::of_accept("en-GB, ko"), Some(Lang::En));
        assert_eq!(Lang::of_accept("ko;q=0, en;q=0.1"), Some(Lang::En));
        assert_eq!(Lang::of_accept("fr, *;q=0.1"), None);
        assert_eq!(Lang::of_accept("ko;q=x"), None);
    }

    #[test]
    fn the_switch_is_found_among_other_cookies() {
        assert_eq!(Lang::of_cookie("a=b; lang=ko"), Some(Lang::Ko));
        assert_eq!(Lang::of_cookie("slang=ko; lang=xx"), None);
    }
}
