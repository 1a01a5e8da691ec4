import type { CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';
import type { Domain, Rgb } from './scale';

/** From where the points are seen: all that a renderer needs to know of the map, and can be posted to a worker. */
export interface PointView {
  readonly variant: string;
  readonly prelude: string;
  readonly define: string;
  readonly mainMatrix: Float64Array;
  readonly fallbackMatrix: Float32Array;
  readonly tileMercatorCoords: Float32Array;
  readonly clippingPlane: Float32Array;
  readonly transition: number;
  /** Mercator place that positions are drawn relative to. */
  readonly origin: readonly [number, number];
  /** The copies of the world that are in sight, as whole turns. */
  readonly copies: readonly number[];
  /** Of the canvas, in its own pixels. */
  readonly width: number;
  readonly height: number;
  /** Of those pixels, in one CSS pixel. */
  readonly ratio: number;
  readonly zoom: number;
}

/** How the points look. */
export interface PointLook {
  readonly domain: Domain;
  readonly colours: PointColours;
  /** Slot drawn larger and on top, or -1. */
  readonly selected: number;
  /** Many points are drawn smaller than few. */
  readonly crowd: number;
}

export interface PointColours {
  /** Around each point, so that it stands out from land and sea. */
  readonly edge: Rgb;
  /** Inside of the hollow ones. */
  readonly paper: Rgb;
  readonly alarm: Rgb;
  readonly selection: Rgb;
}

/** Radius in CSS pixels: small on the whole world, larger in a street. */
export function pointRadius(zoom: number, crowd: number): number {
  const share = crowd > 20_000 ? 0.7 : crowd > 2_000 ? 0.85 : 1.15;
  return Math.min(9, Math.max(3.4, 3 + zoom * 0.42)) * share;
}

export function viewOf(map: MapLibre, frame: CustomRenderMethodInput): PointView {
  const { variantName, vertexShaderPrelude, define } = frame.shaderData;
  const projection = frame.defaultProjectionData;
  const flat = variantName === 'mercator';
  const { lng, lat } = map.getCenter();
  const sine = Math.sin((lat * Math.PI) / 180);
  const canvas = map.getCanvas();
  return {
    variant: variantName,
    prelude: vertexShaderPrelude,
    define,
    mainMatrix: Float64Array.from(projection.mainMatrix),
    fallbackMatrix: Float32Array.from(projection.fallbackMatrix),
    tileMercatorCoords: Float32Array.from(projection.tileMercatorCoords),
    clippingPlane: Float32Array.from(projection.clippingPlane),
    transition: projection.projectionTransition,
    // A globe is far enough away to do without.
    origin: flat ? [(lng + 180) / 360, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)] : [0, 0],
    copies: flat ? worldCopies(map) : [0],
    width: canvas.width,
    height: canvas.height,
    ratio: map.getPixelRatio(),
    zoom: map.getZoom(),
  };
}

export function sameView(a: PointView | null, b: PointView | null): boolean {
  return (
    a !== null &&
    b !== null &&
    a.variant === b.variant &&
    a.width === b.width &&
    a.height === b.height &&
    a.transition === b.transition &&
    a.mainMatrix.every((value, n) => value === b.mainMatrix[n])
  );
}

/** The world repeats to the east and the west. */
function worldCopies(map: MapLibre): number[] {
  const bounds = map.getBounds();
  const first = Math.max(-3, Math.floor((bounds.getWest() + 180) / 360));
  const last = Math.min(3, Math.floor((bounds.getEast() + 180) / 360));
  const copies: number[] = [];
  for (let copy = first; copy <= last; copy++) copies.push(copy);
  return copies;
}
