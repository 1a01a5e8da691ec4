//! Lists agree with a naive model: collect, filter, sort, cut.

use fieldwatch_directory::{Bbox, Cursor, DeviceView, Directory, DirectoryOptions, ListQuery, Sort, SortKey, Status};
use fieldwatch_domain::{
    Celsius, Description, Device, DeviceId, DeviceNumbers, Location, Presence, RecentIds, Timestamp, Tracking,
};
use fieldwatch_event_store::{DeviceState, Recovered};
use proptest::prelude::*;
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::Duration};

const KEYS: [SortKey; 7] = [
    SortKey::DeviceId,
    SortKey::Temperature,
    SortKey::LastSeen,
    SortKey::ReceivedAt,
    SortKey::Version,
    SortKey::Name,
    SortKey::Status,
];

/// The directory's clock; of the times of receipt below, some are idle then and some are not.
const NOW: i64 = 1_003;

#[derive(Clone, Debug)]
struct Seed {
    presence: Presence,
    temperature: i32,
    location: (i32, i32),
    name: Option<String>,
    labels: Vec<String>,
    times: (i64, i64),
    version: u64,
}

fn any_seed() -> impl Strategy<Value = Seed> {
    let presence = prop_oneof![
        1 => Just(Presence::Unknown),
        5 => Just(Presence::Present),
        2 => Just(Presence::Silent { since: Timestamp::EPOCH })
    ];
    let name = prop::option::of(prop::sample::select(vec!["Truck", "truck 2", "Kühlwagen", "KÜHL", "ΟΔΟΣ"]));
    let labels = prop::sample::subsequence(vec!["north".to_owned(), "Süd".into(), "cold".into()], 0..=3);
    // Devices keep off the date line itself, which has two names; boxes do not.
    (presence, -3..3i32, (-3..=3i32, -5..=5i32), name, labels, (0..4i64, 0..8i64), 1..4u64).prop_map(
        |(presence, temperature, location, name, labels, times, version)| Seed {
            presence,
            temperature,
            location: (location.0 * 300_000_000, location.1 * 300_000_000),
            name: name.map(Into::into),
            labels,
            times,
            version,
        },
    )
}

fn any_fleet() -> impl Strategy<Value = BTreeMap<String, Seed>> {
    prop::collection::btree_map("[abAB]{1,3}|[a-c]ü[0-9]", any_seed(), 0..60)
}

fn any_query() -> impl Strategy<Value = ListQuery> {
    let bbox = prop::option::of((-6..=6i32, -3..=3i32, -6..=6i32, -3..=3i32).prop_map(|(west, south, east, north)| Bbox {
        west: west * 300_000_000,
        south: south.min(north) * 300_000_000,
        east: east * 300_000_000,
        north: south.max(north) * 300_000_000,
    }));
    let labels = prop::sample::subsequence(vec!["north".to_owned(), "Süd".into(), "nowhere".into()], 0..=2);
    let text = prop::option::of(prop::sample::select(vec!["", "a", "B", "ü", "TRUCK", "kühl", "οδος", "sÜD", "zz"]));
    let sort = (prop::sample::select(KEYS.to_vec()), any::<bool>()).prop_map(|(key, descending)| Sort { key, descending });
    let temperatures = (prop::option::of(-3..3i32), prop::option::of(-3..3i32));
    let statuses = prop::sample::subsequence(Status::ALL.to_vec(), 0..=3);
    // Filters are mostly absent, else they mostly leave nothing over.
    let rarely = |percent: f64| prop::bool::weighted(percent);
    let used = (rarely(0.3), rarely(0.3), rarely(0.3), rarely(0.3), rarely(0.3));
    (bbox, labels, statuses, temperatures, text, sort, 1..20usize, used).prop_map(
        |(bbox, labels, statuses, (min, max), text, sort, limit, used)| ListQuery {
            bbox: bbox.filter(|_| used.0),
            labels: if used.1 { labels } else { Vec::new() },
            statuses: if used.2 { statuses } else { Vec::new() },
            min_temperature: min.filter(|_| used.3).map(Celsius::from_stored),
            max_temperature: max.filter(|_| used.3).map(Celsius::from_stored),
            text: text.filter(|_| used.4).map(Into::into),
            sort,
            limit,
            after: None,
        },
    )
}

fn filled(fleet: &BTreeMap<String, Seed>) -> Directory {
    let numbers = Arc::new(DeviceNumbers::default());
    let clock = Arc::new(|| Timestamp::from_unix_ms(NOW));
    let directory = Directory::new(DirectoryOptions { idle_after: Some(Duration::from_secs(1)), clock }, Arc::clone(&numbers));
    for (id, seed) in fleet {
        let description = Description::new(seed.name.as_deref(), &seed.labels).expect("a valid description");
        let place = Location::from_stored(seed.location.0, seed.location.1);
        let temperature = Celsius::from_stored(seed.temperature);
        let device =
            Device::from_stored(seed.version, seed.presence, temperature, temperature, place, place, Some(Box::new(description)));
        let tracking = Tracking {
            newest_at: Timestamp::from_unix_ms(seed.times.0),
            received_at: Timestamp::from_unix_ms(seed.times.1),
            late_readings: 3,
            recent_ids: RecentIds::default(),
        };
        directory.recovered(&Recovered::Device(numbers.number(id), DeviceState { device, tracking }));
    }
    directory.caught_up(99);
    directory
}

/// What the list should be, all pages together.
fn expected(directory: &Directory, fleet: &BTreeMap<String, Seed>, query: &ListQuery) -> Vec<DeviceView> {
    let mut devices: Vec<DeviceView> =
        fleet.keys().filter_map(|id| directory.find(id)).filter(|view| asked_for(view, query)).collect();
    devices.sort_by(|one, other| {
        let ids = one.id.cmp(&other.id);
        let keys = compare(one, other, query.sort.key);
        match (query.sort.key, query.sort.descending) {
            (SortKey::DeviceId, true) => ids.reverse(),
            (_, true) => keys.reverse().then(ids),
            (_, false) => keys.then(ids),
        }
    });
    devices
}

fn asked_for(view: &DeviceView, query: &ListQuery) -> bool {
    let described = &view.description;
    let texts = || std::iter::once(view.id.as_str()).chain(described.name()).chain(described.labels().iter().map(|label| &**label));
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let longitude = view.row.location.longitude();
    query.bbox.is_none_or(|bbox| {
        // Longitudes are compared by how far east of the western edge they lie; the whole globe is all around.
        let east_of_edge = |longitude: i32| (i64::from(longitude) - i64::from(bbox.west)).rem_euclid(3_600_000_000);
        let around = bbox.west == -1_800_000_000 && bbox.east == 1_800_000_000;
        let inside = around || east_of_edge(longitude) <= east_of_edge(bbox.east);
        inside && (bbox.south..=bbox.north).contains(&view.row.location.latitude())
    }) && (query.labels.is_empty() || query.labels.iter().any(|label| described.labels().iter().any(|own| **own == **label)))
        && (query.statuses.is_empty() || query.statuses.contains(&view.row.status))
        && query.min_temperature.is_none_or(|least| view.row.temperature >= least)
        && query.max_temperature.is_none_or(|most| view.row.temperature <= most)
        && query.text.as_deref().is_none_or(|text| texts().any(|own| lower(own).contains(&lower(text))))
}

fn compare(one: &DeviceView, other: &DeviceView, key: SortKey) -> Ordering {
    match key {
        SortKey::DeviceId => one.id.cmp(&other.id),
        SortKey::Temperature => one.row.temperature.cmp(&other.row.temperature),
        SortKey::LastSeen => one.row.last_seen.cmp(&other.row.last_seen),
        SortKey::ReceivedAt => one.row.received_at.cmp(&other.row.received_at),
        SortKey::Version => one.row.version.cmp(&other.row.version),
        SortKey::Name => one.description.name().cmp(&other.description.name()),
        SortKey::Status => (one.row.status.number()).cmp(&other.row.status.number()),
    }
}

fn all_pages(directory: &Directory, query: &ListQuery) -> Vec<DeviceView> {
    let mut query = query.clone();
    let mut devices = Vec::new();
    loop {
        let page = directory.list(&query);
        assert_eq!(page.position, 99);
        assert!(page.devices.len() <= query.limit);
        assert!(page.next.is_none() || page.devices.len() == query.limit, "only the last page is short");
        devices.extend(page.devices);
        let Some(next) = page.next else { return devices };
        query.after = Some(Cursor::from_text(&next.to_text(), query.sort).expect("a cursor of this list"));
    }
}

proptest! {
    #[test]
    fn pages_together_are_the_list_of_the_model(fleet in any_fleet(), query in any_query()) {
        let directory = filled(&fleet);
        prop_assert_eq!(all_pages(&directory, &query), expected(&directory, &fleet, &query));
    }

    #[test]
    fn every_order_is_the_order_of_the_model(fleet in any_fleet(), limit in 1..70usize) {
        let directory = filled(&fleet);
        for key in KEYS {
            for descending in [false, true] {
                let query = ListQuery { sort: Sort { key, descending }, limit, ..ListQuery::default() };
                prop_assert_eq!(all_pages(&directory, &query), expected(&directory, &fleet, &query));
            }
        }
    }
}

#[test]
fn a_device_that_comes_while_pages_are_read_doubles_and_hides_nobody() {
    let numbers = Arc::new(DeviceNumbers::default());
    let options = DirectoryOptions { idle_after: None, clock: Arc::new(|| Timestamp::EPOCH) };
    let directory = Directory::new(options, Arc::clone(&numbers));
    let add = |id: &str| {
        let zero = Celsius::from_stored(0);
        let place = Location::from_stored(0, 0);
        let device = Device::from_stored(1, Presence::Present, zero, zero, place, place, None);
        directory.recovered(&Recovered::Device(numbers.number(id), DeviceState { device, tracking: Tracking::default() }));
    };
    ["b", "d", "f"].into_iter().for_each(add);
    let mut query = ListQuery { limit: 2, ..ListQuery::default() };
    let ids = |devices: &[DeviceView]| devices.iter().map(|view| view.id.clone()).collect::<Vec<DeviceId>>();
    let first = directory.list(&query);
    assert_eq!(ids(&first.devices), ["b", "d"].map(|id| DeviceId::new(id).expect("a valid id")));
    ["a", "e"].into_iter().for_each(add);
    query.after = first.next;
    assert_eq!(ids(&directory.list(&query).devices), ["e", "f"].map(|id| DeviceId::new(id).expect("a valid id")));
}
