import { expect, test } from 'vitest';
import { type Link, formatLink, parseLink } from './link';

const plain: Link = { device: null, query: '', statuses: [], sort: 'deviceId', descending: false };

test('a plain page has a plain address', () => {
  expect(formatLink(plain)).toBe('');
  expect(parseLink('')).toEqual(plain);
});
test.each<Partial<Link>>([
  { device: '<img src=x onerror=alert(1)>' },
  { device: 'a/b ?&=#%', query: 'über' },
  { statuses: ['silent', 'alarm'], sort: 'temperature', descending: true },
  { sort: 'lastSeen' },
  { descending: true },
])('what is written is read again: %j', (changes) => {
  const link = { ...plain, ...changes };
  expect(parseLink(formatLink(link))).toEqual(link);
});
test('words that are not known are passed over', () => {
  expect(parseLink('?sort=-colour&status=lost&x=1')).toEqual(plain);
});
