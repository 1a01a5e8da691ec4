import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';
import type { Fleet } from '../fleet/fleet';
import { PointOverlay } from './point-overlay';
import { PointRenderer } from './point-renderer';
import { type PointColours, type PointLook, type PointView, pointRadius, sameView, viewOf } from './point-view';
import type { Domain } from './scale';

/**
 * The devices on the map.
 *
 * While the map moves, it draws them itself, as one of its layers, so that they keep in step with the land. Once it
 * stands still, the overlay takes over, and the map is left alone until it is moved again.
 */
export class PointLayer implements CustomLayerInterface {
  readonly id = 'devices';
  readonly type = 'custom';
  readonly renderingMode = '2d';

  /** For so long the map has to stand still. */
  static readonly SETTLED_MS = 120;

  #look: PointLook;
  #map: MapLibre | null = null;
  #renderer: PointRenderer | null = null;
  #overlay: PointOverlay | null = null;
  #overlayShown = false;
  #view: PointView | null = null;
  #settling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly fleet: Fleet,
    colours: PointColours,
  ) {
    this.#look = { domain: { min: -20, max: 40 }, colours, selected: -1, crowd: 0 };
  }

  set domain(domain: Domain) {
    this.#look = { ...this.#look, domain };
    this.redraw();
  }

  set colours(colours: PointColours) {
    this.#look = { ...this.#look, colours };
    this.redraw();
  }

  set selected(slot: number) {
    if (this.#look.selected === slot) return;
    this.#look = { ...this.#look, selected: slot };
    this.redraw();
  }

  /** In CSS pixels. */
  get radius(): number {
    return pointRadius(this.#map?.getZoom() ?? 0, this.fleet.count);
  }

  /** Shows what changed in the fleet. */
  redraw(): void {
    if (this.#look.crowd !== this.fleet.count) this.#look = { ...this.#look, crowd: this.fleet.count };
    if (this.#overlayShown && this.#view) this.#overlay?.draw(this.#view, this.#look);
    else this.#map?.triggerRepaint();
  }

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#map = map;
    this.#renderer = new PointRenderer(gl);
    if ('transferControlToOffscreen' in HTMLCanvasElement.prototype) {
      this.#overlay = new PointOverlay(map.getCanvasContainer(), this.fleet, {
        drawn: (view) => this.#overlayDrew(view),
        failed: () => this.#withoutOverlay(),
      });
    }
  }

  onRemove(): void {
    clearTimeout(this.#settling);
    this.#overlay?.destroy();
    this.#renderer?.destroy();
    this.#map = null;
  }

  render(_gl: WebGL2RenderingContext, frame: CustomRenderMethodInput): void {
    if (this.#map === null || this.#renderer === null) return;
    const view = viewOf(this.#map, frame);
    if (!sameView(view, this.#view)) this.#moved(view);
    if (this.#overlayShown) return;
    this.#renderer.upload(this.fleet, this.fleet.takeDirty());
    this.#renderer.draw(view, this.#look, this.fleet.slotsInUse);
  }

  #moved(view: PointView): void {
    this.#view = view;
    this.#overlayShown = false;
    this.#overlay?.hide();
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#overlay?.draw(view, this.#look), PointLayer.SETTLED_MS);
  }

  #overlayDrew(view: PointView): void {
    if (this.#overlayShown || view !== this.#view) return;
    this.#overlayShown = true;
    this.#overlay?.show();
    // Once more, now without the points: they would shine through where the overlay moves them on.
    this.#map?.triggerRepaint();
  }

  #withoutOverlay(): void {
    this.#overlay?.destroy();
    this.#overlay = null;
    this.#overlayShown = false;
    this.redraw();
  }
}
