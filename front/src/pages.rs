//! Pages from templates and words. The only place that knows tera; it knows nothing of requests.

use serde::Serialize;
use serde_json::{json, value::RawValue};
use shared::{Epoch, RoomName, UserId, limits};
use tera::{Context, Tera};

use crate::{
    assets::{self, Folder},
    base::BasePath,
    host::BackUrl,
    theme::Theme,
    words::{Lang, Table, Words},
};

/// How often the messages are loaded again where no script does it, in seconds.
const LIVE_SECONDS: u32 = 4;

/// The crates in the two programs by licence, a line each, as `scripts/licences` writes them.
const LICENCES: &str = include_str!("licences.txt");

/// The compiled templates and the words that fill them.
pub struct Pages {
    tera: Tera,
    words: Words,
    base: BasePath,
}

/// For whom a page is made.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The language to speak.
    pub lang: Lang,
    /// Light or dark.
    pub theme: Theme,
    /// Where this reader's browser finds the chat server.
    pub back: &'a BackUrl,
    /// The scripts and styles.
    pub(crate) assets: &'a Folder,
    /// The path of the page, for the language switch. Percent-encoded.
    pub path: &'a str,
    /// Whose page it is, where one has to sign in: what the chat server calls them.
    pub account: Option<&'a UserId>,
    /// What they are called.
    pub person: Option<&'a str>,
    /// Whether this may be a browser that runs scripts. Text browsers show what waits for a script as if it worked.
    pub scripted: bool,
}

/// What stands in the form, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Form<'a> {
    /// The name as it was written.
    pub name: &'a str,
    /// The room as it was written.
    pub room: &'a str,
    /// Which field is wrong, and why.
    pub problem: Option<(Field, String)>,
}

/// What the desk shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk<'a> {
    /// Where to go to from there.
    pub to: &'a str,
    /// The name as it was written.
    pub name: &'a str,
    /// Why nobody was signed in; empty otherwise.
    pub problem: &'a str,
    /// Who is signed in already.
    pub person: Option<&'a str>,
}

/// What a room's page says to browsers without a script.
#[derive(Debug, Clone, Copy, Default)]
pub struct Corner<'a> {
    /// The form's hidden word, by which a message that is posted twice is known.
    pub once: &'a str,
    /// The name as it was written last.
    pub name: &'a str,
    /// The text as it was written, where it could not be sent.
    pub text: &'a str,
    /// Why it could not; empty otherwise.
    pub problem: &'a str,
    /// Whether the newest messages stand on the page itself, for browsers that know no frames.
    pub unframed: bool,
    /// Those messages; nothing while the chat server cannot be reached.
    pub said: Option<&'a [Row]>,
    /// The newest messages for the script, which shows them before it has a connection.
    pub past: Option<&'a Past>,
}

/// The newest messages of a room and where they stand in its history, as the chat server wrote them.
#[derive(Debug, Clone, Serialize)]
pub struct Past {
    /// Which history.
    pub epoch: Epoch,
    /// The oldest message that is kept.
    pub first: u64,
    /// The newest message.
    pub top: u64,
    /// Ascending by `seq`.
    pub messages: Vec<Box<RawValue>>,
}

/// What the script reads from the page.
#[derive(Serialize)]
struct Data<'a> {
    lang: &'a str,
    back: &'a str,
    base: &'a str,
    room: Option<&'a str>,
    limits: serde_json::Value,
    words: &'a Table,
    /// Who signed in: a ticket is to be fetched for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    past: Option<&'a Past>,
}

/// A message as it is shown without a script.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Whether it begins a group of one author.
    pub first: bool,
    /// Whether it is what somebody does, with them in the sentence.
    pub does: bool,
    /// Who said it.
    pub name: String,
    /// What was said, or that it was taken back.
    pub text: String,
    /// How long ago.
    pub age: String,
    /// Whether its text was changed.
    pub edited: bool,
    /// Whether it was taken back.
    pub deleted: bool,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The person's name.
    Name,
    /// The room's name.
    Room,
}

impl Pages {
    /// Compiles the built-in templates; what they lead to is below `base`.
    ///
    /// # Errors
    /// When a template or a table of words is broken.
    pub fn new(base: BasePath) -> anyhow::Result<Self> {
        let mut tera = Tera::new();
        tera.add_raw_templates([
            ("base.html", include_str!("../templates/base.html")),
            ("index.html", include_str!("../templates/index.html")),
            ("room.html", include_str!("../templates/room.html")),
            ("live.html", include_str!("../templates/live.html")),
            ("said.html", include_str!("../templates/said.html")),
            ("about.html", include_str!("../templates/about.html")),
            ("sign-in.html", include_str!("../templates/sign-in.html")),
            ("problem.html", include_str!("../templates/problem.html")),
            ("themes.html", include_str!("../templates/themes.html")),
        ])?;
        Ok(Self { tera, words: Words::load()?, base })
    }

    /// The path that every address begins with.
    pub fn base(&self) -> &BasePath {
        &self.base
    }

    /// The words of the pages.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The form with which everybody begins. Who may not see all rooms is shown those that they may, by name and path.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn index(
        &self,
        reader: Reader<'_>,
        form: &Form<'_>,
        rooms: Option<Vec<(&str, String)>>,
    ) -> anyhow::Result<String> {
        let mut context = self.context(reader, None, None);
        self.scripts(&mut context, reader, "index");
        context.insert("name", form.name);
        let lobby = RoomName::lobby();
        let usual = match &rooms {
            Some(rooms) if rooms.iter().all(|(name, _)| *name != lobby.as_str()) => {
                rooms.first().map(|(name, _)| *name)
            }
            _ => Some(lobby.as_str()),
        };
        let is_asked_for = form.room.is_empty() && form.problem.is_none();
        context.insert("room", if is_asked_for { usual.unwrap_or_default() } else { form.room });
        context.insert("confined", &rooms.is_some());
        let rooms: Vec<_> = rooms.into_iter().flatten().map(|(name, at)| json!({ "name": name, "at": at })).collect();
        context.insert("own_rooms", &rooms);
        let problem_of = |field| form.problem.as_ref().filter(|(at, _)| *at == field).map_or("", |(_, why)| why);
        context.insert("name_problem", problem_of(Field::Name));
        context.insert("room_problem", problem_of(Field::Room));
        Ok(self.tera.render("index.html", &context)?)
    }

    /// The chat page of a room.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn room(&self, reader: Reader<'_>, room: &RoomName, corner: &Corner<'_>) -> anyhow::Result<String> {
        let mut context = self.context(reader, Some(room), corner.past);
        self.scripts(&mut context, reader, "main");
        context.insert("room", room.as_str());
        context.insert("once", corner.once);
        context.insert("name", corner.name);
        context.insert("text", corner.text);
        context.insert("problem", corner.problem);
        context.insert("unframed", &corner.unframed);
        context.insert("away", &corner.said.is_none());
        context.insert("said", &corner.said);
        Ok(self.tera.render("room.html", &context)?)
    }

    /// The newest messages of a room, on a page that loads itself again unless it `is_still`; without them, it says that
    /// it goes on trying.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn live(
        &self,
        reader: Reader<'_>,
        room: &RoomName,
        said: Option<&[Row]>,
        is_still: bool,
    ) -> anyhow::Result<String> {
        let mut context = self.context(reader, None, None);
        context.insert("room", room.as_str());
        context.insert("away", &said.is_none());
        context.insert("said", &said);
        context.insert("refresh", &(!is_still).then_some(LIVE_SECONDS));
        Ok(self.tera.render("live.html", &context)?)
    }

    /// What this server is. `server` names the chat server, `source` says where the source is; empty where unknown.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn about(&self, reader: Reader<'_>, server: &str, source: &str) -> anyhow::Result<String> {
        let mut context = self.context(reader, None, None);
        context.insert("version", concat!("front/", env!("CARGO_PKG_VERSION")));
        context.insert("server", server);
        context.insert("source", source);
        let groups = LICENCES.lines().filter_map(|line| line.split_once(": "));
        let groups: Vec<_> = groups.map(|(licence, crates)| json!({ "licence": licence, "crates": crates })).collect();
        context.insert("licences", &groups);
        Ok(self.tera.render("about.html", &context)?)
    }

    /// The desk where one signs in and out.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn sign_in(&self, reader: Reader<'_>, desk: &Desk<'_>) -> anyhow::Result<String> {
        let mut context = self.context(reader, None, None);
        context.insert("to", desk.to);
        context.insert("name", desk.name);
        context.insert("problem", desk.problem);
        context.insert("person", desk.person.unwrap_or_default());
        Ok(self.tera.render("sign-in.html", &context)?)
    }

    /// A page that says what went wrong, and leads back to the form.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn problem(&self, reader: Reader<'_>, title: &str, sentence: &str) -> anyhow::Result<String> {
        self.leading(reader, title, sentence, &format!("{}/", self.base), "back_to_form")
    }

    /// A page that says that one has to sign in, and leads to the desk at this address.
    ///
    /// # Errors
    /// When the template asks for something that is not there.
    pub fn sign_in_first(&self, reader: Reader<'_>, title: &str, sentence: &str, desk: &str) -> anyhow::Result<String> {
        self.leading(reader, title, sentence, desk, "sign_in")
    }

    /// A page that says something and leads on, out of whatever frame it stands in.
    fn leading(
        &self,
        reader: Reader<'_>,
        title: &str,
        sentence: &str,
        way: &str,
        word: &str,
    ) -> anyhow::Result<String> {
        let mut context = self.context(reader, None, None);
        context.insert("title", title);
        context.insert("sentence", sentence);
        context.insert("way", way);
        context.insert("way_word", &self.words.say(reader.lang, word, &[]));
        Ok(self.tera.render("problem.html", &context)?)
    }

    /// What a page with scripts may use besides.
    fn scripts(&self, context: &mut Context, reader: Reader<'_>, page: &str) {
        context.insert("static", &assets::address(&self.base, reader.assets, page));
        context.insert("modules", reader.assets.modules(page));
    }

    /// What every template may use.
    fn context(&self, reader: Reader<'_>, room: Option<&RoomName>, past: Option<&Past>) -> Context {
        let words = self.words.table(reader.lang);
        let back = reader.back.to_string();
        let languages: Vec<_> = Lang::ALL
            .iter()
            .map(|lang| json!({ "tag": lang.tag(), "name": lang.own_name(), "current": *lang == reader.lang }))
            .collect();
        let data = Data {
            lang: reader.lang.tag(),
            back: &back,
            base: self.base.as_str(),
            room: room.map(RoomName::as_str),
            limits: json!({ "name": limits::NAME_CHARS, "room": limits::ROOM_CHARS, "text": limits::TEXT_BYTES }),
            words,
            account: reader.account,
            past,
        };
        // Texts, numbers and lists of them always become JSON.
        let data = serde_json::to_string(&data).unwrap_or_default();

        let mut context = Context::new();
        context.insert("lang", reader.lang.tag());
        context.insert("words", words);
        let (dark, light) = reader.theme.media();
        context.insert("dark_media", dark);
        context.insert("light_media", light);
        context.insert("schemes", reader.theme.schemes());
        context.insert("theme", reader.theme.tag());
        context.insert("person", reader.person.unwrap_or_default());
        context.insert("back", &back);
        context.insert("base", self.base.as_str());
        context.insert("static", &assets::address(&self.base, reader.assets, "page"));
        context.insert("path", reader.path);
        context.insert("scripted", &reader.scripted);
        context.insert("languages", &languages);
        context.insert("name_chars", &limits::NAME_CHARS);
        context.insert("room_chars", &limits::ROOM_CHARS);
        context.insert("data", &for_script_element(&data));
        context
    }
}

/// JSON that can stand inside `<script type="application/json">`: without `<` nothing in it ends the element. Outside of its
/// texts JSON has none.
fn for_script_element(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let text = for_script_element(&json!({ "room": "</script><!--" }).to_string());
        assert_eq!(text, r#"{"room":"\u003c/script>\u003c!--"}"#);
    }
}
