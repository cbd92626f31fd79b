//! What a page is to its reader: their colours and language, an application to keep, and what the server is.

use std::collections::BTreeSet;

use front::Config;
use serde_json::Value;

use crate::server::{Answer, TestServer};

#[tokio::test]
async fn the_colours_are_the_readers() {
    let server = TestServer::start();
    let night = |answer: &Answer| {
        let media = answer.body.split("dark.css\" media=\"").nth(1).and_then(|rest| rest.split('"').next());
        media.expect("the colours of the night").to_owned()
    };
    assert_eq!(night(&server.get("/").await), "(prefers-color-scheme: dark)");
    assert_eq!(night(&server.ask("GET", "/r/dev", "Cookie: theme=dark\r\n").await), "all");
    let switched = server.ask("GET", "/?theme=light&lang=ko", "Cookie: theme=dark\r\n").await;
    assert_eq!(night(&switched), "not all");
    assert!(switched.body.contains(r#"<meta name="color-scheme" content="light">"#));
    let cookies: BTreeSet<_> = switched.field("set-cookie").lines().collect();
    let kept = |what: &str| format!("{what}; Path=/; Max-Age=31536000; SameSite=Lax");
    assert_eq!(cookies, BTreeSet::from([&*kept("lang=ko"), &*kept("theme=light")]));
    let nonsense = server.ask("GET", "/?theme=%0D%0AX:1", "Cookie: theme=<b>\r\n").await;
    assert_eq!((nonsense.field("set-cookie"), &*night(&nonsense)), ("", "(prefers-color-scheme: dark)"));
}

#[tokio::test]
async fn the_language_is_the_readers() {
    let server = TestServer::start();
    let lang = |answer: Answer| answer.field("content-language").to_owned();
    assert_eq!(lang(server.get("/").await), "en");
    assert_eq!(lang(server.ask("GET", "/", "Accept-Language: ko-KR,ko;q=0.9,en;q=0.8\r\n").await), "ko");
    assert_eq!(lang(server.ask("GET", "/", "Accept-Language: ko\r\nCookie: lang=en\r\n").await), "en");
    let switched = server.ask("GET", "/?lang=ko", "Cookie: lang=en\r\n").await;
    assert!(switched.body.contains(r#"<html lang="ko">"#) && switched.body.contains("들어가기"));
    assert_eq!(switched.field("set-cookie"), "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax");
    let nonsense = server.get("/?lang=%0D%0AX:1").await;
    assert_eq!((nonsense.status, nonsense.field("set-cookie")), (200, ""));
}

#[tokio::test]
async fn the_page_about_this_server_says_what_it_is() {
    let source = Some("https://example.org/madang".to_owned());
    let server = TestServer::with(Config { source_url: source, ..Config::default() });
    for (lang, title) in [("en", "About this server"), ("ko", "이 서버에 대하여")] {
        let page = server.get(&format!("/about?lang={lang}")).await;
        assert_eq!((page.status, page.field("content-language")), (200, lang));
        for part in [
            title,
            concat!("front/", env!("CARGO_PKG_VERSION")),
            "https://example.org/madang",
            "actix-web",
            "BSD-3-Clause",
        ] {
            assert!(page.body.contains(part), "{lang}: {part}");
        }
        for from in ["/", "/r/dev"] {
            let page = server.get(&format!("{from}?lang={lang}")).await;
            assert!(page.body.contains(&format!(r#"<a href="/about">{title}</a>"#)), "{from} leads there");
        }
    }
    let licence = server.get("/static/vendor/highlight.js/LICENSE.txt").await;
    assert!(licence.body.contains("BSD 3-Clause") && licence.field("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn a_device_can_keep_it_as_an_application() {
    for (base, home) in [("", "/"), ("/chat", "/chat/")] {
        let server = TestServer::with(Config { base_path: base.parse().unwrap(), ..Config::default() });
        for (lang, name) in [("ko", "마당"), ("en", "Madang")] {
            let page = server.get(&format!("{base}/?lang={lang}")).await;
            let link = format!("{base}/manifest.webmanifest?lang={lang}");
            assert!(page.body.contains(&format!(r#"<link rel="manifest" href="{link}">"#)), "{}", page.body);
            let answer = server.get(&link).await;
            assert_eq!(answer.field("content-type"), "application/manifest+json");
            assert_eq!(answer.field("set-cookie"), "", "asking for it chooses no language");
            let manifest: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(
                (&manifest["name"], &manifest["start_url"], &manifest["scope"]),
                (&name.into(), &home.into(), &home.into())
            );
            for icon in manifest["icons"].as_array().unwrap() {
                let file = server.get(icon["src"].as_str().unwrap()).await;
                assert_eq!((file.status, file.field("content-type")), (200, icon["type"].as_str().unwrap()), "{icon}");
            }
        }
    }
}
