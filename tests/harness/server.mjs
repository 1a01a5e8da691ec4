// A Fieldwatch process of a test's own: started on a private port, watched, ended by its process id.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { afterwards } from "./cleanup.mjs";
import { allPages, call, request } from "./http.mjs";
import { freePort } from "./ports.mjs";
import { waitUntil } from "./wait.mjs";

const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
const KEPT_LOG_LINES = 80;

/** The binary under test. */
export function binary() {
  const path = resolve(process.env.FIELDWATCH_BIN
    ?? join(dirname(fileURLToPath(import.meta.url)), "../../target/release/fieldwatch"));
  if (!existsSync(path)) throw new Error(`there is no ${path}: run "make build", or set FIELDWATCH_BIN`);
  return path;
}

/** The environment without this shell's own Fieldwatch settings, plus `more`. */
function environment(more = {}) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("FIELDWATCH_"));
  return { ...Object.fromEntries(own), ...more };
}

/** Runs one command to its end; answers `{code, stdout, stderr}`. */
export function fieldwatch(args, { env, cwd = tmpdir(), deadlineMs = 60_000 } = {}) {
  return new Promise((done) => {
    const options = { cwd, env: environment(env), timeout: deadlineMs, killSignal: "SIGKILL", maxBuffer: 1 << 30 };
    execFile(binary(), args, options, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

const started = new Set();
const folders = new Set();

// A failed file shows what its servers said, and neither server nor folder outlives its file: the body of a test that
// ran out of time goes on after its cleanup, and may start a server once more.
process.on("exit", (code) => {
  for (const server of started) {
    if (code !== 0) process.stderr.write(`--- the last lines of the server on ${server.url}\n${server.log()}\n`);
    server.killNow();
  }
  for (const folder of folders) remove(folder);
});
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(1));

export class Server {
  /** Lines in which the process said that it panicked, each with the one after it, which says why; empty in a healthy run. */
  panics = [];
  isFrozen = false;
  #process = null;
  #exited = null;
  #lines = [];
  #arguments;
  #env;

  constructor({ dataDir, port, args = [], env = {} }) {
    this.dataDir = dataDir;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#arguments = ["serve", "--data-dir", dataDir, "--listen", `127.0.0.1:${port}`, ...args];
    this.#env = env;
  }

  /** Spawns the process and does not wait for it. */
  spawn() {
    const child = spawn(binary(), this.#arguments, {
      cwd: dirname(this.dataDir),
      env: environment(this.#env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    started.add(this);
    this.#process = child;
    this.#exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8");
      output.on("data", (text) => {
        const lines = text.split("\n").filter((line) => line !== "");
        lines.forEach((line, at) => {
          if (line.includes("panicked at")) this.panics.push(`${line} ${lines[at + 1] ?? ""}`);
        });
        this.#lines.push(...lines);
        this.#lines.splice(0, Math.max(0, this.#lines.length - KEPT_LOG_LINES));
      });
    }
    return this;
  }

  /** Spawns the process and waits until it is ready. */
  async start() {
    this.spawn();
    await this.ready();
    return this;
  }

  async ready(deadlineMs = READY_DEADLINE_MS) {
    await waitUntil(`${this.url} is ready`, async () => {
      if (!this.isRunning()) throw new Error(`the server ended by itself:\n${this.log()}`);
      return (await request(`${this.url}/health/ready`, { deadlineMs: 1000 })).status === 200;
    }, deadlineMs);
  }

  isRunning() {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get pid() {
    return this.#process.pid;
  }

  /** `kill -9`, and the end of the process. */
  async kill() {
    this.killNow();
    await this.#exited;
  }

  killNow() {
    if (this.isRunning()) this.#process.kill("SIGKILL");
  }

  /** Stops it in its tracks: it answers nothing and closes nothing until `thaw`. */
  freeze() {
    this.isFrozen = this.#process.kill("SIGSTOP");
  }

  thaw() {
    this.#process.kill("SIGCONT");
    this.isFrozen = false;
  }

  /** SIGTERM; answers `{code, signal, elapsedMs}`. Fails when the process does not end in time. */
  async stop() {
    const begun = Date.now();
    if (this.isRunning()) this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.killNow(), STOP_DEADLINE_MS);
    const { code, signal } = await this.#exited;
    clearTimeout(timer);
    return { code, signal, elapsedMs: Date.now() - begun };
  }

  /** The most memory the process has held so far, in bytes. */
  peakMemory() {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"));
    return Number(kibibytes) * 1024;
  }

  log() {
    return this.#lines.join("\n");
  }

  /** One call of the JSON API: `path` begins with `/`. */
  call(path, options) {
    return call(`${this.url}${path}`, options);
  }

  /** Waits until every accepted reading is decided and stored. */
  async drained(deadlineMs = 30_000) {
    await waitUntil("the queue is empty", async () => {
      const { json } = await this.call("/api/v1/status");
      return json.queue.depth === 0 && json.lagMs === 0;
    }, deadlineMs);
  }

  devices() {
    return allPages(`${this.url}/api/v1/devices?limit=1000`, "devices");
  }

  /** The event log by the command line, beside the running server. */
  async exportedEvents() {
    const { code, stdout, stderr } = await fieldwatch(["events", "export", "--data-dir", this.dataDir]);
    if (code !== 0) throw new Error(`events export ended with ${code}: ${stderr}`);
    return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }
}

/** A folder of its own for a test, removed after it. */
export function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "fieldwatch-test-"));
  folders.add(folder);
  afterwards(t, () => remove(folder));
  return folder;
}

function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** A server with an empty data folder for a test, ready; killed and removed after it. `env` holds more variables. */
export async function serve(t, { env, args, dataDir } = {}) {
  const server = new Server({ dataDir: dataDir ?? join(temporaryFolder(t), "data"), port: await freePort(), env, args });
  afterwards(t, () => (server.isRunning() ? server.kill() : undefined));
  return server.start();
}
