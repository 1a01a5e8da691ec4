//! Which known name somebody meant who wrote an unknown one.

use strsim::damerau_levenshtein;

/// What a letter off costs, so that a right key in a wrong section can cost less than two letters.
const LETTER: usize = 2;
const WRONG_SECTION: usize = 3;

/// The known name nearest to `unknown`; `separator` divides sections from keys.
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>, separator: &str) -> Option<&'a str> {
    known.into_iter().min_by_key(|candidate| distance(unknown, candidate, separator))
}

fn distance(unknown: &str, candidate: &str, separator: &str) -> usize {
    let as_a_whole = LETTER * damerau_levenshtein(unknown, candidate);
    let by_last_part = LETTER * damerau_levenshtein(last_part(unknown, separator), last_part(candidate, separator));
    as_a_whole.min(by_last_part + WRONG_SECTION)
}

fn last_part<'a>(name: &'a str, separator: &str) -> &'a str {
    name.rsplit_once(separator).map_or(name, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["data_dir", "server", "server.listen", "devices.silent_after", "queue.rabbitmq.url"];

    #[test]
    fn a_slip_of_the_hand_and_a_forgotten_section_both_find_the_key() {
        for (unknown, meant) in [
            ("sever", "server"),
            ("server.lisetn", "server.listen"),
            ("listen", "server.listen"),
            ("device.silent_after", "devices.silent_after"),
            ("silent_afer", "devices.silent_after"),
            ("datadir", "data_dir"),
            ("rabbitmq.url", "queue.rabbitmq.url"),
        ] {
            assert_eq!(nearest(unknown, KNOWN, "."), Some(meant), "{unknown}");
        }
    }
}
