//! Which known name somebody meant who wrote an unknown one.

/// Longer names are cut before they are compared: nobody means a short name with a long one.
const COMPARED_CHARS: usize = 16;

/// The known name most like `name`, whatever its case; of several the one nearest in length, then the first. `None` where
/// more than half of it would have to change.
pub(super) fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name: Vec<char> = name.chars().take(COMPARED_CHARS).map(|char| char.to_ascii_lowercase()).collect();
    let (unlikeness, _, likest) = known
        .iter()
        .map(|candidate| (unlikeness(&name, candidate), name.len().abs_diff(candidate.len()), *candidate))
        .min_by_key(|(unlikeness, difference, _)| (*unlikeness, *difference))?;
    (unlikeness * 2 <= name.len().max(likest.len())).then_some(likest)
}

/// Nothing for one that begins or ends the other (`temp`, `id`, `latitude`), else the number of edits between them.
fn unlikeness(name: &[char], known: &str) -> usize {
    let known: Vec<char> = known.chars().map(|char| char.to_ascii_lowercase()).collect();
    let (short, long) = if name.len() < known.len() { (name, &known[..]) } else { (&known[..], name) };
    if short.len() >= 2 && (long.starts_with(short) || long.ends_with(short)) {
        return 0;
    }
    edits(name, &known)
}

/// Insertions, deletions and replacements that make one of the other (Levenshtein), row by row.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (taken, char) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = taken + 1;
        for (at, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(char != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] = ["deviceId", "temperature", "lon", "lat", "location", "at", "readingId"];

    #[test]
    fn the_name_that_was_meant_is_named() {
        for (written, meant) in [
            ("DevId", "deviceId"),
            ("device_id", "deviceId"),
            ("Temp", "temperature"),
            ("temprature", "temperature"),
            ("Latitude", "lat"),
            ("longitude", "lon"),
            ("locaton", "location"),
            ("readingID", "readingId"),
            ("reading-id", "readingId"),
            ("AT", "at"),
        ] {
            assert_eq!(super::meant(written, &KNOWN), Some(meant), "{written}");
        }
    }

    #[test]
    fn nothing_was_meant_by_a_name_that_is_like_none() {
        for written in ["humidity", "x", "battery", "Wert"] {
            assert_eq!(meant(written, &KNOWN), None, "{written}");
        }
    }

    #[test]
    fn a_name_of_any_length_is_compared() {
        assert_eq!(meant("", &KNOWN), None);
        assert_eq!(meant(&"ü".repeat(1_000_000), &KNOWN), None);
    }
}
