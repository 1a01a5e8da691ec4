//! Which of the forms that can be had a client would like best.

use axum::http::{HeaderMap, header};

/// The place of the form that `Accept` likes best; the first one when it likes none, or several equally.
///
/// Nobody is refused for what `Accept` says: a client that asked for something else gets JSON, and sees from its type that
/// it is.
pub(crate) fn preferred(headers: &HeaderMap, offered: &[&str]) -> usize {
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut best = (0, 0);
    for (place, form) in offered.iter().enumerate() {
        let quality = quality(&accepted, form);
        if quality > best.1 {
            best = (place, quality);
        }
    }
    best.0
}

/// How much a form is liked, in thousandths: by the range that names it most closely.
fn quality(accepted: &[&str], form: &str) -> u32 {
    let main = form.split('/').next().unwrap_or_default();
    let mut closest = (0, 0);
    for range in accepted.iter().flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let closeness = if name.eq_ignore_ascii_case(form) {
            3
        } else if name.strip_suffix("/*").is_some_and(|name| name.eq_ignore_ascii_case(main)) {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
        if closeness > closest.0 {
            closest = (closeness, (quality.clamp(0.0, 1.0) * 1000.0) as u32);
        }
    }
    closest.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_form_that_is_liked_best_is_given_and_the_first_one_in_doubt() {
        let offered = ["application/json", "application/geo+json", "text/csv"];
        for (accept, expected) in [
            ("application/geo+json", 1),
            ("text/csv", 2),
            ("*/*", 0),
            ("text/html", 0),
            ("text/*", 2),
            ("application/json;q=0.5, application/geo+json", 1),
            ("application/geo+json;q=0.1, */*;q=0.9", 0),
            ("*/*;q=0", 0),
            ("nonsense", 0),
            ("Text/CSV;charset=utf-8", 2),
            ("text/csv;q=NaN, application/geo+json;q=0.2", 1),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(preferred(&headers, &offered), expected, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new(), &offered), 0);
    }
}
