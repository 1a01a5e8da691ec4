import assert from "node:assert/strict";
import { test } from "node:test";

import { afterwards } from "./cleanup.mjs";

test("what was set up last is undone first, also after a failure", async () => {
  const order = [];
  const hooks = [];
  const t = { after: (hook) => hooks.push(hook) };
  afterwards(t, () => order.push("folder"));
  afterwards(t, () => { throw new Error("mount is busy"); });
  afterwards(t, () => order.push("server"));
  assert.equal(hooks.length, 1);
  await assert.rejects(hooks[0](), /mount is busy/);
  assert.deepEqual(order, ["server", "folder"]);
});
