//! A small random generator with a seed, so that a fleet is the same each time it is asked for.
//!
//! `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014), after Sebastiano
//! Vigna's public domain reference at <https://prng.di.unimi.it/splitmix64.c>. Not for secrets.

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A stream of its own for each combination of `parts`: what happens to device 7 in its hour 3 can be asked for
    /// at once, without having asked for the hours before.
    pub(crate) fn of(parts: &[u64]) -> Random {
        let state = parts.iter().fold(0, |state: u64, part| mix(state.wrapping_add(GOLDEN_GAMMA) ^ part));
        Random { state }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A number from 0 to below 1, in steps of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from `low` to below `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from 0 to below `end`, which is at least 1. The bias of at most `end` in 2^64 does not matter here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        // The published first outputs of splitmix64.c for the seed 1234567.
        let mut random = Random::seeded(1_234_567);
        let numbers: Vec<u64> = (0..5).map(|_| random.next_u64()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn a_number_below_an_end_takes_every_value_and_no_other() {
        let mut random = Random::seeded(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn other_parts_give_another_stream() {
        assert_ne!(Random::of(&[1, 2]).next_u64(), Random::of(&[2, 1]).next_u64());
        assert_ne!(Random::of(&[0]).next_u64(), Random::of(&[0, 0]).next_u64());
    }
}
