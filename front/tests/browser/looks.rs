//! Day and night, and screens of all sizes.

use serde_json::json;

use crate::yard::Yard;

#[tokio::test]
async fn day_and_night_are_chosen_and_painted_first() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let paper = "getComputedStyle(document.body).backgroundColor";
    let night = json!("rgb(24, 22, 19)");
    let day = json!("rgb(251, 250, 247)");
    let system = async |scheme: &str| {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tab.devtools("Emulation.setEmulatedMedia", &media).await;
    };
    system("light").await;
    assert_eq!(tab.eval(paper).await, day);
    tab.click(".themes [data-tag=dark]").await;
    assert_eq!(tab.eval(paper).await, night);
    tab.reload().await;
    assert_eq!(tab.eval(paper).await, night);
    // Not the script did it.
    let served =
        "fetch(location.href).then((answer) => answer.text()).then((text) => /dark.css\" media=\"all\"/.test(text))";
    assert_eq!(tab.promise(served).await, json!(true));
    system("dark").await;
    tab.click(".themes [data-tag=light]").await;
    assert_eq!(tab.eval(paper).await, day);
    tab.click(".themes [data-tag=system]").await;
    assert_eq!(tab.eval(paper).await, night);
    assert_eq!(tab.eval("document.querySelector('.themes [aria-current]').dataset.tag").await, json!("system"));
    // Without a script the same links do it.
    tab.goto(&yard.page("/?theme=dark")).await;
    system("light").await;
    assert_eq!(tab.eval(paper).await, night);
}

#[tokio::test]
async fn nothing_is_wider_than_a_small_phone() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    tab.say(&"wide".repeat(60)).await;
    for width in [320, 640] {
        let screen = json!({ "width": width, "height": 568, "deviceScaleFactor": if width == 640 { 2 } else { 1 }, "mobile": width == 320 });
        tab.devtools("Emulation.setDeviceMetricsOverride", &screen).await;
        tab.until("it fits", "document.documentElement.scrollWidth <= innerWidth").await;
        tab.eval("document.querySelector('#help').click()").await;
        tab.until(
            "the help fits",
            "document.querySelector('dialog.help')?.getBoundingClientRect().width <= innerWidth",
        )
        .await;
        assert_eq!(
            tab.eval(
                "document.querySelector('dialog.help').scrollWidth <= document.querySelector('dialog.help').clientWidth"
            )
            .await,
            json!(true)
        );
        tab.eval("document.querySelector('dialog').close()").await;
    }
}
