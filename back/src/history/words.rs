//! What can be found in a text: whole words of scripts that put spaces between them, and pairs of neighbours in those
//! that do not, or that glue particles to their words as Korean does (회의 in 회의록을). Pure.

use unicode_normalization::UnicodeNormalization;

/// Most words of a query that count; each costs a lookup.
const QUERY_WORDS: usize = 16;

/// Characters of a word that count. Each pair of a glued word is a list that the index opens: without a limit, one
/// search of 64 KiB would take gigabytes.
const WORD_CHARS: usize = 32;

/// What is looked for: every one of these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<Run>);

/// Letters and digits in a row, of one kind of script.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Found by its beginning.
    Word,
    /// Found anywhere.
    Glued,
}

impl Query {
    /// Reads what somebody looks for; `None` when there is not one letter or digit in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = runs(text);
        words.truncate(QUERY_WORDS);
        for word in &mut words {
            if let Some((end, _)) = word.text.char_indices().nth(WORD_CHARS) {
                word.text.truncate(end);
            }
        }
        if words.is_empty() { None } else { Some(Self(words)) }
    }

    /// Whether it is found in this text.
    pub fn matches(&self, text: &str) -> bool {
        let runs = runs(text);
        self.0.iter().all(|word| {
            runs.iter().filter(|run| run.kind == word.kind).any(|run| match word.kind {
                Kind::Word => run.text.starts_with(&word.text),
                Kind::Glued => run.text.contains(&word.text),
            })
        })
    }

    /// As an expression of SQLite's FTS5 over [`tokens`]: words by their beginning, pairs next to each other.
    pub fn to_fts5(&self) -> String {
        let words: Vec<String> = self.0.iter().map(Run::to_fts5).collect();
        words.join(" AND ")
    }
}

impl Run {
    /// Letters and digits only, so that nothing has to be escaped between the quotes.
    fn to_fts5(&self) -> String {
        let pairs = match self.kind {
            Kind::Word => Vec::new(),
            Kind::Glued => pairs(&self.text).collect(),
        };
        if pairs.is_empty() { format!("\"{}\"*", self.text) } else { format!("\"{}\"", pairs.join(" ")) }
    }
}

/// The index's words of a text, with spaces between. A single last letter stands for itself, so that a query of one
/// letter finds every place by a word's beginning.
pub fn tokens(text: &str) -> String {
    let mut tokens = String::with_capacity(text.len() * 2);
    for run in runs(text) {
        match run.kind {
            Kind::Word => tokens.push_str(&run.text),
            Kind::Glued => {
                for pair in pairs(&run.text) {
                    tokens.push_str(pair);
                    tokens.push(' ');
                }
                tokens.extend(run.text.chars().next_back());
            }
        }
        tokens.push(' ');
    }
    tokens
}

/// Every two neighbours.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).skip(1);
    starts.zip(ends).map(|(start, end)| &text[start..end])
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for c in text.nfc().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            goes_on = false;
            continue;
        }
        let kind = if is_glued(c) { Kind::Glued } else { Kind::Word };
        match runs.last_mut() {
            Some(run) if goes_on && run.kind == kind => run.text.push(c),
            _ => runs.push(Run { kind, text: c.into() }),
        }
        goes_on = true;
    }
    runs
}

/// Scripts without spaces between words (Thai, Lao, Burmese, Khmer, kana, Han) and with particles glued to them
/// (Hangul), by the blocks of Unicode 16.
fn is_glued(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{318F}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{9FFF}' | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, text: &str) -> bool {
        Query::parse(query).unwrap().matches(text)
    }

    #[test]
    fn two_syllables_are_found_inside_a_word_with_its_particles() {
        for text in ["주간회의록을 올렸어요", "회의", "내일회의", "(회의)"] {
            assert!(found("회의", text), "{text}");
        }
        assert!(!found("회의", "회 의"));
        assert!(!found("회의록", "회의 록음"));
        assert!(found("회의 올렸", "주간회의록을 올렸어요"));
    }

    #[test]
    fn latin_words_are_found_by_their_beginning_and_in_any_case() {
        assert!(found("Hel", "hello, World"));
        assert!(found("WORLD hel", "hello, World"));
        assert!(!found("ello", "hello"));
        assert!(found("v2회의", "v2.1 회의"));
    }

    #[test]
    fn a_decomposed_syllable_is_the_composed_one() {
        assert!(found("\u{1112}\u{116c}\u{110b}\u{1174}", "회의"));
    }

    #[test]
    fn the_index_holds_pairs_and_words() {
        assert_eq!(tokens("회의록 v2 보기!"), "회의 의록 록 v2 보기 기 ");
        assert_eq!(Query::parse("회의록 v2 록").unwrap().to_fts5(), r#""회의 의록" AND "v2"* AND "록"*"#);
    }

    #[test]
    fn nothing_to_look_for_is_no_query() {
        for text in ["", " ", "!?", "😀", "\"* OR"] {
            assert_eq!(Query::parse(text).is_none(), text != "\"* OR", "{text}");
        }
        assert_eq!(Query::parse("\" OR \"\" NEAR(").unwrap().to_fts5(), r#""or"* AND "near"*"#);
    }

    #[test]
    fn a_long_query_is_cut() {
        assert_eq!(Query::parse(&"a ".repeat(1000)).unwrap().0.len(), QUERY_WORDS);
        let long = Query::parse(&"가".repeat(20_000)).unwrap();
        assert_eq!(long.to_fts5().matches("가가").count(), WORD_CHARS - 1);
        assert!(long.matches(&"가".repeat(40)) && !long.matches(&"가".repeat(31)));
    }
}
