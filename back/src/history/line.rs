//! Who waits for a place at a search.

use std::sync::Arc;

use shared::Epoch;
use tokio::time::{Instant, timeout};

use super::{contract::room, *};

#[tokio::test]
async fn who_finds_no_place_at_a_search_is_told_so_in_time() {
    let limits = MemoryLimits { messages: 10, bytes: 1 << 20 };
    let store = Arc::new(Memory::new(Epoch::parse("e").unwrap(), limits));
    let (history, _writer, _follow) = History::<()>::open(store);
    let room = room("a");
    let search = || history.search(&room, Query::parse("x").unwrap(), u64::MAX, 1);
    let others = Arc::clone(&history.searchers).try_acquire_many_owned(SEARCHERS as u32).unwrap();
    let begun = Instant::now();
    let waited = timeout(10 * SEARCH_WAIT, search()).await.expect("it waits without an end");
    assert_eq!(waited.unwrap_err(), Unavailable::Crowded);
    assert!(begun.elapsed() >= SEARCH_WAIT);
    drop(others);
    assert!(search().await.unwrap().is_empty(), "there is room again");
}
