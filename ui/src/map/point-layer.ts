import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';
import type { Fleet } from '../fleet/fleet';
import { fragmentShader, vertexShader } from './point-shaders';
import { type Domain, STEPS, type Rgb, colourRow } from './scale';

export interface PointColours {
  /** Around each point, so that it stands out from land and sea. */
  edge: Rgb;
  /** Inside of the hollow ones. */
  paper: Rgb;
  alarm: Rgb;
  selection: Rgb;
}

const ATTRIBUTES = [
  { name: 'a_position', size: 4, column: 'positions' },
  { name: 'a_celsius', size: 1, column: 'celsius' },
  { name: 'a_appearance', size: 1, column: 'appearance' },
] as const;

interface Program {
  handle: WebGLProgram;
  uniforms: Map<string, WebGLUniformLocation | null>;
}

/** Draws all devices with one call, straight from the columns of the fleet. */
export class PointLayer implements CustomLayerInterface {
  readonly id = 'devices';
  readonly type = 'custom';
  readonly renderingMode = '2d';

  domain: Domain = { min: -20, max: 40 };
  colours: PointColours = { edge: [0, 0, 0], paper: [255, 255, 255], alarm: [220, 0, 0], selection: [0, 80, 255] };
  /** Slot drawn larger and on top, or -1. */
  selected = -1;

  #map: MapLibre | null = null;
  #buffers: WebGLBuffer[] = [];
  /** What the buffers have room for, in slots. */
  #capacity = 0;
  #colourRow: WebGLTexture | null = null;
  /** The projections of the map each need a program of their own. */
  readonly #programs = new Map<string, Program>();

  constructor(private readonly fleet: Fleet) {}

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#map = map;
    this.#programs.clear();
    this.#capacity = 0;
    this.#buffers = ATTRIBUTES.map(() => gl.createBuffer());
    this.#colourRow = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#colourRow);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, STEPS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colourRow());
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const size of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, size, gl.NEAREST);
  }

  onRemove(_map: MapLibre, gl: WebGL2RenderingContext): void {
    for (const buffer of this.#buffers) gl.deleteBuffer(buffer);
    for (const program of this.#programs.values()) gl.deleteProgram(program.handle);
    gl.deleteTexture(this.#colourRow);
    this.#map = null;
  }

  /** Radius in CSS pixels: small on the whole world, larger in a street. */
  radius(): number {
    const zoom = this.#map?.getZoom() ?? 0;
    const crowd = this.fleet.count > 20_000 ? 0.7 : this.fleet.count > 2_000 ? 0.85 : 1.15;
    return Math.min(9, Math.max(3.4, 3 + zoom * 0.42)) * crowd;
  }

  render(gl: WebGL2RenderingContext, frame: CustomRenderMethodInput): void {
    if (this.#map === null) return;
    this.#upload(gl);
    const program = this.#programFor(gl, frame);
    gl.useProgram(program.handle);
    const uniform = (name: string): WebGLUniformLocation | null => {
      if (!program.uniforms.has(name)) program.uniforms.set(name, gl.getUniformLocation(program.handle, name));
      return program.uniforms.get(name) ?? null;
    };

    ATTRIBUTES.forEach(({ name, size }, n) => {
      const location = gl.getAttribLocation(program.handle, name);
      if (location < 0) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[n] as WebGLBuffer);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
    });
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#colourRow);
    gl.uniform1i(uniform('u_colours'), 0);

    const ratio = this.#map.getPixelRatio();
    const { edge, paper, alarm, selection } = this.colours;
    for (const [name, colour] of Object.entries({ u_edge: edge, u_paper: paper, u_alarm: alarm, u_selection: selection })) {
      gl.uniform3f(uniform(name), colour[0] / 255, colour[1] / 255, colour[2] / 255);
    }
    gl.uniform1f(uniform('u_ratio'), ratio);
    gl.uniform2f(uniform('u_domain'), this.domain.min, this.domain.max);

    const projection = frame.defaultProjectionData;
    gl.uniform4fv(uniform('u_projection_tile_mercator_coords'), projection.tileMercatorCoords);
    gl.uniform4fv(uniform('u_projection_clipping_plane'), projection.clippingPlane);
    gl.uniform1f(uniform('u_projection_transition'), projection.projectionTransition);
    gl.uniformMatrix4fv(uniform('u_projection_fallback_matrix'), false, projection.fallbackMatrix);

    const flat = frame.shaderData.variantName === 'mercator';
    const origin = flat ? this.#centre() : ([0, 0] as const);
    const high = origin.map(Math.fround) as [number, number];
    gl.uniform4f(uniform('u_origin'), high[0], high[1], origin[0] - high[0], origin[1] - high[1]);
    gl.uniformMatrix4fv(uniform('u_projection_matrix'), false, translated(projection.mainMatrix, origin));

    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const radius = this.radius() * ratio;
    for (const copy of flat ? this.#worldCopies() : [0]) {
      gl.uniform1f(uniform('u_shift'), copy);
      gl.uniform1f(uniform('u_radius'), radius);
      gl.uniform1i(uniform('u_selected'), 0);
      gl.drawArrays(gl.POINTS, 0, this.fleet.slotsInUse);
      if (this.selected >= 0) {
        gl.uniform1f(uniform('u_radius'), Math.max(radius * 1.5, 7 * ratio));
        gl.uniform1i(uniform('u_selected'), 1);
        gl.drawArrays(gl.POINTS, this.selected, 1);
      }
    }
  }

  /**
   * Positions are drawn relative to the middle of the window. A 32-bit float alone cannot tell places less than a metre
   * apart, and near the middle, where one looks, the difference of two is exact.
   */
  #centre(): readonly [number, number] {
    const { lng, lat } = (this.#map as MapLibre).getCenter();
    const sine = Math.sin((lat * Math.PI) / 180);
    return [(lng + 180) / 360, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
  }

  /** The world repeats to the east and the west; these are the copies in sight, as whole turns. */
  #worldCopies(): number[] {
    const bounds = (this.#map as MapLibre).getBounds();
    const first = Math.floor((bounds.getWest() + 180) / 360);
    const last = Math.floor((bounds.getEast() + 180) / 360);
    const copies: number[] = [];
    for (let copy = Math.max(first, -3); copy <= Math.min(last, 3); copy++) copies.push(copy);
    return copies;
  }

  #upload(gl: WebGL2RenderingContext): void {
    const dirty = this.fleet.takeDirty();
    const capacity = this.fleet.celsius.length;
    const grown = capacity !== this.#capacity;
    if (!grown && dirty === null) return;
    ATTRIBUTES.forEach(({ size, column }, n) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[n] as WebGLBuffer);
      const values = this.fleet[column];
      if (grown) {
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      } else if (dirty !== null) {
        const from = dirty.from * size;
        gl.bufferSubData(gl.ARRAY_BUFFER, from * 4, values, from, (dirty.to - dirty.from + 1) * size);
      }
    });
    this.#capacity = capacity;
  }

  #programFor(gl: WebGL2RenderingContext, frame: CustomRenderMethodInput): Program {
    const { variantName, vertexShaderPrelude, define } = frame.shaderData;
    const known = this.#programs.get(variantName);
    if (known) return known;
    const handle = gl.createProgram();
    gl.attachShader(handle, compiled(gl, gl.VERTEX_SHADER, vertexShader(vertexShaderPrelude, define)));
    gl.attachShader(handle, compiled(gl, gl.FRAGMENT_SHADER, fragmentShader));
    gl.linkProgram(handle);
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the point shaders do not link: ${gl.getProgramInfoLog(handle)}`);
    }
    const program = { handle, uniforms: new Map() };
    this.#programs.set(variantName, program);
    return program;
  }
}

function compiled(gl: WebGL2RenderingContext, type: number, source: string): WebGLShader {
  const shader = gl.createShader(type) as WebGLShader;
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(`a point shader does not compile: ${gl.getShaderInfoLog(shader)}`);
  }
  return shader;
}

/** The matrix after a shift of the origin, worked out in 64 bits before it is rounded to 32. */
function translated(matrix: ArrayLike<number>, [x, y]: readonly [number, number]): Float32Array {
  const out = new Float32Array(16);
  for (let n = 0; n < 16; n++) out[n] = matrix[n] as number;
  for (let row = 0; row < 4; row++) {
    out[12 + row] = (matrix[row] as number) * x + (matrix[4 + row] as number) * y + (matrix[12 + row] as number);
  }
  return out;
}
