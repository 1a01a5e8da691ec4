// Real RabbitMQ and PostgreSQL servers of a test file's own, started and looked after by `fieldwatch-real-servers`.
//
// One of each serves a whole file; each test has a virtual host and a database of its own. They end with this process, however it ends:
// the program that looks after them waits for its input to close.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A broker takes 8 s to start on a quiet machine of two cores, a command of it up to 2 s. */
const ANSWER_DEADLINE_MS = 120_000;

const program = resolve(process.env.FIELDWATCH_REAL_SERVERS
  ?? join(dirname(fileURLToPath(import.meta.url)), "../../target/release/fieldwatch-real-servers"));

/**
 * Starts both. Answers `{skip: false, broker, database}`, or `{skip: why}` where one of them cannot be had here: tests
 * pass `skip` on, so that they are counted as skipped, by name and reason.
 */
export async function realServers() {
  if (!existsSync(program)) throw new Error(`there is no ${program}: run "make build", or set FIELDWATCH_REAL_SERVERS`);
  const [broker, database] = await Promise.all([RealServer.start("rabbitmq"), RealServer.start("postgresql")]);
  const missing = [broker, database].map((server) => server.missing).filter((why) => why !== undefined);
  return missing.length > 0 ? { skip: missing.join("; ") } : { skip: false, broker, database };
}

class RealServer {
  /** Why it cannot be had here; undefined when it runs. */
  missing;
  /** Its address, without a virtual host or database. */
  url;
  #child;
  #lines;
  #waiting = [];
  #ended = false;

  /** Starts one, and waits until it answers or is known to be missing. */
  static async start(kind) {
    const server = new RealServer(kind);
    const { url, missing } = await server.#answer();
    Object.assign(server, { url, missing });
    return server;
  }

  constructor(kind) {
    this.kind = kind;
    this.#child = spawn(program, [kind], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on("line", (line) => this.#waiting.shift()?.resolve(JSON.parse(line)));
    this.#child.stdin.on("error", () => {});
    this.#child.on("exit", (code, signal) => {
      this.#ended = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${kind}: ended with ${code ?? signal}`));
    });
    this.#holdProcess(false);
  }

  /** A virtual host of the broker that nobody else uses: its address. */
  async vhost() {
    return (await this.#command("vhost")).url;
  }

  /**
   * A virtual host whose connections are encrypted: its address, and the file with its authority's certificate, `{url, authority}`;
   * or `{missing: why}` where none can be had.
   */
  async encryptedVhost() {
    return this.#command("encrypted");
  }

  /** A database that nobody else uses: its address. */
  async freshDatabase() {
    return (await this.#command("database")).url;
  }

  /** Kills it with its children, at once. */
  async kill() {
    await this.#command("kill");
  }

  /** Starts it again on the same port and data, and waits until it answers. */
  async restart() {
    await this.#command("restart");
  }

  /** Stops it in its tracks until `thaw`. */
  async freeze() {
    await this.#command("freeze");
  }

  async thaw() {
    await this.#command("thaw");
  }

  /** The broker believes that its disk is full, or not any more. */
  async alarm(on) {
    await this.#command(`alarm ${on ? "on" : "off"}`);
  }

  /** What `rabbitmqctl` says. */
  async control(words) {
    return (await this.#command(`control ${words}`)).said;
  }

  /** What `psql` says to a statement in the database of an address. */
  async sql(databaseUrl, statement) {
    const name = new URL(databaseUrl).pathname.slice(1);
    return (await this.#command(`sql ${name} ${statement}`)).said;
  }

  /** Ends it; without this it ends with the process. */
  end() {
    this.#child.stdin.end();
  }

  async #command(line) {
    if (this.#ended) throw new Error(`${this.kind}: has ended`);
    const answered = this.#answer();
    this.#child.stdin.write(`${line}\n`);
    const answer = await answered;
    if (answer.error !== undefined) throw new Error(`${this.kind}: ${line}: ${answer.error}`);
    return answer;
  }

  /** The next answer. Only while one is awaited does the server keep this process from ending. */
  async #answer() {
    this.#holdProcess(true);
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${this.kind}: no answer within ${ANSWER_DEADLINE_MS} ms`)), ANSWER_DEADLINE_MS);
        this.#waiting.push({ resolve, reject });
      });
    } finally {
      clearTimeout(timer);
      if (this.#waiting.length === 0) this.#holdProcess(false);
    }
  }

  #holdProcess(hold) {
    for (const handle of [this.#child, this.#child.stdin, this.#child.stdout]) hold ? handle.ref() : handle.unref();
  }
}
