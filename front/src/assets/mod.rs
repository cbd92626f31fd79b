//! Scripts, styles and icons from a folder, kept in memory as they are sent. Never a listing, never a hidden file, never
//! anything outside the folder: an address that names none of the files that were found leads nowhere. It knows nothing of
//! what the files mean.

mod folder;
mod join;
mod slim;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use percent_encoding::percent_decode_str;

use crate::{asked, base::BasePath};
pub(crate) use folder::Folder;

/// The address of the folder, below the base path.
pub(crate) const AT: &str = "/static";

/// How old the last look at the folder may be when somebody asks. Who changes a file sees it with the next page.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The folder, as it was when it was last looked at.
pub struct Assets {
    root: PathBuf,
    known: Mutex<(Arc<Folder>, Instant)>,
}

impl Assets {
    /// Reads the folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let folder = Arc::new(Folder::read(root)?);
        Ok(Self { root: root.to_path_buf(), known: Mutex::new((folder, Instant::now())) })
    }

    /// The folder as it is.
    pub(crate) fn current(&self) -> Arc<Folder> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.1.elapsed() >= LOOK_EVERY {
            // What cannot be read just now, as while it is replaced, is looked at again.
            if let Ok(Some(folder)) = known.0.read_if_changed(&self.root) {
                known.0 = Arc::new(folder);
            }
            known.1 = Instant::now();
        }
        Arc::clone(&known.0)
    }
}

/// Where the files of a page are: an address that says which page it is, and changes with every change of a file.
pub(crate) fn address(base: &BasePath, folder: &Folder, page: &str) -> String {
    format!("{}{AT}/v-{}-{page}", base.as_str(), folder.version())
}

/// Puts the files at their addresses.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(asked::readable(&format!("{AT}/{{path:.*}}")).route(web::to(file)));
}

/// A file. Under the present version it may be kept for ever; elsewhere browsers ask each time, and mostly hear 304.
/// `?source` shows it as it lies in the folder.
async fn file(request: HttpRequest, assets: web::Data<Assets>) -> HttpResponse {
    let folder = assets.current();
    let Ok(path) = percent_decode_str(request.match_info().query("path")).decode_utf8() else {
        return asked::not_found(request).await;
    };
    let versioned = path.strip_prefix("v-").and_then(|rest| rest.split_once('/')).and_then(|(place, path)| {
        let (version, page) = place.split_once('-')?;
        Some((version == folder.version(), page, path))
    });
    let (is_present, page, path) = versioned.map_or((false, None, &*path), |(is, page, path)| (is, Some(page), path));
    let source = if request.query_string() == "source" { folder.source(path) } else { None };
    let Some(asset) = source.as_ref().or_else(|| folder.file(page, path)) else {
        return asked::not_found(request).await;
    };

    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let unchanged = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.tag);
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A year is as long as anything is kept.
    let keep = if is_present { "public, max-age=31536000, immutable" } else { "no-cache" };
    answer
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static(keep)))
        // Weak: compressed, the bytes are others.
        .insert_header((header::ETAG, format!("W/{}", asset.tag)));
    if unchanged {
        return answer.finish();
    }
    answer.content_type(asset.kind.clone()).insert_header((header::VARY, "accept-encoding"));
    match asset.gzip().filter(|_| takes_gzip(&request)) {
        Some(small) => answer.insert_header(header::ContentEncoding::Gzip).body(small.clone()),
        None => answer.body(asset.body.clone()),
    }
}

/// Whether the browser says that it reads gzip.
fn takes_gzip(request: &HttpRequest) -> bool {
    let field =
        request.headers().get(header::ACCEPT_ENCODING).and_then(|field| field.to_str().ok()).unwrap_or_default();
    field.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}
