//! The mix of the original system's load script: of 161 reports of a device, two bring another temperature and one
//! another location; all others repeat what was reported before.

use super::{Trait, Values, random};

pub(super) const ID_PREFIX: &str = "AL";
const ACTIONS_PER_ROUND: u64 = 161;

/// What the device reports the `step`th time.
pub(super) fn values(seed: u64, device: u32, step: u64) -> Values {
    let round = step / ACTIONS_PER_ROUND;
    let action = step % ACTIONS_PER_ROUND;
    let [first, second, third] = changes(seed, device, round);
    let temperatures = 2 * round + u64::from(action >= first) + u64::from(action >= second);
    let locations = round + u64::from(action >= third);
    let mut place = random(seed, device, Trait::Locations, locations);
    Values {
        temperature: random(seed, device, Trait::Temperatures, temperatures).between(0.0, 50.0),
        lat: place.between(-90.0, 90.0),
        lon: place.between(-180.0, 180.0),
    }
}

/// In which actions of a round the values change: twice the temperature, once the location; all three differ.
fn changes(seed: u64, device: u32, round: u64) -> [u64; 3] {
    let mut random = random(seed, device, Trait::Changes, round);
    // Three different numbers out of as many as there are actions, without trying again: each draw skips those before.
    let first = random.below(ACTIONS_PER_ROUND);
    let second = (first + 1 + random.below(ACTIONS_PER_ROUND - 1)) % ACTIONS_PER_ROUND;
    let (low, high) = (first.min(second), first.max(second));
    let mut third = random.below(ACTIONS_PER_ROUND - 2);
    third += u64::from(third >= low);
    third += u64::from(third >= high);
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_161_reports_158_repeat_two_change_the_temperature_and_one_the_location() {
        for device in 0..20 {
            for round in 0..20 {
                // The first report of all has nothing before it.
                let steps = (round * ACTIONS_PER_ROUND..(round + 1) * ACTIONS_PER_ROUND).filter(|step| *step > 0);
                let (mut temperatures, mut locations, mut repeats) = (0, 0, 0);
                for step in steps {
                    let (before, now) = (values(5, device, step - 1), values(5, device, step));
                    let warmer = before.temperature.to_bits() != now.temperature.to_bits();
                    let moved = (before.lat.to_bits(), before.lon.to_bits()) != (now.lat.to_bits(), now.lon.to_bits());
                    assert!(!(warmer && moved), "device {device} step {step}: both changed at once");
                    temperatures += u64::from(warmer);
                    locations += u64::from(moved);
                    repeats += u64::from(!warmer && !moved);
                }
                let lost_at_the_start = u64::from(round == 0) * u64::from(changes(5, device, 0).contains(&0));
                assert_eq!(temperatures + locations, 3 - lost_at_the_start, "device {device} round {round}");
                assert!(locations <= 1 && repeats >= 157, "device {device} round {round}");
            }
        }
    }
}
