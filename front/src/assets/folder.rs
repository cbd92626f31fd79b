//! The files of a folder at one moment, and what is made of them: scripts without comments, and the first module of each page
//! joined with all that it imports. It knows no requests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{self, Write},
    path::Path,
    sync::OnceLock,
    time::SystemTime,
};

use actix_web::mime::{self, Mime};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::{
    join::{self, Joined},
    slim::slim,
};

/// The folder of our own modules: only these are made smaller.
const OWN: &str = "app/";

/// The pages that have scripts, by the name of their first module.
const PAGES: [&str; 2] = ["main", "index"];

/// Folders inside of each other; a link that leads back up ends here.
const MOST_DEPTH: usize = 8;

/// A file as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) kind: Mime,
    pub(crate) body: Bytes,
    /// In quotes, as `ETag` and `If-None-Match` have it.
    pub(crate) tag: String,
    gzip: OnceLock<Option<Bytes>>,
}

/// What tells whether a file was changed.
type Stamp = (u64, Option<SystemTime>);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    version: String,
    stamps: BTreeMap<String, Stamp>,
    sources: BTreeMap<String, Bytes>,
    slim: HashMap<String, Asset>,
    /// What is different for a page, by its name.
    joined: HashMap<&'static str, HashMap<String, Asset>>,
    /// What a page's first module needs, by its name, where it could not be joined.
    apart: HashMap<&'static str, Vec<String>>,
}

impl Folder {
    /// Reads all of it.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        Self::of(root, stamps(root)?)
    }

    /// Reads it again if anything in it was changed.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_if_changed(&self, root: &Path) -> io::Result<Option<Self>> {
        let now = stamps(root)?;
        if now == self.stamps { Ok(None) } else { Self::of(root, now).map(Some) }
    }

    fn of(root: &Path, stamps: BTreeMap<String, Stamp>) -> io::Result<Self> {
        let mut folder = Self { stamps, ..Self::default() };
        let mut all = Sha256::new();
        for path in folder.stamps.keys() {
            let source = Bytes::from(fs::read(root.join(path))?);
            all.update(format!("{path} {} ", source.len()));
            all.update(&source);
            folder.sources.insert(path.clone(), source);
        }
        folder.version = hex(&all.finalize());
        for (path, source) in &folder.sources {
            let text = std::str::from_utf8(source).ok().filter(|_| path.starts_with(OWN) && path.ends_with(".js"));
            let body = text.map_or_else(|| source.clone(), |text| Bytes::from(slim(text).into_owned()));
            folder.slim.insert(path.clone(), Asset::new(path, body));
        }
        for page in PAGES {
            let entry = format!("{OWN}{page}.js");
            let source = |path: &str| folder.sources.get(path).and_then(|source| std::str::from_utf8(source).ok());
            match join::join(&entry, &source) {
                Ok(joined) => _ = folder.joined.insert(page, together(&entry, &joined)),
                Err(join::Apart(why)) => {
                    tracing::warn!(page, why, "the modules of a page are sent one by one");
                    folder.apart.insert(page, graph(&entry, &source));
                }
            }
        }
        Ok(folder)
    }

    /// A name for the whole content: another content has another.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Modules that a page should name beside its first, so that they are asked for at once.
    pub(crate) fn modules(&self, page: &str) -> &[String] {
        self.apart.get(page).map_or(&[], Vec::as_slice)
    }

    /// A file as a page gets it.
    pub(crate) fn file(&self, page: Option<&str>, path: &str) -> Option<&Asset> {
        let own = page.and_then(|page| self.joined.get(page)?.get(path));
        own.or_else(|| self.slim.get(path))
    }

    /// A file as it lies in the folder.
    pub(crate) fn source(&self, path: &str) -> Option<Asset> {
        self.sources.get(path).map(|source| Asset::new(path, source.clone()))
    }
}

impl Asset {
    fn new(path: &str, body: Bytes) -> Self {
        let kind = path
            .rsplit_once('.')
            .map_or(mime::APPLICATION_OCTET_STREAM, |(_, end)| actix_files::file_extension_to_mime(end));
        let kind = match (kind.type_(), kind.subtype().as_str()) {
            (mime::TEXT, "css") => mime::TEXT_CSS_UTF_8,
            (mime::TEXT, "plain") => mime::TEXT_PLAIN_UTF_8,
            _ => kind,
        };
        let tag = format!("\"{}\"", hex(&Sha256::digest(&body)));
        Self { kind, body, tag, gzip: OnceLock::new() }
    }

    /// The body compressed as far as it goes, made when it is first asked for; nothing where that saves nothing.
    pub(crate) fn gzip(&self) -> Option<&Bytes> {
        let compressed = self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let small = encoder.write_all(&self.body).and_then(|()| encoder.finish()).ok()?;
            (small.len() < self.body.len()).then(|| small.into())
        });
        compressed.as_ref()
    }
}

/// The first module of a page with everything in it, and what its parts are for those that come later.
fn together(entry: &str, joined: &Joined) -> HashMap<String, Asset> {
    let stub = |(path, part): (&String, _)| (path.clone(), Asset::new(path, join::stub(entry, path, part).into()));
    let mut files: HashMap<_, _> = joined.parts.iter().map(stub).collect();
    files.insert(entry.to_owned(), Asset::new(entry, joined.text.clone().into()));
    files
}

/// Everything that a module imports, near or far, in the order of names; not what is imported on need (`import()`).
fn graph<'a>(first: &str, source: &impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![first.to_owned()];
    while let Some(module) = left.pop() {
        let Some(text) = source(&module) else { continue };
        let addresses = text.lines().filter_map(|line| {
            let (before, address) = line.strip_suffix("';")?.rsplit_once('\'')?;
            let imports = before == "import " || before.ends_with(" from ");
            (imports && !before.trim_start().starts_with("//")).then_some(address)
        });
        left.extend(
            addresses.filter_map(|address| join::resolve(&module, address)).filter(|path| !found.contains(path)),
        );
        found.insert(module);
    }
    found.remove(first);
    found.into_iter().collect()
}

/// Every file below the folder that is not hidden, by its path with slashes.
fn stamps(root: &Path) -> io::Result<BTreeMap<String, Stamp>> {
    let mut found = BTreeMap::new();
    let mut left = vec![(root.to_path_buf(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = left.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            // What vanished meanwhile is not there.
            let Ok(about) = fs::metadata(entry.path()) else { continue };
            let path = format!("{prefix}{name}");
            if about.is_file() {
                found.insert(path, (about.len(), about.modified().ok()));
            } else if about.is_dir() && depth < MOST_DEPTH {
                left.push((entry.path(), format!("{path}/"), depth + 1));
            }
        }
    }
    Ok(found)
}

/// The first sixteen digits of a hash: enough to tell one content from another.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_of_every_page_are_joined() {
        let folder = Folder::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("static")).unwrap();
        assert!(folder.apart.is_empty(), "{:?}", folder.apart);
        let main = folder.file(Some("main"), "app/main.js").unwrap();
        let all: usize =
            folder.sources.iter().filter(|(path, _)| path.starts_with(OWN)).map(|(_, text)| text.len()).sum();
        assert!(
            main.body.len() < all * 3 / 4,
            "{} of {all} bytes: comments stay, or a module cannot be slimmed",
            main.body.len()
        );
    }

    #[test]
    fn a_change_of_any_file_is_another_version() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("app")).unwrap();
        for file in ["app/main.js", "app/index.js", "a.css", ".hidden"] {
            fs::write(root.path().join(file), "let a;\n").unwrap();
        }
        let before = Folder::read(root.path()).unwrap();
        assert!(before.read_if_changed(root.path()).unwrap().is_none());
        assert!(before.file(None, ".hidden").is_none() && before.file(None, "a.css").is_some());
        fs::write(root.path().join("a.css"), "p { color: red }\n").unwrap();
        let after = before.read_if_changed(root.path()).unwrap().unwrap();
        assert_ne!(before.version(), after.version());
    }
}
