// One trial of several nodes: under load, with a stream that is cut, something is broken and mended; then the checker.

import assert from "node:assert/strict";
import { join } from "node:path";

import { describe, isClean } from "../checker/check.mjs";
import { HistoryWriter } from "../checker/history.mjs";
import { afterwards } from "./cleanup.mjs";
import { startLoad } from "./load.mjs";
import { balanced, drained, examineThrough, processed, startNodes } from "./nodes.mjs";
import { seedOfRun } from "./random.mjs";
import { temporaryFolder } from "./server.mjs";
import { SseClient } from "./sse.mjs";
import { waitUntil } from "./wait.mjs";

/** Promised are 10 s; here only what would mean that nobody ever answers. */
const ANSWER_DEADLINE_MS = 20_000;
const ENOUGH_ANSWERS = 150;

/**
 * Runs `faults` against nodes under load and has the checker look at what came of it, through each node with role api.
 *
 * `faults` gets `{nodes, load, history, cutStream, flows, brokerUrl, databaseUrl}`: `flows` waits until a good many more readings
 * are acknowledged, `cutStream` has the stream go on at another node, and what it posts itself belongs into `history`. What it
 * answers is when the last outage ended. `mayNotAnswer`: nodes (by number) whose silence is a part of the trial; `mayPanic`: what
 * panics say that are a part of it. Answers `{nodes, brokerUrl, databaseUrl}`, with the nodes still running.
 */
export async function trial(t, servers, { nodes: options, mayNotAnswer = [], mayPanic, load: loadOptions = {} }, faults) {
  const seed = seedOfRun();
  t.diagnostic(`FIELDWATCH_SEED=${seed}`);
  const historyPath = join(temporaryFolder(t), "history.ndjson");
  const { nodes, brokerUrl, databaseUrl } = await startNodes(t, servers, options);
  await balanced(nodes);

  const readers = nodes.filter((node) => node.has("api"));
  let turn = 0;
  const stream = new SseClient(() => {
    const usable = readers.filter((node) => node.isUsable);
    const { url } = usable[(turn += 1) % usable.length] ?? readers[0];
    return `${url}/api/v1/stream?since=0`;
  });
  afterwards(t, () => stream.close());
  const history = new HistoryWriter(historyPath);
  const load = startLoad(t, {
    url: nodes.filter((node) => node.has("ingest")).map((node) => node.url),
    history, seed, answerDeadlineMs: ANSWER_DEADLINE_MS, pauseMs: 10, ...loadOptions,
  });
  const flows = (deadlineMs) => {
    const before = load.answered;
    return waitUntil("readings are taken", () => load.answered > before + ENOUGH_ANSWERS, deadlineMs ?? 60_000);
  };
  await flows();
  const ended = await faults({ nodes, load, history, flows, brokerUrl, databaseUrl, cutStream: () => stream.cut() }) ?? Date.now();
  await flows();
  await load.stop();
  for (const node of readers) await processed(node, historyPath);
  const silent = mayNotAnswer.map((number) => nodes[number].url);
  const slowest = Math.max(...[...load.slowestAnswerMs].filter(([url]) => !silent.includes(url)).map(([, elapsedMs]) => elapsedMs));
  t.diagnostic(`all processed ${Date.now() - ended} ms after the end of the last outage; the slowest answer took ${slowest} ms`);
  await drained(nodes);

  assert.deepEqual(load.unanswered.filter((url) => !silent.includes(url)), [], "each POST is answered");
  assert.deepEqual(load.unexpected, []);
  assert.ok(load.overloads.every((retryAfter) => retryAfter !== null), "a 503 says when to try again");
  for (const node of readers) {
    const report = await examineThrough(node, historyPath, { streams: [stream] });
    t.diagnostic(`stream connections ${stream.connections}, 503 ${load.overloads.length}: ${describe(report)}`);
    assert.ok(isClean(report), describe(report));
    assert.ok(report.acked > ENOUGH_ANSWERS, "that is no load");
  }
  assert.deepEqual(nodes.flatMap((node) => node.panics).filter((panic) => !mayPanic?.test(panic)), []);
  return { nodes, brokerUrl, databaseUrl };
}
