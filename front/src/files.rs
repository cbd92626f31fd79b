//! Files of the pages as answers. Never a listing, never a hidden file, never anything outside the folder: an address that
//! names none of the files that were found leads nowhere.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use percent_encoding::percent_decode_str;

use crate::{
    asked::{not_found, readable},
    assets::{AT, Assets},
};

/// Puts the files at their addresses.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(readable(&format!("{AT}/{{path:.*}}")).route(web::to(file)));
}

/// A file. Under the present version it may be kept for ever; elsewhere browsers ask each time, and mostly hear 304.
/// `?source` shows it as it lies in the folder.
async fn file(request: HttpRequest, assets: web::Data<Assets>) -> HttpResponse {
    let folder = assets.current();
    let Ok(path) = percent_decode_str(request.match_info().query("path")).decode_utf8() else {
        return not_found(request).await;
    };
    let versioned = path.strip_prefix("v-").and_then(|rest| rest.split_once('/')).and_then(|(place, path)| {
        let (version, page) = place.split_once('-')?;
        Some((version == folder.version(), page, path))
    });
    let (is_present, page, path) = versioned.map_or((false, None, &*path), |(is, page, path)| (is, Some(page), path));
    let source = if request.query_string() == "source" { folder.source(path) } else { None };
    let Some(asset) = source.as_ref().or_else(|| folder.file(page, path)) else {
        return not_found(request).await;
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
