import { fragmentShader, vertexShader } from './point-shaders';
import { type PointLook, type PointView, pointRadius } from './point-view';
import { STEPS, colourRow } from './scale';

/** The columns of the fleet that are drawn, as they go to the graphics card. */
export interface PointColumns {
  readonly positions: Float32Array;
  readonly celsius: Float32Array;
  readonly appearance: Float32Array;
}

const ATTRIBUTES = [
  { name: 'a_position', size: 4, column: 'positions' },
  { name: 'a_celsius', size: 1, column: 'celsius' },
  { name: 'a_appearance', size: 1, column: 'appearance' },
] as const;

interface Program {
  readonly handle: WebGLProgram;
  readonly uniforms: Map<string, WebGLUniformLocation | null>;
}

/** Draws all devices with one call. Knows WebGL and nothing of the page, so it runs in a worker as well. */
export class PointRenderer {
  readonly #buffers: WebGLBuffer[];
  readonly #colourRow: WebGLTexture;
  /** The projections of the map each need a program of their own. */
  readonly #programs = new Map<string, Program>();
  /** What the buffers have room for, in slots. */
  #capacity = 0;

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.#buffers = ATTRIBUTES.map(() => gl.createBuffer());
    this.#colourRow = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#colourRow);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, STEPS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colourRow());
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const size of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, size, gl.NEAREST);
  }

  /** Takes over the slots that changed; all of them when there are more than before. */
  upload(columns: PointColumns, changed: { from: number; to: number } | null): void {
    const { gl } = this;
    const capacity = columns.celsius.length;
    const grown = capacity > this.#capacity;
    if (!grown && changed === null) return;
    ATTRIBUTES.forEach(({ size, column }, n) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[n] as WebGLBuffer);
      const values = columns[column];
      if (grown) {
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      } else if (changed !== null) {
        const from = changed.from * size;
        gl.bufferSubData(gl.ARRAY_BUFFER, from * 4, values, from, (changed.to - changed.from + 1) * size);
      }
    });
    if (grown) this.#capacity = capacity;
  }

  draw(view: PointView, look: PointLook, slots: number): void {
    const { gl } = this;
    const program = this.#programFor(view);
    gl.useProgram(program.handle);
    ATTRIBUTES.forEach(({ name, size }, n) => {
      const location = gl.getAttribLocation(program.handle, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[n] as WebGLBuffer);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
    });
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#colourRow);
    const uniform = (name: string): WebGLUniformLocation | null => this.#uniform(program, name);
    this.#setLook(uniform, view, look);
    this.#setView(uniform, view);

    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const radius = pointRadius(view.zoom, look.crowd) * view.ratio;
    for (const copy of view.copies) {
      gl.uniform1f(uniform('u_shift'), copy);
      gl.uniform1f(uniform('u_radius'), radius);
      gl.uniform1i(uniform('u_selected'), 0);
      gl.drawArrays(gl.POINTS, 0, slots);
      if (look.selected >= 0) {
        gl.uniform1f(uniform('u_radius'), Math.max(radius * 1.5, 7 * view.ratio));
        gl.uniform1i(uniform('u_selected'), 1);
        gl.drawArrays(gl.POINTS, look.selected, 1);
      }
    }
  }

  destroy(): void {
    const { gl } = this;
    for (const buffer of this.#buffers) gl.deleteBuffer(buffer);
    for (const program of this.#programs.values()) gl.deleteProgram(program.handle);
    gl.deleteTexture(this.#colourRow);
  }

  #setLook(uniform: (name: string) => WebGLUniformLocation | null, view: PointView, look: PointLook): void {
    const { gl } = this;
    const { edge, paper, alarm, selection } = look.colours;
    for (const [name, colour] of Object.entries({ u_edge: edge, u_paper: paper, u_alarm: alarm, u_selection: selection })) {
      gl.uniform3f(uniform(name), colour[0] / 255, colour[1] / 255, colour[2] / 255);
    }
    gl.uniform1i(uniform('u_colours'), 0);
    gl.uniform1f(uniform('u_ratio'), view.ratio);
    gl.uniform2f(uniform('u_domain'), look.domain.min, look.domain.max);
  }

  /**
   * Positions are drawn relative to the view's origin, the middle of the window. A 32-bit float alone cannot tell places
   * less than a metre apart; near the middle, where one looks, the difference of two is exact.
   */
  #setView(uniform: (name: string) => WebGLUniformLocation | null, view: PointView): void {
    const { gl } = this;
    const [x, y] = view.origin;
    const high = [Math.fround(x), Math.fround(y)] as const;
    gl.uniform4f(uniform('u_origin'), high[0], high[1], x - high[0], y - high[1]);
    gl.uniformMatrix4fv(uniform('u_projection_matrix'), false, translated(view.mainMatrix, x, y));
    gl.uniformMatrix4fv(uniform('u_projection_fallback_matrix'), false, view.fallbackMatrix);
    gl.uniform4fv(uniform('u_projection_tile_mercator_coords'), view.tileMercatorCoords);
    gl.uniform4fv(uniform('u_projection_clipping_plane'), view.clippingPlane);
    gl.uniform1f(uniform('u_projection_transition'), view.transition);
  }

  #uniform(program: Program, name: string): WebGLUniformLocation | null {
    if (!program.uniforms.has(name)) program.uniforms.set(name, this.gl.getUniformLocation(program.handle, name));
    return program.uniforms.get(name) ?? null;
  }

  #programFor({ variant, prelude, define }: PointView): Program {
    const known = this.#programs.get(variant);
    if (known) return known;
    const { gl } = this;
    const handle = gl.createProgram();
    gl.attachShader(handle, this.#compiled(gl.VERTEX_SHADER, vertexShader(prelude, define)));
    gl.attachShader(handle, this.#compiled(gl.FRAGMENT_SHADER, fragmentShader));
    gl.linkProgram(handle);
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the point shaders do not link: ${gl.getProgramInfoLog(handle)}`);
    }
    const program: Program = { handle, uniforms: new Map() };
    this.#programs.set(variant, program);
    return program;
  }

  #compiled(type: number, source: string): WebGLShader {
    const { gl } = this;
    const shader = gl.createShader(type) as WebGLShader;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(`a point shader does not compile: ${gl.getShaderInfoLog(shader)}`);
    }
    return shader;
  }
}

/** The matrix after a shift of the origin, worked out in 64 bits before it is rounded to 32. */
function translated(matrix: Float64Array, x: number, y: number): Float32Array {
  const out = Float32Array.from(matrix);
  for (let row = 0; row < 4; row++) {
    out[12 + row] = (matrix[row] as number) * x + (matrix[4 + row] as number) * y + (matrix[12 + row] as number);
  }
  return out;
}
