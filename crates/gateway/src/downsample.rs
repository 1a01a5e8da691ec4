//! Fewer points that tell the same story.

/// The places of at most `most` points that stand for all: the first, the last, and of each stretch between them the one
/// that sticks out most.
///
/// Largest triangle three buckets (Steinarsson, 2013), in all dimensions at once, each scaled to its own range: so turns of a
/// way and spikes of a temperature stay, which taking every n-th point would lose. With `most` below 3 only ends are kept,
/// of which the last is the more important.
pub(crate) fn largest_triangles<const D: usize>(points: &[[f64; D]], most: usize) -> Vec<usize> {
    let last = points.len().saturating_sub(1);
    if points.len() <= most {
        return (0..points.len()).collect();
    }
    match most {
        0 => return Vec::new(),
        1 => return vec![last],
        2 => return vec![0, last],
        _ => {}
    }
    let scale = scales(points);
    let stretches = most - 2;
    let begin_of = |stretch: usize| 1 + stretch * (points.len() - 2) / stretches;
    let mut chosen = vec![0];
    let mut before = points[0];
    for stretch in 0..stretches {
        let (begin, end) = (begin_of(stretch), begin_of(stretch + 1));
        let after = if stretch + 1 == stretches { points[last] } else { mean(&points[end..begin_of(stretch + 2)]) };
        let mut largest = (begin, -1.0);
        for (place, point) in points.iter().enumerate().take(end).skip(begin) {
            let area = squared_area(&before, point, &after, &scale);
            if area > largest.1 {
                largest = (place, area);
            }
        }
        chosen.push(largest.0);
        before = points[largest.0];
    }
    chosen.push(last);
    chosen
}

/// One over the range of each dimension; 0 for one that does not vary.
fn scales<const D: usize>(points: &[[f64; D]]) -> [f64; D] {
    std::array::from_fn(|axis| {
        let values = points.iter().map(|point| point[axis]);
        let (least, greatest) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(value), greatest.max(value)));
        if greatest > least { 1.0 / (greatest - least) } else { 0.0 }
    })
}

fn mean<const D: usize>(points: &[[f64; D]]) -> [f64; D] {
    std::array::from_fn(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}

/// Four times the squared area of the triangle, which orders triangles as their areas do.
fn squared_area<const D: usize>(from: &[f64; D], over: &[f64; D], to: &[f64; D], scale: &[f64; D]) -> f64 {
    let (mut uu, mut vv, mut uv) = (0.0, 0.0, 0.0);
    for axis in 0..D {
        let u = (over[axis] - from[axis]) * scale[axis];
        let v = (to[axis] - from[axis]) * scale[axis];
        uu += u * u;
        vv += v * v;
        uv += u * v;
    }
    uu * vv - uv * uv
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spike_is_kept_among_many_quiet_points() {
        let points: Vec<[f64; 2]> = (0..1000).map(|at| [f64::from(at), if at == 637 { 50.0 } else { 20.0 }]).collect();
        let chosen = largest_triangles(&points, 20);
        assert_eq!(chosen.len(), 20);
        assert!(chosen.contains(&637), "{chosen:?}");
    }

    proptest! {
        #[test]
        fn first_and_last_are_kept_in_order_and_never_more_than_wanted(
            values in prop::collection::vec(-1e3..1e3, 0..300),
            most in 2_usize..50,
        ) {
            let points: Vec<[f64; 2]> = values.iter().enumerate().map(|(at, value)| [at as f64, *value]).collect();
            let chosen = largest_triangles(&points, most);
            prop_assert_eq!(chosen.len(), points.len().min(most));
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            if !points.is_empty() {
                prop_assert_eq!((chosen.first(), chosen.last()), (Some(&0), Some(&(points.len() - 1))));
            }
        }
    }
}
