// Runs the tests of the given folders (all by default), one file after another: each starts servers of its own, and
// the machine's cores are few. Skipped tests are named with their reason and counted in the summary.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const ALL = ["reference", "checker", "harness", "api", "bad-input", "real-input", "faults", "nodes"];

const folders = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ALL;
const files = folders.flatMap((folder) =>
  readdirSync(join(here, folder)).filter((name) => name.endsWith(".test.mjs")).sort().map((name) => join(here, folder, name)));

const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=1", "--test-reporter=spec", ...files], {
  cwd: here,
  stdio: "inherit",
});
process.exit(status ?? 1);
