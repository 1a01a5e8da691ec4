import type { StyleSpecification } from 'maplibre-gl';
import type { PointColours } from './point-view';
import worldUrl from './generated/world.json?url';

export type Theme = 'light' | 'dark';

interface Palette {
  sea: string;
  land: string;
  coast: string;
  border: string;
  graticule: string;
  name: string;
  halo: string;
  trail: string;
  trailCasing: string;
  points: PointColours;
}

export const PALETTES: Record<Theme, Palette> = {
  light: {
    sea: '#dfe7ef',
    land: '#fbfbf8',
    coast: '#b9c6d3',
    border: '#d3d8dd',
    graticule: '#cfd9e4',
    name: '#8994a1',
    halo: '#fbfbf8',
    trail: '#1f5eff',
    trailCasing: '#ffffff',
    points: { edge: [30, 42, 58], paper: [255, 255, 255], alarm: [208, 24, 60], selection: [31, 94, 255] },
  },
  dark: {
    sea: '#0c131c',
    land: '#1a2430',
    coast: '#314152',
    border: '#2b3846',
    graticule: '#141e2a',
    name: '#64758a',
    halo: '#141d28',
    trail: '#7fa8ff',
    trailCasing: '#0c131c',
    points: { edge: [8, 12, 18], paper: [22, 31, 42], alarm: [255, 92, 116], selection: [255, 255, 255] },
  },
};

const EMPTY = { type: 'FeatureCollection', features: [] } as const;

export function styleFor(theme: Theme): StyleSpecification {
  const colours = PALETTES[theme];
  const kind = (name: string): ['==', ['get', string], string] => ['==', ['get', 'kind'], name];
  return {
    version: 8,
    sources: {
      world: {
        type: 'geojson',
        data: new URL(worldUrl, document.baseURI).href,
        maxzoom: 6,
        tolerance: 0.2,
        attribution: 'Natural Earth',
      },
      trail: { type: 'geojson', data: { ...EMPTY, features: [] }, lineMetrics: true },
      'trail-point': { type: 'geojson', data: { ...EMPTY, features: [] } },
    },
    layers: [
      { id: 'sea', type: 'background', paint: { 'background-color': colours.sea } },
      { id: 'land', type: 'fill', source: 'world', filter: kind('land'), paint: { 'fill-color': colours.land } },
      {
        id: 'graticule',
        type: 'line',
        source: 'world',
        filter: kind('graticule'),
        paint: { 'line-color': colours.graticule, 'line-width': 0.75 },
      },
      {
        id: 'border',
        type: 'line',
        source: 'world',
        filter: kind('border'),
        paint: { 'line-color': colours.border, 'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 6, 1.5] },
      },
      {
        id: 'coast',
        type: 'line',
        source: 'world',
        filter: kind('land'),
        paint: { 'line-color': colours.coast, 'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 6, 1.25] },
      },
      {
        id: 'country',
        type: 'symbol',
        source: 'world',
        // The smaller the country, the closer one has to be.
        filter: ['all', kind('country'), ['<=', ['get', 'rank'], ['-', ['*', ['zoom'], 1.6], 1.5]]],
        layout: {
          'text-field': ['get', 'name'],
          // Without a glyph server MapLibre draws text with the fonts of the page.
          'text-font': ['Roboto'],
          'text-size': ['interpolate', ['linear'], ['zoom'], 1, 10, 6, 14],
          'text-letter-spacing': 0.06,
          'text-max-width': 7,
          'text-padding': 6,
        },
        paint: { 'text-color': colours.name, 'text-halo-color': colours.halo, 'text-halo-width': 1.25 },
      },
      {
        id: 'trail-casing',
        type: 'line',
        source: 'trail',
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-color': colours.trailCasing, 'line-width': 5.5, 'line-opacity': 0.7 },
      },
      {
        id: 'trail',
        type: 'line',
        source: 'trail',
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-color': colours.trail, 'line-width': 3 },
      },
      {
        id: 'trail-point',
        type: 'circle',
        source: 'trail-point',
        paint: {
          'circle-radius': 6,
          'circle-color': colours.trail,
          'circle-stroke-color': colours.trailCasing,
          'circle-stroke-width': 2.5,
        },
      },
    ],
  };
}

/** What changes with the theme, as layer, property and value: the map keeps its sources, trail and points. */
export function paintFor(theme: Theme): [layer: string, property: string, value: string][] {
  const colours = PALETTES[theme];
  return [
    ['sea', 'background-color', colours.sea],
    ['land', 'fill-color', colours.land],
    ['graticule', 'line-color', colours.graticule],
    ['border', 'line-color', colours.border],
    ['coast', 'line-color', colours.coast],
    ['country', 'text-color', colours.name],
    ['country', 'text-halo-color', colours.halo],
    ['trail-casing', 'line-color', colours.trailCasing],
    ['trail', 'line-color', colours.trail],
    ['trail-point', 'circle-color', colours.trail],
    ['trail-point', 'circle-stroke-color', colours.trailCasing],
  ];
}
