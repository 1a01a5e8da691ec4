// The real program, with a data folder of its own, for the browser tests.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const READY_DEADLINE_MS = 30_000;

/** Starts `program` on a free port. Resolves to `{ url, close }` once it is ready. */
export async function startReal(program) {
  const folder = mkdtempSync(join(tmpdir(), 'fieldwatch-e2e-'));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(program, ['serve', '--quiet', '--data-dir', join(folder, 'data'), '--listen', new URL(url).host], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', () => child.kill('SIGKILL'));
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    if (Date.now() > deadline) {
      await close();
      throw new Error(`${program} is not ready after ${READY_DEADLINE_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, close };
}

const isReady = (url) => fetch(`${url}/health/ready`).then((answer) => answer.ok, () => false);

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
