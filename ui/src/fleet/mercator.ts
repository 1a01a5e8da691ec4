/** Web Mercator: the whole world is 0 to 1, x to the east and y to the south. */

const MOST_LATITUDE = 85.051129;

export const mercatorX = (lon: number): number => (lon + 180) / 360;

export function mercatorY(lat: number): number {
  const seen = Math.max(-MOST_LATITUDE, Math.min(MOST_LATITUDE, lat));
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + (seen * Math.PI) / 360)) / (2 * Math.PI);
}
