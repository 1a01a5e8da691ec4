//! Against a model that goes the other way: from every moment to what a clock on the wall shows, by rules written out here.

use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A zone whose clocks follow one rule for as long as it is modelled, 2008 to 2037.
#[derive(Clone, Copy, Debug)]
struct Modelled {
    name: &'static str,
    winter: i64,
    summer_begins: fn(i64) -> i64,
    summer_ends: fn(i64) -> i64,
    ahead_in_summer: i64,
}

/// The rules of the European Union, of the United States, of Lord Howe Island (half an hour, summer over New Year), and none.
const ZONES: [Modelled; 4] = [
    Modelled {
        name: "Europe/Amsterdam",
        winter: HOUR,
        summer_begins: |year| sunday(year, 3, 31, -1) + HOUR,
        summer_ends: |year| sunday(year, 10, 31, -1) + HOUR,
        ahead_in_summer: HOUR,
    },
    Modelled {
        name: "America/New_York",
        winter: -5 * HOUR,
        summer_begins: |year| sunday(year, 3, 8, 1) + 7 * HOUR,
        summer_ends: |year| sunday(year, 11, 1, 1) + 6 * HOUR,
        ahead_in_summer: HOUR,
    },
    Modelled {
        name: "Australia/Lord_Howe",
        winter: 10 * HOUR + HOUR / 2,
        summer_begins: |year| sunday(year, 10, 1, 1) + 2 * HOUR - (10 * HOUR + HOUR / 2),
        summer_ends: |year| sunday(year, 4, 1, 1) + 2 * HOUR - 11 * HOUR,
        ahead_in_summer: HOUR / 2,
    },
    Modelled { name: "Asia/Kolkata", winter: 5 * HOUR + HOUR / 2, summer_begins: |_| 0, summer_ends: |_| 0, ahead_in_summer: 0 },
];

/// Midnight UTC of the Sunday nearest to a day of a month, looking from it in one direction, that day included.
fn sunday(year: i64, month: i64, day: i64, direction: i64) -> i64 {
    let mut midnight = days_from_epoch(year, month, day);
    while (midnight + 4).rem_euclid(7) != 0 {
        midnight += direction;
    }
    midnight * DAY
}

impl Modelled {
    /// By how much its clocks are ahead of UTC at a moment.
    fn offset(self, moment: i64) -> i64 {
        let year = 1970 + moment.div_euclid(365 * DAY + DAY / 4);
        let (begins, ends) = ((self.summer_begins)(year), (self.summer_ends)(year));
        let is_summer = if begins < ends { begins <= moment && moment < ends } else { moment >= begins || moment < ends };
        self.winter + if is_summer { self.ahead_in_summer } else { 0 }
    }

    /// The moments at which its clocks show a local time (as milliseconds of a clock in UTC), earliest first.
    fn moments(self, local: i64) -> Vec<i64> {
        let offsets = [self.winter + self.ahead_in_summer, self.winter];
        let mut moments: Vec<i64> =
            offsets.into_iter().map(|offset| local - offset).filter(|moment| moment + self.offset(*moment) == local).collect();
        moments.dedup();
        moments
    }

    /// What a local time means to somebody who receives it at a moment.
    fn meaning(self, local: i64, received: i64) -> i64 {
        let moments = self.moments(local);
        let nearest = moments.iter().copied().min_by_key(|moment| ((moment - received).abs(), *moment));
        // A time that is never shown is moved on by the gap, to one that is.
        nearest.unwrap_or_else(|| self.meaning(local + self.ahead_in_summer, received))
    }
}

/// `2026-01-01 00:00:00`, from the milliseconds of a clock in UTC.
fn text(local: i64) -> String {
    let mut out = String::new();
    crate::text::write_timestamp(&mut out, Timestamp::from_unix_ms(local));
    out[..19].replace('T', " ")
}

fn read(zone: &str, local: &str, received: i64) -> Option<i64> {
    let clock = LocalClock::in_zone(zone).expect("a known zone");
    clock.read(local, Timestamp::from_unix_ms(received)).map(Timestamp::unix_ms)
}

fn any_zone() -> impl Strategy<Value = Modelled> {
    (0..ZONES.len()).prop_map(|at| ZONES[at])
}

/// Moments to the second, half of them near a change of the clocks.
fn any_moment(zone: Modelled) -> impl Strategy<Value = i64> {
    let anywhere = 1_199_145_600..2_145_000_000_i64;
    let near = (2008..2037_i64, any::<bool>(), -3 * 3600..3 * 3600_i64).prop_map(move |(year, begins, seconds)| {
        (if begins { (zone.summer_begins)(year) } else { (zone.summer_ends)(year) }) / 1000 + seconds
    });
    prop_oneof![anywhere, near]
        .prop_map(|seconds| seconds * 1000)
        .prop_filter("before the model begins", |moment| *moment > 1_199_145_600_000)
}

fn cases() -> impl Strategy<Value = (Modelled, i64, i64)> {
    any_zone().prop_flat_map(|zone| (Just(zone), any_moment(zone), -3 * HOUR..3 * HOUR)).prop_map(|(zone, moment, later)| {
        // What a clock shows, or half an hour that it leaves out: the model's hour is written as in the other season.
        let local = moment + if later % 2 == 0 { zone.offset(moment) } else { zone.winter };
        (zone, local, moment + later)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_local_time_means_what_the_model_says((zone, local, received) in cases()) {
        prop_assert_eq!(read(zone.name, &text(local), received), Some(zone.meaning(local, received)), "{} {}", zone.name, text(local));
    }

    #[test]
    fn what_a_clock_shows_now_means_now((zone, moment) in any_zone().prop_flat_map(|zone| (Just(zone), any_moment(zone)))) {
        prop_assert_eq!(read(zone.name, &text(moment + zone.offset(moment)), moment), Some(moment));
    }

    #[test]
    fn any_text_is_a_time_or_none(text in ".{0,24}", received: i64) {
        let _ = read("Europe/Amsterdam", &text, received);
    }

    #[test]
    fn any_digits_are_a_time_or_none(text in "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", received: i64) {
        let _ = read("America/New_York", &text, received);
    }
}

#[test]
fn an_hour_that_the_clock_shows_twice_is_the_one_nearer_to_receipt() {
    // 2026-10-25: at 01:00 UTC the clocks of Amsterdam go back from 03:00 to 02:00.
    let (earlier, later) = (1_792_888_200_000, 1_792_891_800_000);
    for (received, expected) in [
        (earlier + 1000, earlier),
        (later + 1000, later),
        (later + DAY, later),
        (earlier - DAY, earlier),
        (i64::midpoint(earlier, later), earlier),
        (i64::midpoint(earlier, later) + 1, later),
    ] {
        assert_eq!(read("Europe/Amsterdam", "2026-10-25 02:30:00", received), Some(expected), "received at {received}");
    }
}

#[test]
fn a_time_that_the_clock_leaves_out_is_moved_on_by_the_gap() {
    let moved = read("Europe/Amsterdam", "2026-03-29 02:30:00", 0);
    assert_eq!(moved, read("Europe/Amsterdam", "2026-03-29 03:30:00", 0));
    assert_eq!(moved, Some(1_774_747_800_000));
}

#[test]
fn every_part_has_to_be_there_and_in_its_place() {
    assert_eq!(read("UTC", "2026-01-01 00:00:00", 0), Some(1_767_225_600_000));
    assert_eq!(read("UTC", "0000-01-01 00:00:00", 0), Some(-62_167_219_200_000));
    assert_eq!(read("Asia/Kolkata", "9999-12-31 23:59:59", 0), Some(253_402_300_799_000 - 11 * HOUR / 2));
    for text in [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00",
        "2026-01-01 00:00:00.5",
        "2026-01-01 00:00:00Z",
        "2026-01-01 24:00:00",
        "2026-01-01 00:60:00",
        "2026-01-01 00:00:60",
        "2026-13-01 00:00:00",
        "2026-02-29 00:00:00",
        "2026-1-01 000:00:00",
        " 026-01-01 00:00:00",
        "2026-01-01 00:00:0٣",
    ] {
        assert_eq!(read("UTC", text, 0), None, "{text}");
    }
}

#[test]
fn a_zone_that_nobody_knows_is_said_by_name() {
    let error = LocalClock::in_zone("Mars/Olympus").expect_err("no such zone");
    assert_eq!(error.to_string(), "no time zone is known as \"Mars/Olympus\"; names are those of IANA, such as Europe/Amsterdam");
}
