// Distances on the globe, in the haversine form.

export const MEAN_EARTH_RADIUS_KM = 6371.0088;

const radians = (degrees) => (degrees * Math.PI) / 180;

/**
 * Great-circle distance in kilometres between two `{lat, lon}` in degrees, not rounded.
 *
 * The arc tangent of both halves, not the arc sine of one, keeps antipodal points stable: there `h` reaches 1,
 * and a rounding error beyond 1 would make the arc sine not a number.
 */
export function distanceKm(from, to) {
  const halfLat = Math.sin(radians(to.lat - from.lat) / 2);
  const halfLon = Math.sin(radians(to.lon - from.lon) / 2);
  const h = halfLat * halfLat + Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * halfLon * halfLon;
  const inside = Math.min(1, Math.max(0, h));
  return 2 * MEAN_EARTH_RADIUS_KM * Math.atan2(Math.sqrt(inside), Math.sqrt(1 - inside));
}
