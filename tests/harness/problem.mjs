// What a refusal looks like (CONTRACT §9, RFC 9457).

import assert from "node:assert/strict";

/** Asserts a problem document of this status; `fields` are those that its `errors` must name, in any order. */
export function assertProblem(answer, status, fields) {
  assert.equal(answer.status, status, answer.text.slice(0, 500));
  assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/);
  const { type, title, status: told, detail, code, errors } = answer.json;
  assert.equal(told, status);
  for (const [name, text] of Object.entries({ type, title, detail })) assert.ok(typeof text === "string" && text !== "", `${name}: ${text}`);
  assert.match(code, /^[a-z][a-z0-9_]*$/);
  if (fields === undefined) return;
  assert.ok(Array.isArray(errors), answer.text);
  assert.deepEqual(errors.map((error) => error.field).sort(), [...fields].sort(), answer.text);
  for (const { index, reason } of errors) {
    assert.ok(Number.isInteger(index), `index ${index}`);
    assert.ok(typeof reason === "string" && reason !== "", `reason ${reason}`);
  }
}
