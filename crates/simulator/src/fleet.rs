//! A fleet that does not exist: what each of its devices would report at each moment.
//!
//! Everything is a function of the seed, the device's number and the moment. Nothing is remembered between readings, so a million
//! devices take no memory, a reading can be asked for out of order, and a run can be repeated.

mod cold_chain;
mod commute;
mod original;
mod regions;
mod route;

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::random::Random;
use route::Route;

/// How the devices of a fleet behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Vehicles that drive closed routes in a dozen regions of the world, with the air of their cabin.
    Commute,
    /// Refrigerated trucks, vans and containers: fridges that cycle, doors that open, and now and then a failure.
    ColdChain,
    /// The mix of the original system's load script, posted to its own endpoint: of 161 reports 158 repeat the same values, two
    /// bring another temperature and one another location.
    Original,
}

/// The name of a profile that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not a profile: commute, cold-chain and original are")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Profile, UnknownProfile> {
        match text {
            "commute" => Ok(Profile::Commute),
            "cold-chain" => Ok(Profile::ColdChain),
            "original" => Ok(Profile::Original),
            _ => Err(UnknownProfile(text.to_owned())),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Profile::Commute => "commute",
            Profile::ColdChain => "cold-chain",
            Profile::Original => "original",
        })
    }
}

/// What one device reports at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedReading {
    /// The id of the device, such as `truck-0001`.
    pub device_id: String,
    /// In °C, with at most two decimals.
    pub temperature: f64,
    /// In degrees north, with at most seven decimals.
    pub lat: f64,
    /// In degrees east, with at most seven decimals.
    pub lon: f64,
}

impl SimulatedReading {
    /// Appends the reading as `POST /api/v1/readings` takes it, without a time: the devices of the fleet have no clock.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write(out, ["{\"deviceId\":", ",\"temperature\":", ",\"lat\":", ",\"lon\":"]);
    }

    /// Appends the reading in the original form, as `POST /event` takes it.
    pub fn write_original_json(&self, out: &mut Vec<u8>) {
        self.write(out, ["{\"DevId\":", ",\"Temp\":", ",\"Lat\":", ",\"Lon\":"]);
    }

    fn write(&self, out: &mut Vec<u8>, [id, temperature, lat, lon]: [&str; 4]) {
        out.extend_from_slice(id.as_bytes());
        serde_json::to_writer(&mut *out, &self.device_id).expect("text is written to memory without an error");
        // Display of f64 is the shortest decimal and has no exponent, as the contract wants its numbers.
        write!(out, "{temperature}{}{lat}{}{lon}{}}}", self.temperature, self.lat, self.lon)
            .expect("numbers are written to memory without an error");
    }
}

/// A number of devices that behave after one profile.
#[derive(Debug, Clone)]
pub struct Fleet {
    profile: Profile,
    devices: u32,
    seed: u64,
    id_prefix: String,
    routes: Vec<Route>,
}

impl Fleet {
    /// A fleet of `devices` devices. The same arguments give the same fleet.
    pub fn new(profile: Profile, devices: u32, seed: u64) -> Fleet {
        let routes = match profile {
            Profile::Commute | Profile::ColdChain => regions::routes(seed),
            Profile::Original => Vec::new(),
        };
        Fleet { profile, devices, seed, id_prefix: String::new(), routes }
    }

    /// The same fleet with `id_prefix` before each device's id.
    #[must_use]
    pub fn with_id_prefix(mut self, id_prefix: impl Into<String>) -> Fleet {
        self.id_prefix = id_prefix.into();
        self
    }

    /// How many devices there are.
    pub fn devices(&self) -> u32 {
        self.devices
    }

    /// How the devices behave.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The id of the device with the number `device`, from 0.
    pub fn device_id(&self, device: u32) -> String {
        let kind = match self.profile {
            Profile::Commute => commute::kind(device),
            Profile::ColdChain => cold_chain::kind(device).id_prefix(),
            Profile::Original => original::ID_PREFIX,
        };
        // Numbered from 1, as people do; wider than four digits where there are more devices.
        format!("{}{kind}-{:04}", self.id_prefix, u64::from(device) + 1)
    }

    /// What the device with the number `device` reports `elapsed` after the start, as its report number `step`, from 0.
    pub fn reading(&self, device: u32, step: u64, elapsed: Duration) -> SimulatedReading {
        let values = match self.profile {
            Profile::Commute => commute::values(&self.routes, self.seed, device, elapsed),
            Profile::ColdChain => cold_chain::values(&self.routes, self.seed, device, elapsed),
            Profile::Original => original::values(self.seed, device, step),
        };
        SimulatedReading {
            device_id: self.device_id(device),
            temperature: rounded(values.temperature, 1e2),
            lat: rounded(values.lat, 1e7),
            lon: rounded(values.lon, 1e7),
        }
    }
}

/// What a profile says of one device at one moment, not rounded yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Values {
    temperature: f64,
    lat: f64,
    lon: f64,
}

/// Which of a device's properties a random stream decides, so that no two of them follow each other.
#[derive(Debug, Clone, Copy)]
enum Trait {
    Journey = 1,
    Climate = 2,
    Doors = 3,
    Failures = 4,
    Changes = 5,
    Temperatures = 6,
    Locations = 7,
}

fn random(seed: u64, device: u32, property: Trait, number: u64) -> Random {
    Random::of(&[seed, u64::from(device), property as u64, number])
}

fn rounded(value: f64, scale: f64) -> f64 {
    // Adding zero turns -0 into 0.
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROFILES: [Profile; 3] = [Profile::Commute, Profile::ColdChain, Profile::Original];

    fn decimals(number: f64) -> usize {
        number.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
    }

    proptest! {
        #[test]
        fn a_reading_is_the_same_whenever_it_is_asked_for_and_is_one_a_server_takes(
            seed: u64, device: u32, step in 0_u64..1_000_000, millis in 0_u64..400_000_000
        ) {
            for profile in PROFILES {
                let elapsed = Duration::from_millis(millis);
                let reading = Fleet::new(profile, 10, seed).reading(device, step, elapsed);
                prop_assert_eq!(&reading, &Fleet::new(profile, 10, seed).reading(device, step, elapsed));
                prop_assert!((-60.0..=60.0).contains(&reading.temperature), "{:?}", reading);
                prop_assert!((-90.0..=90.0).contains(&reading.lat) && (-180.0..=180.0).contains(&reading.lon));
                prop_assert!(decimals(reading.temperature) <= 2 && decimals(reading.lat) <= 7 && decimals(reading.lon) <= 7);
            }
        }
    }

    #[test]
    fn another_seed_gives_another_fleet() {
        for profile in PROFILES {
            let (one, other) = (Fleet::new(profile, 50, 1), Fleet::new(profile, 50, 2));
            let same = (0..50).filter(|&device| one.reading(device, 0, Duration::ZERO) == other.reading(device, 0, Duration::ZERO));
            assert_eq!(same.count(), 0, "{profile}");
        }
    }

    #[test]
    fn ids_are_unique_and_name_the_kind_of_the_device() {
        for profile in PROFILES {
            let fleet = Fleet::new(profile, 20_000, 1);
            let mut ids: Vec<String> = (0..20_000).map(|device| fleet.device_id(device)).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 20_000, "{profile}");
        }
        assert_eq!(Fleet::new(Profile::Commute, 1, 1).with_id_prefix("demo-").device_id(0), "demo-truck-0001");
        assert_eq!(Fleet::new(Profile::Original, 1, 1).device_id(u32::MAX), "AL-4294967296");
    }

    #[test]
    fn a_reading_is_written_in_both_forms() {
        let reading = SimulatedReading { device_id: "a\"b".to_owned(), temperature: rounded(-0.001, 1e2), lat: 1e-7, lon: 45.5 };
        let (mut json, mut original) = (Vec::new(), Vec::new());
        reading.write_json(&mut json);
        reading.write_original_json(&mut original);
        assert_eq!(String::from_utf8(json).expect("text"), r#"{"deviceId":"a\"b","temperature":0,"lat":0.0000001,"lon":45.5}"#);
        assert_eq!(String::from_utf8(original).expect("text"), r#"{"DevId":"a\"b","Temp":0,"Lat":0.0000001,"Lon":45.5}"#);
    }

    #[test]
    fn a_profile_is_named_as_it_is_read() {
        for profile in PROFILES {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("k6".parse::<Profile>().is_err());
    }
}
