//! Scripts, styles and icons from a folder. Never a listing, never a hidden file, never anything outside the folder; it
//! knows nothing of what the files mean.

use std::path::Path;

use actix_files::Files;
use actix_web::{
    dev::HttpServiceFactory,
    http::header::{CACHE_CONTROL, HeaderValue},
    middleware::DefaultHeaders,
    web,
};

use crate::routes;

/// The address of the folder, below the base path.
pub(crate) const AT: &str = "/static";

/// Files below this size are read at once instead of on another thread: the whole page is smaller than a context switch
/// is worth.
const READ_AT_ONCE_BYTES: u64 = 64 * 1024;

/// Serves `folder` under [`AT`]. Browsers ask each time (`no-cache`) and mostly hear 304: a new version is seen at
/// once.
pub(crate) fn folder(folder: &Path) -> impl HttpServiceFactory + 'static {
    let root = folder.to_path_buf();
    let files = Files::new("/", folder)
        // A folder is at no address: it answers as anything else that is not there.
        .path_filter(move |path, _| !root.join(path).is_dir())
        .prefer_utf8(true)
        .disable_content_disposition()
        .read_mode_threshold(READ_AT_ONCE_BYTES)
        .default_handler(web::to(routes::not_found));
    let revalidate = DefaultHeaders::new().add((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    web::scope(AT).wrap(revalidate).service(files)
}
