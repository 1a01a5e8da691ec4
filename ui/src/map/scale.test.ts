import { expect, test } from 'vitest';
import { colourAt, cssColour, domainFor, fractionIn, ticks } from './scale';

const sorted = (...values: number[]): Float32Array => Float32Array.from(values).sort();

test('a domain holds most temperatures and has round ends', () => {
  expect(domainFor(sorted(-3.2, 0, 4, 9.7), null)).toEqual({ min: -6, max: 12 });
});
test('one broken sensor does not stretch it', () => {
  const values = sorted(...Array.from({ length: 300 }, (_, n) => 4 + (n % 10) / 10), 850);
  expect(domainFor(values, null).max).toBeLessThan(10);
});
test('it stays while the fleet still fits', () => {
  const current = { min: -20, max: 40 };
  expect(domainFor(sorted(-10, 30), current)).toBe(current);
  expect(domainFor(sorted(-10, 45), current)).not.toBe(current);
});
test('equal temperatures have a domain too', () => {
  const domain = domainFor(sorted(5, 5, 5), null);
  expect(domain.min).toBeLessThan(5);
  expect(domain.max).toBeGreaterThan(5);
});
test('an empty fleet has one too', () => {
  expect(domainFor(sorted(), null)).toEqual({ min: -20, max: 40 });
});
test('ticks lie within', () => {
  expect(ticks({ min: -20, max: 40 })).toEqual([-20, 0, 20, 40]);
  expect(fractionIn({ min: -20, max: 40 }, 10)).toBe(0.5);
});
test('colours run from blue to red and stay within the byte', () => {
  const [coldR, , coldB] = colourAt(0);
  const [hotR, , hotB] = colourAt(1);
  expect(coldB).toBeGreaterThan(coldR);
  expect(hotR).toBeGreaterThan(hotB);
  for (let n = -5; n <= 105; n++) for (const c of colourAt(n / 100)) expect(c >= 0 && c <= 255 && Number.isInteger(c)).toBe(true);
  expect(cssColour(2)).toBe(cssColour(1));
});
