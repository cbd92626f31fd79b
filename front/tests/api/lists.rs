//! Lists.

use crate::{house::House, person::Person};

#[tokio::test]
async fn rooms_people_and_what_is_found() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let _lee = Person::join(&house.back_address, "lee", "dev").await;
    for text in ["회의록을 올렸습니다", "Hello", "help"] {
        kim.say(text).await;
    }
    let rooms = house.json("/api/rooms").await;
    let dev = rooms["rooms"].as_array().unwrap().iter().find(|room| room["room"] == "dev").unwrap();
    assert_eq!((dev["count"].as_u64(), dev["top"].as_u64()), (Some(2), Some(3)));
    assert!(rooms.get("id").is_none() && rooms.get("type").is_none(), "{rooms}");
    let users = house.json("/api/rooms/dev/users").await;
    assert_eq!((users["count"].as_u64(), users["more"].as_bool()), (Some(2), Some(false)));
    let first = users["users"][0]["user"].as_str().unwrap();
    let rest = house.json(&format!("/api/rooms/dev/users?after={first}")).await;
    assert_eq!(rest["users"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/api/rooms/dev/users?after=x").await.problem(), (400, "bad_field".to_owned()));
    let page = house.json("/api/rooms/dev/search?q=hel&limit=1").await;
    assert_eq!((page["messages"][0]["text"].as_str(), page["more"].as_bool()), (Some("help"), Some(true)));
    let page = house.json("/api/rooms/dev/search?q=hel&before=3").await;
    assert_eq!(page["messages"][0]["text"], "Hello");
    assert_eq!(house.json("/api/rooms/dev/search?q=%ED%9A%8C%EC%9D%98").await["messages"][0]["seq"], 1);
    let none = house.get("/api/rooms/dev/search").await;
    assert_eq!((none.problem(), none.json()["field"].as_str()), ((400, "bad_field".to_owned()), Some("q")));
}
