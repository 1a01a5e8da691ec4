/** Draws the points on a canvas of its own, away from the page's main thread. See `point-overlay.ts`. */

import { type PointColumns, PointRenderer } from './point-renderer';
import type { PointLook, PointView } from './point-view';

export type ToWorker = { canvas: OffscreenCanvas } | { view: PointView; look: PointLook; columns: PointColumns };

/** `drawn` with how long it took, in ms; or that it cannot be done. */
export type FromWorker = { drawn: number } | { failed: string };

const page = self as unknown as { postMessage(message: FromWorker): void };
let gl: WebGL2RenderingContext | null = null;
let renderer: PointRenderer | null = null;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  try {
    if ('canvas' in data) begin(data.canvas);
    else page.postMessage({ drawn: draw(data.view, data.look, data.columns) });
  } catch (error) {
    page.postMessage({ failed: String(error) });
  }
};

function begin(canvas: OffscreenCanvas): void {
  gl = canvas.getContext('webgl2', { antialias: false, depth: false });
  if (gl === null) throw new Error('no WebGL 2 in a worker');
  canvas.addEventListener('webglcontextlost', () => page.postMessage({ failed: 'the graphics context is lost' }));
  renderer = new PointRenderer(gl);
}

function draw(view: PointView, look: PointLook, columns: PointColumns): number {
  if (gl === null || renderer === null) throw new Error('drawing before the canvas came');
  const began = performance.now();
  const { canvas } = gl;
  if (canvas.width !== view.width) canvas.width = view.width;
  if (canvas.height !== view.height) canvas.height = view.height;
  gl.viewport(0, 0, view.width, view.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  const slots = columns.celsius.length;
  renderer.upload(columns, slots === 0 ? null : { from: 0, to: slots - 1 });
  renderer.draw(view, look, slots);
  // Waits until it is really drawn. Here that holds up nobody, and tells how long drawing takes.
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return performance.now() - began;
}
