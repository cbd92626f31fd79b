//! Light or dark: as the system has it, or as the reader chose. It knows a cookie's text and a page's attributes, and
//! nothing of colours.

/// What a page looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Dark ink on light paper.
    Light,
    /// The other way round.
    Dark,
}

/// The name of the cookie that the switch leaves.
pub const COOKIE: &str = "theme";

impl Theme {
    /// All, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// What addresses, cookies and words call it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme of a tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.tag() == tag)
    }

    /// The switch's choice from a `Cookie` field.
    pub fn of_cookie(cookies: &str) -> Option<Self> {
        let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, tag)| Self::of_tag(tag))
    }

    /// For which media the dark colours hold, and for which the light ones.
    pub const fn media(self) -> (&'static str, &'static str) {
        match self {
            Self::System => ("(prefers-color-scheme: dark)", "(prefers-color-scheme: light)"),
            Self::Light => ("not all", "all"),
            Self::Dark => ("all", "not all"),
        }
    }

    /// The content of `<meta name="color-scheme">`: what is painted before any style has come.
    pub const fn schemes(self) -> &'static str {
        match self {
            Self::System => "light dark",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_found_among_other_cookies_and_nothing_else_is_one() {
        assert_eq!(Theme::of_cookie("lang=ko; theme=dark"), Some(Theme::Dark));
        assert_eq!(Theme::of_cookie("theme=purple; mytheme=dark"), None);
        assert_eq!(Theme::of_cookie(""), None);
    }
}
