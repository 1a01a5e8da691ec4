import {
  AttributionControl,
  type GeoJSONSource,
  Map as MapLibre,
  MercatorCoordinate,
  ScaleControl,
  setWorkerUrl,
} from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import type { TrackPoint } from '../api/types';
import type { Fleet } from '../fleet/fleet';
import { PointLayer } from './point-layer';
import type { Domain } from './scale';
import { PALETTES, type Theme, paintFor, styleFor } from './style';
import { boxAround, nearest, trailLine } from './view';

// As a file of its own the worker is allowed by `worker-src 'self'`; MapLibre's default would need `blob:`.
setWorkerUrl(workerUrl);

export interface Hover {
  slot: number;
  x: number;
  y: number;
}

export interface MapListeners {
  hovered(hover: Hover | null): void;
  picked(slot: number | null): void;
  moved(): void;
}

export interface Margins {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** Further from a point than this, in CSS pixels, is not on it. */
const REACH_PX = 12;

/** The map and all that is drawn on it. */
export class FleetMap {
  readonly #map: MapLibre;
  readonly #points: PointLayer;
  #theme: Theme;
  #ready = false;
  #trail: [number, number][] = [];
  #hoverRequest = 0;
  readonly #calm: boolean;

  constructor(
    container: HTMLElement,
    private readonly fleet: Fleet,
    theme: Theme,
    private readonly listeners: MapListeners,
  ) {
    this.#theme = theme;
    this.#calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#points = new PointLayer(fleet, PALETTES[theme].points);
    this.#map = new MapLibre({
      container,
      style: styleFor(theme),
      center: [10, 25],
      zoom: 1.4,
      minZoom: 0.6,
      maxZoom: 18,
      hash: 'map',
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      attributionControl: false,
      fadeDuration: 0,
      // More than two pixels for each CSS pixel cost much and show little.
      pixelRatio: Math.min(2, window.devicePixelRatio),
      locale: { 'Map.Title': 'Map of all devices; the device list offers the same without a map' },
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.keyboard.disableRotation();
    this.#map.addControl(new ScaleControl({ maxWidth: 96 }), 'bottom-right');
    this.#map.addControl(new AttributionControl({ compact: false }), 'bottom-right');
    this.#map.on('style.load', () => {
      this.#map.addLayer(this.#points, 'trail-point');
      this.#ready = true;
      this.#drawTrail();
    });
    this.#map.on('mousemove', (event) => this.#hover(event.point));
    this.#map.on('mouseout', () => this.listeners.hovered(null));
    this.#map.on('movestart', () => this.listeners.hovered(null));
    this.#map.on('moveend', () => this.listeners.moved());
    this.#map.on('click', (event) => {
      const slot = this.#slotAt(event.point);
      this.listeners.picked(slot < 0 ? null : slot);
    });
  }

  /** Shows what changed in the fleet. */
  redraw(): void {
    this.#points.redraw();
  }

  setTheme(theme: Theme): void {
    if (theme === this.#theme) return;
    this.#theme = theme;
    this.#points.colours = PALETTES[theme].points;
    const paint = (): void => {
      for (const [layer, property, value] of paintFor(theme)) {
        this.#map.setPaintProperty(layer, property as 'fill-color', value);
      }
    };
    if (this.#ready) paint();
    else this.#map.once('style.load', paint);
  }

  setDomain(domain: Domain): void {
    this.#points.domain = domain;
  }

  setGlobe(globe: boolean): void {
    const project = (): void => {
      this.#map.setProjection({ type: globe ? 'globe' : 'mercator' });
    };
    if (this.#ready) project();
    else this.#map.once('style.load', project);
  }

  select(slot: number | undefined): void {
    this.#points.selected = slot ?? -1;
  }

  showTrail(points: readonly TrackPoint[]): void {
    this.#trail = trailLine(points);
    this.#drawTrail();
  }

  extendTrail(lon: number, lat: number): void {
    const last = this.#trail[this.#trail.length - 1];
    if (!last || (last[1] === lat && Math.abs(last[0] - lon) % 360 === 0)) return;
    const turns = Math.round((last[0] - lon) / 360);
    this.#trail.push([lon + turns * 360, lat]);
    this.#drawTrail();
  }

  /** Marks a place on the trail: where the device was at the time under the chart's cursor. */
  markTrail(place: { lon: number; lat: number } | null): void {
    if (!this.#ready) return;
    const features = place
      ? [{ type: 'Feature' as const, properties: {}, geometry: { type: 'Point' as const, coordinates: [place.lon, place.lat] } }]
      : [];
    this.#source('trail-point').setData({ type: 'FeatureCollection', features });
  }

  /** Moves to the device, unless it is well in sight. */
  reveal(slot: number, margins: Margins): void {
    const centre: [number, number] = [(this.fleet.lon[slot] as number) / 1e7, (this.fleet.lat[slot] as number) / 1e7];
    const here = this.#map.project(centre);
    const { clientWidth, clientHeight } = this.#map.getContainer();
    const inSight =
      here.x > margins.left + 40 &&
      here.x < clientWidth - margins.right - 40 &&
      here.y > margins.top + 40 &&
      here.y < clientHeight - margins.bottom - 40;
    if (inSight && this.#map.getZoom() > 3) return;
    this.#map.easeTo({ center: centre, zoom: Math.max(this.#map.getZoom(), 6), padding: margins, duration: this.#calm ? 0 : 700 });
  }

  fitFleet(margins: Margins, animate = true): void {
    const box = boxAround(this.fleet);
    if (box === null) return;
    this.#map.fitBounds(box, { padding: padded(margins, 48), maxZoom: 9, duration: animate && !this.#calm ? 800 : 0 });
  }

  fitTrail(margins: Margins): void {
    if (this.#trail.length < 2) return;
    const lons = this.#trail.map(([lon]) => lon);
    const lats = this.#trail.map(([, lat]) => lat);
    const range = (values: number[]): [number, number] =>
      values.reduce<[number, number]>(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    const [west, east] = range(lons);
    const [south, north] = range(lats);
    this.#map.fitBounds([west, south, east, north], { padding: padded(margins, 56), maxZoom: 14, duration: this.#calm ? 0 : 700 });
  }

  zoom(direction: 1 | -1): void {
    this.#map.easeTo({ zoom: this.#map.getZoom() + direction, duration: this.#calm ? 0 : 250 });
  }

  /** A link that says where to look is obeyed instead of fitting the fleet. */
  get hasViewFromLink(): boolean {
    return FleetMap.#viewInLink;
  }
  static readonly #viewInLink = location.hash.includes('map=');

  destroy(): void {
    cancelAnimationFrame(this.#hoverRequest);
    this.#map.remove();
  }

  #drawTrail(): void {
    if (!this.#ready) return;
    const features =
      this.#trail.length > 1
        ? [{ type: 'Feature' as const, properties: {}, geometry: { type: 'LineString' as const, coordinates: this.#trail } }]
        : [];
    this.#source('trail').setData({ type: 'FeatureCollection', features });
  }

  #source(id: string): GeoJSONSource {
    return this.#map.getSource(id) as GeoJSONSource;
  }

  #hover(point: { x: number; y: number }): void {
    cancelAnimationFrame(this.#hoverRequest);
    this.#hoverRequest = requestAnimationFrame(() => {
      if (this.#map.isMoving()) return;
      const slot = this.#slotAt(point);
      this.#map.getCanvas().style.cursor = slot < 0 ? '' : 'pointer';
      this.listeners.hovered(slot < 0 ? null : { slot, ...point });
    });
  }

  #slotAt(point: { x: number; y: number }): number {
    const place = MercatorCoordinate.fromLngLat(this.#map.unproject([point.x, point.y]));
    const worldPx = 512 * 2 ** this.#map.getZoom();
    return nearest(this.fleet, place.x, place.y, (REACH_PX + this.#points.radius / 2) / worldPx);
  }
}

const padded = (margins: Margins, by: number): Margins => ({
  top: margins.top + by,
  right: margins.right + by,
  bottom: margins.bottom + by,
  left: margins.left + by,
});
