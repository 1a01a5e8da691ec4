import type { Device, DeviceEvent, ServerStatus, Track } from './types';

/** The server answered, and the answer was no. `message` is for people. */
export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const DEADLINE_MS = 8_000;
const devicePath = (deviceId: string): string => `/api/v1/devices/${encodeURIComponent(deviceId)}`;

export const readStatus = (): Promise<ServerStatus> => request('/api/v1/status', {}, 4_000);

export const readDevice = (deviceId: string): Promise<Device> => request(devicePath(deviceId));

export async function readEvents(deviceId: string, limit: number): Promise<DeviceEvent[]> {
  return (await request<{ events: DeviceEvent[] }>(`${devicePath(deviceId)}/events?limit=${limit}`)).events;
}

export function readTrack(deviceId: string, maxPoints: number, from: Date | null): Promise<Track> {
  const range = from === null ? '' : `&from=${encodeURIComponent(from.toISOString())}`;
  return request(`${devicePath(deviceId)}/track?maxPoints=${maxPoints}${range}`);
}

export async function searchDevices(query: string, limit: number): Promise<Device[]> {
  const path = `/api/v1/devices?q=${encodeURIComponent(query)}&limit=${limit}`;
  return (await request<{ devices: Device[] }>(path)).devices;
}

export async function readDevicesPage(cursor: string | null): Promise<{ devices: Device[]; nextCursor: string | null }> {
  const after = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
  return request(`/api/v1/devices?limit=1000${after}`);
}

export const describeDevice = (deviceId: string, name: string | null, labels: string[]): Promise<Device | undefined> =>
  request(devicePath(deviceId), {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, labels }),
  });

export const forgetDevice = (deviceId: string): Promise<void> => request(devicePath(deviceId), { method: 'DELETE' });

async function request<T>(path: string, init: RequestInit = {}, deadlineMs = DEADLINE_MS): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      headers: { accept: 'application/json', ...init.headers },
      signal: AbortSignal.timeout(deadlineMs),
    });
  } catch {
    throw new ApiError(0, 'The server does not answer.');
  }
  if (!response.ok) throw new ApiError(response.status, await problemText(response));
  const body = await response.text();
  return (body === '' ? undefined : JSON.parse(body)) as T;
}

/** The words of an RFC 9457 problem, or of its status when it has none. */
async function problemText(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { title?: string; detail?: string; errors?: { field: string; reason: string }[] };
    const fields = problem.errors?.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
    return fields || problem.detail || problem.title || `The server answered ${response.status}.`;
  } catch {
    return `The server answered ${response.status}.`;
  }
}
