import { expect, test } from 'vitest';
import { Backoff } from './backoff';

test.each([0, 0.999])('waits stay between half a second and fifteen (random = %f)', (random) => {
  const backoff = new Backoff(() => random);
  for (let n = 0; n < 50; n++) {
    const wait = backoff.nextMs();
    expect(wait).toBeGreaterThanOrEqual(500);
    expect(wait).toBeLessThanOrEqual(15_000);
  }
});

test('after a success it begins anew', () => {
  const backoff = new Backoff(() => 1);
  const first = backoff.nextMs();
  backoff.nextMs();
  backoff.succeeded();
  expect(backoff.nextMs()).toBe(first);
});
