//! What this server is: a page about its versions and licences, and what a device needs to keep it as an application.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    asked::{Asked, query, unguarded},
    bridge::Bridge,
    pages::Pages,
    words::Lang,
};

/// Where the source can be had, as the operator says.
#[derive(Debug, Clone)]
pub(crate) struct Source(pub(crate) Option<String>);

/// How long the page waits for the chat server's version.
const SERVER_TIME: Duration = Duration::from_millis(500);

/// The page about this server.
pub(crate) async fn about(request: HttpRequest, bridge: web::Data<Bridge>, source: web::Data<Source>) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let server = timeout(SERVER_TIME, bridge.server()).await.ok().flatten();
    let source = source.0.as_deref().unwrap_or_default();
    asked.answer(StatusCode::OK, asked.pages.about(asked.reader(), server.as_deref().unwrap_or_default(), source))
}

/// What a device needs to keep this as an application, in the language that the page names.
pub(crate) async fn manifest(request: HttpRequest, pages: web::Data<Pages>) -> HttpResponse {
    // Not by `Asked`: a language in the address of this is no choice of the reader.
    let lang = query(&request, "lang").as_deref().and_then(Lang::of_tag).unwrap_or(Lang::En);
    let home = format!("{}/", pages.base());
    let icon = |file: &str, sizes: &str, purpose: &str| {
        let kind = if file.ends_with(".svg") { "image/svg+xml" } else { "image/png" };
        json!({ "src": format!("{home}static/icons/{file}"), "sizes": sizes, "type": kind, "purpose": purpose })
    };
    let site = pages.words().say(lang, "site", &[]);
    let manifest = json!({
        "id": home,
        "name": site,
        "short_name": site,
        "description": pages.words().say(lang, "tagline", &[]),
        "lang": lang.tag(),
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "background_color": "#fbfaf7",
        "theme_color": "#fbfaf7",
        "icons": [
            icon("madang.svg", "any", "any"),
            icon("madang-192.png", "192x192", "any"),
            icon("madang-512.png", "512x512", "any"),
            icon("maskable-512.png", "512x512", "maskable"),
        ],
    });
    HttpResponse::Ok()
        .content_type("application/manifest+json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(manifest.to_string())
}
