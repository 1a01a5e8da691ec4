//! Distances on a sphere by vectors instead of haversines.

use fieldwatch_domain::Location;

/// Great-circle distance in kilometres: the angle whose sine is the length of the cross product of two unit vectors and
/// whose cosine is their dot product.
///
/// Source: Vincenty, "Direct and Inverse Solutions of Geodesics on the Ellipsoid", 1975, for a flattening of 0. The first
/// part of the cross product is rearranged so that it does not cancel for places close together.
pub(crate) fn vector_distance_km(from: Location, to: Location) -> f64 {
    let radians = |steps: i64| steps as f64 * (std::f64::consts::PI / 1_800_000_000.0);
    let (north, south) = (radians(from.latitude().into()), radians(to.latitude().into()));
    // Differences in whole steps, which are exact.
    let along = radians(i64::from(to.latitude()) - i64::from(from.latitude()));
    let across = radians(i64::from(to.longitude()) - i64::from(from.longitude()));
    let one_minus_cosine = 2.0 * (across / 2.0).sin().powi(2);
    let cross = f64::hypot(south.cos() * across.sin(), along.sin() + north.sin() * south.cos() * one_minus_cosine);
    let dot = along.cos() - north.cos() * south.cos() * one_minus_cosine;
    6371.0088 * cross.atan2(dot)
}
