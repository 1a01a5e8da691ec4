import { expect, test } from 'vitest';
import { LagMeter, RateMeter } from './lag';

test('the 95th percentile is that of the samples', () => {
  const meter = new LagMeter();
  for (let lag = 1; lag <= 100; lag++) meter.sample(50_000, [50_000 - lag]);
  expect(meter.p95(50_000)).toBe(95);
});

test('samples count for ten seconds', () => {
  const meter = new LagMeter();
  meter.sample(50_000, [49_000]);
  expect(meter.p95(60_000)).toBe(1_000);
  expect(meter.p95(60_001)).toBeNull();
});

test('a device whose clock is ahead has no negative lag', () => {
  const meter = new LagMeter();
  meter.sample(50_000, [55_000]);
  expect(meter.p95(50_000)).toBe(0);
});

test('more samples than fit push out the oldest', () => {
  const meter = new LagMeter();
  meter.sample(50_000, [0]);
  for (let n = 0; n < LagMeter.MOST_SAMPLES; n++) meter.sample(50_000, [49_990]);
  expect(meter.p95(50_000)).toBe(10);
});

test('the rate is that of the last full seconds', () => {
  const meter = new RateMeter();
  for (let second = 0; second < 10; second++) meter.add(second * 1_000, 200);
  expect(meter.perSecond(10_000)).toBe(200);
  expect(meter.perSecond(20_000)).toBe(0);
});
