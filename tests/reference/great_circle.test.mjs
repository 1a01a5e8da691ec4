import assert from "node:assert/strict";
import { test } from "node:test";

import { distanceKm, MEAN_EARTH_RADIUS_KM } from "./great_circle.mjs";

const at = (lat, lon) => ({ lat, lon });
const near = (actual, expected, toleranceKm = 1e-6) =>
  assert.ok(Math.abs(actual - expected) <= toleranceKm, `${actual} is not ${expected}`);

const HALF_WAY_ROUND = Math.PI * MEAN_EARTH_RADIUS_KM;

test("equal points are exactly 0 apart", () => {
  for (const point of [at(0, 0), at(53.0005947, 6.5937841), at(90, 0), at(-90, 180), at(-33.3, -180)]) {
    assert.equal(distanceKm(point, point), 0);
  }
});

test("antipodal points are half the circumference apart, and never not a number", () => {
  near(distanceKm(at(0, 0), at(0, 180)), HALF_WAY_ROUND);
  near(distanceKm(at(90, 0), at(-90, 0)), HALF_WAY_ROUND);
  for (let lat = -90; lat <= 90; lat += 0.37) near(distanceKm(at(lat, 12.5), at(-lat, -167.5)), HALF_WAY_ROUND, 1e-3);
});

test("the antimeridian is no edge", () => {
  near(distanceKm(at(0, 179.9999), at(0, -179.9999)), distanceKm(at(0, 0), at(0, 0.0002)), 1e-8);
  near(distanceKm(at(10, 180), at(10, -180)), 0, 1e-9);
});

test("at a pole the longitude does not matter", () => {
  near(distanceKm(at(90, 0), at(90, 123)), 0, 1e-9);
  near(distanceKm(at(-90, -180), at(-90, 45)), 0, 1e-9);
});

test("one degree of a great circle is a 360th of the circumference", () => {
  near(distanceKm(at(0, 0), at(0, 1)), (2 * HALF_WAY_ROUND) / 360);
  near(distanceKm(at(10, 20), at(11, 20)), (2 * HALF_WAY_ROUND) / 360);
});
