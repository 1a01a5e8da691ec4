// Makes the base map: Natural Earth land, borders and country names (public domain, from the `world-atlas`
// package) and a graticule, as one GeoJSON file that the map's worker reads.
//
// The rings of world-atlas are made for projections on a sphere and cross the antimeridian; drawn flat as they
// are, they tear bands across the map. Projecting them here onto plain degrees lets d3 cut them at ±180°.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { geoArea, geoCentroid, geoEquirectangular, geoGraticule } from 'd3-geo';
import { geoProject } from 'd3-geo-projection';
import { feature, mesh } from 'topojson-client';

const TARGET = new URL('../src/map/generated/world.json', import.meta.url);

const atlas = (name) =>
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`world-atlas/${name}.json`), 'utf8'));

const plainDegrees = geoEquirectangular()
  .scale(180 / Math.PI)
  .translate([0, 0])
  .reflectY(true)
  .precision(0.05);

/** 0.01° is about a kilometre: the resolution of the 1:50 million data itself. */
const rounded = (value) =>
  typeof value === 'number' ? Math.round(value * 100) / 100 : value.map(rounded);

const cut = (geometry) => {
  const projected = geoProject(geometry, plainDegrees);
  return { ...projected, coordinates: withoutRepeats(rounded(projected.coordinates)) };
};

/** Rounding puts neighbours on one point; a line needs each only once. */
function withoutRepeats(coordinates) {
  if (typeof coordinates[0][0] !== 'number') return coordinates.map(withoutRepeats);
  return coordinates.filter(
    (point, n) => n === 0 || point[0] !== coordinates[n - 1][0] || point[1] !== coordinates[n - 1][1],
  );
}

/** One by one: MapLibre cuts a feature into triangles as a whole, and all land at once is too much for it. */
const polygonsOf = ({ type, coordinates }) =>
  type === 'Polygon' ? [{ type, coordinates }] : coordinates.map((rings) => ({ type: 'Polygon', coordinates: rings }));

const asFeature = (kind, geometry, properties = {}) => ({
  type: 'Feature',
  properties: { kind, ...properties },
  geometry,
});

/** The name goes where most of the country is: on its largest part, not between its islands. */
function label(country) {
  const parts =
    country.geometry.type === 'MultiPolygon'
      ? country.geometry.coordinates.map((coordinates) => ({ type: 'Polygon', coordinates }))
      : [country.geometry];
  const largest = parts.reduce((best, part) => (geoArea(part) > geoArea(best) ? part : best));
  const squareKilometres = geoArea(largest) * 6371.0088 ** 2;
  return asFeature(
    'country',
    { type: 'Point', coordinates: rounded(geoCentroid(largest)) },
    // Rank 0 for the largest countries, 9 for specks: what is named first when there is little room.
    { name: country.properties.name, rank: Math.max(0, Math.min(9, Math.round(16 - Math.log2(squareKilometres) * 0.72))) },
  );
}

const land = atlas('land-50m');
const countries = atlas('countries-50m');
const graticule = geoGraticule().step([15, 15]).extent([[-180, -75], [180, 75.1]]).precision(15);

const world = {
  type: 'FeatureCollection',
  features: [
    ...feature(land, land.objects.land).features.flatMap((part) => polygonsOf(cut(part.geometry))).map((polygon) => asFeature('land', polygon)),
    asFeature('border', cut(mesh(countries, countries.objects.countries, (a, b) => a !== b))),
    asFeature('graticule', { type: 'MultiLineString', coordinates: rounded(graticule().coordinates) }),
    ...feature(countries, countries.objects.countries).features.map(label),
  ],
};

const extent = JSON.stringify(world).match(/-?\d+(\.\d+)?/g).reduce((most, n) => Math.max(most, Math.abs(n)), 0);
if (extent > 180.2) throw new Error(`the base map reaches ${extent}°: it was not cut at the antimeridian`);

mkdirSync(new URL('.', TARGET), { recursive: true });
writeFileSync(TARGET, JSON.stringify(world));
console.log(`base map: ${world.features.length} features, ${Math.round(readFileSync(TARGET).length / 1024)} KiB`);
