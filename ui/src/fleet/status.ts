/** What a device is doing, as the stream numbers it. */
export const STATUSES = ['active', 'idle', 'silent', 'alarm'] as const;
export type Status = (typeof STATUSES)[number];

export const STATUS_WORDS: Record<Status, string> = {
  active: 'Active',
  idle: 'Idle',
  silent: 'Silent',
  alarm: 'Alarm',
};

/** What the word means, for whoever wonders. */
export const STATUS_MEANINGS: Record<Status, string> = {
  active: 'reports as expected',
  idle: 'nothing received for a long time',
  silent: 'stopped reporting',
  alarm: 'has an open alarm',
};
