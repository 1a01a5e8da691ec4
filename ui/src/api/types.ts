/** What the management API answers, as far as this page uses it. */

export interface Location {
  lat: number;
  lon: number;
}

export interface Device {
  deviceId: string;
  name: string | null;
  labels: string[];
  temperature: number;
  location: Location;
  lastSeen: string;
  receivedAt: string;
  version: number;
  status: string;
  openAlarms: number;
  lateReadings?: number;
}

/** The keys that every event has; the others depend on its type. */
export interface DeviceEvent {
  type: string;
  deviceId: string;
  version: number;
  position: number | null;
  at: string;
  recordedAt: string;
  readingId: string | null;
  [key: string]: unknown;
}

export interface TrackPoint {
  at: string;
  temperature: number;
  lat: number;
  lon: number;
  late?: boolean;
}

export interface Track {
  deviceId: string;
  points: TrackPoint[];
  downsampled: boolean;
}

export interface ServerStatus {
  version: string;
  roles?: string[];
  logId: string;
  position: number | null;
  devices?: Record<string, number>;
  queue?: { kind: string; healthy: boolean; depth: number } | null;
  store?: { kind: string; healthy: boolean } | null;
  push?: { kind: string; healthy: boolean } | null;
  lagMs?: number | null;
}
