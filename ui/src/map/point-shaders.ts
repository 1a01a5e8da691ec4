/**
 * The shaders of the device points.
 *
 * Shape tells the status, so that colour is never alone: active is a filled disc, idle a ring, silent a faint ring with a
 * bar through it, alarm a disc inside a second ring. The numbers are those of `STATUSES`.
 */

export const vertexShader = (prelude: string, define: string): string => `#version 300 es
${prelude}
${define}
in vec4 a_position;
in float a_celsius;
in float a_appearance;
uniform vec4 u_origin;
uniform float u_shift;
uniform float u_radius;
uniform float u_ratio;
uniform vec2 u_domain;
uniform sampler2D u_colours;
out vec3 v_colour;
out float v_radius;
out float v_extent;
flat out int v_status;
flat out float v_opacity;

void main() {
  if (a_appearance < 0.0) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = 1.0;
    return;
  }
  bool dimmed = a_appearance >= 8.0;
  v_status = int(dimmed ? a_appearance - 8.0 : a_appearance);
  vec2 place = (a_position.xy - u_origin.xy) + (a_position.zw - u_origin.zw) + vec2(u_shift, 0.0);
  gl_Position = projectTile(place);
  float fraction = clamp((a_celsius - u_domain.x) / (u_domain.y - u_domain.x), 0.0, 1.0);
  v_colour = texture(u_colours, vec2((fraction * 255.0 + 0.5) / 256.0, 0.5)).rgb;
  v_opacity = dimmed ? 0.07 : (v_status == 2 ? 0.75 : 1.0);
  v_radius = u_radius * (v_status == 3 ? 1.15 : 1.0);
  v_extent = v_radius * (v_status == 3 ? 2.0 : 1.0) + 2.5 * u_ratio;
  gl_PointSize = v_extent * 2.0;
}
`;

export const fragmentShader = `#version 300 es
precision highp float;
in vec3 v_colour;
in float v_radius;
in float v_extent;
flat in int v_status;
flat in float v_opacity;
uniform vec3 u_edge;
uniform vec3 u_paper;
uniform vec3 u_alarm;
uniform float u_ratio;
uniform bool u_selected;
uniform vec3 u_selection;
out vec4 fragColor;

/** How much of this pixel lies within the distance. */
float within(float distance, float radius) {
  return clamp(radius - distance + 0.5, 0.0, 1.0);
}

vec4 over(vec4 top, vec4 bottom) {
  return top + bottom * (1.0 - top.a);
}

vec4 solid(vec3 colour, float cover) {
  return vec4(colour * cover, cover);
}

void main() {
  vec2 p = (gl_PointCoord * 2.0 - 1.0) * v_extent;
  float d = length(p);
  float line = max(1.0, v_radius * 0.16);
  vec4 mark = solid(u_edge, 0.85 * within(d, v_radius + 0.5 * u_ratio));
  if (u_selected) {
    mark = solid(u_selection, within(d, v_radius + 1.5 * u_ratio));
  }
  if (v_status == 1 || v_status == 2) {
    vec3 ring = v_status == 2 ? mix(v_colour, vec3(0.5), 0.55) : v_colour;
    mark = over(solid(ring, within(d, v_radius - 0.5 * u_ratio)), mark);
    mark = over(solid(u_paper, within(d, v_radius * 0.52)), mark);
    if (v_status == 2) {
      float across = abs(p.x + p.y) * 0.7071;
      mark = over(solid(ring, within(across, line) * within(d, v_radius - 0.5)), mark);
    }
  } else {
    mark = over(solid(v_colour, within(d, v_radius - 0.75 * u_ratio)), mark);
  }
  if (v_status == 3) {
    float outer = v_radius * 1.85;
    float halo = within(d, outer) - within(d, outer - max(1.5, 0.28 * v_radius));
    mark = over(mark, solid(u_alarm, halo));
  }
  fragColor = mark * v_opacity;
}
`;
