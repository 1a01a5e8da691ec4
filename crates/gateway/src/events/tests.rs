//! Pages of a history that is known whole.

use super::*;
use crate::fakes::FakeStore;
use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumber, Location, Timestamp};
use fieldwatch_event_store::LateReading;

const DEVICE: DeviceNumber = DeviceNumber::from_u32(0);

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_225_600_000 + second as i64 * 1000)
}

/// An event each second, at positions 10, 20, 30 …; every fifth is `DeviceIsBack`; a late reading after each tenth.
fn store(events: u64) -> FakeStore {
    let mut store = FakeStore::default();
    for number in 1..=events {
        let event = if number % 5 == 0 {
            DeviceEvent::IsBack { silent_since: at(0) }
        } else {
            DeviceEvent::GoneSilent { last_seen: at(0) }
        };
        store.entries.push(HistoryEntry::Event(RecordedEvent {
            device: DEVICE,
            version: number,
            position: number * 10,
            at: at(number),
            recorded_at: at(number),
            received_at: at(number),
            reading_id: None,
            event,
        }));
        if number % 10 == 0 {
            store.entries.push(HistoryEntry::Late(LateReading {
                device: DEVICE,
                position: number * 10 + 1,
                at: at(1),
                received_at: at(number),
                temperature: Celsius::from_stored(0),
                location: Location::from_stored(0, 0),
                reading_id: fieldwatch_domain::ReadingId::given(number),
            }));
        }
    }
    store
}

async fn page(store: &FakeStore, query: &str) -> Result<(Vec<u64>, Option<String>), Problem> {
    let query = Query::of(&format!("/x?{query}").parse().expect("a URI")).expect("percent-encoded UTF-8");
    let asked = Asked::of(query)?;
    let max_ahead = Duration::from_mins(5);
    let (found, next) = match asked.order {
        Order::NewestFirst => newest_first(&mut Walk::new(store, DEVICE, asked.after, asked.limit + 1), &asked, max_ahead).await?,
        Order::OldestFirst => oldest_first(&mut Walk::new(store, DEVICE, None, usize::MAX), &asked, max_ahead).await?,
    };
    Ok((found.iter().map(|event| event.version).collect(), next.map(|next| asked.order.cursor(next).trim_matches('"').to_owned())))
}

async fn all_pages(store: &FakeStore, query: &str) -> Vec<u64> {
    let (mut all, mut next) = page(store, query).await.expect("a page");
    while let Some(cursor) = next {
        let (more, then) = page(store, &format!("{query}&cursor={cursor}")).await.expect("a page");
        all.extend(more);
        next = then;
    }
    all
}

#[tokio::test]
async fn pages_follow_one_another_without_hole_or_double_in_both_orders() {
    let store = store(1_500);
    let oldest: Vec<u64> = (1..=1_500).collect();
    let newest: Vec<u64> = (1..=1_500).rev().collect();
    for limit in [7, 100, 750, 1000] {
        assert_eq!(all_pages(&store, &format!("limit={limit}")).await, newest, "limit {limit}");
        assert_eq!(all_pages(&store, &format!("order=asc&limit={limit}")).await, oldest, "limit {limit}");
    }
}

#[tokio::test]
async fn the_last_page_has_no_cursor_even_when_it_is_full() {
    for query in ["limit=40", "order=asc&limit=40", "limit=8&types=DeviceIsBack", "order=asc&limit=8&types=DeviceIsBack"] {
        let (found, next) = page(&store(40), query).await.expect("a page");
        assert!(!found.is_empty() && next.is_none(), "{query}");
    }
}

#[tokio::test]
async fn from_is_included_and_to_is_not() {
    let store = store(40);
    let range = "from=2026-01-01T00:00:05Z&to=2026-01-01T00:00:08Z";
    assert_eq!(page(&store, range).await.expect("a page").0, [7, 6, 5]);
    assert_eq!(page(&store, &format!("order=asc&{range}")).await.expect("a page").0, [5, 6, 7]);
    assert_eq!(page(&store, "from=2027-01-01T00:00:00Z").await.expect("a page"), (vec![], None));
}

#[tokio::test]
async fn a_range_before_what_is_kept_is_gone() {
    let mut store = store(40);
    store.cut_before = Some(10);
    for order in ["asc", "desc"] {
        let problem = page(&store, &format!("order={order}&to=2026-01-01T00:00:01Z")).await.expect_err("nothing of it is kept");
        assert_eq!(problem.status(), StatusCode::GONE);
        assert!(problem.to_json().contains(r#""earliest":"2026-01-01T00:00:01.000Z""#), "{}", problem.to_json());
        assert_eq!(page(&store, &format!("order={order}&to=2026-01-01T00:00:02Z")).await.expect("a page").0, [1]);
    }
    store.cut_before = None;
    assert_eq!(page(&store, "to=2026-01-01T00:00:01Z").await.expect("nothing was cut"), (vec![], None));
}

#[tokio::test]
async fn a_cursor_belongs_to_its_order() {
    let store = store(40);
    for wrong in ["order=up", "cursor=nonsense", "cursor=%00", "cursor=d", "cursor=d+1", "order=asc&cursor=d10", "cursor=a10"] {
        assert_eq!(page(&store, wrong).await.expect_err("it is refused").status().as_u16(), 422, "{wrong}");
    }
}
