// Lists the operations of /openapi.json and lets people try them. Everything is put in as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
/** Longer answers are cut in what is shown, and a stream is read for a moment only. */
const SHOWN_CHARACTERS = 20_000;
const STREAM_MS = 5_000;

function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

const resolved = (document_, value) =>
  value?.$ref ? value.$ref.slice(2).split("/").reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], document_) : value;

function typeOf(document_, schema) {
  const known = resolved(document_, schema) ?? {};
  if (known.enum) return known.enum.join(" | ");
  return [known.type, known.format].flat().filter(Boolean).join(" ") || (schema?.$ref ?? "").split("/").at(-1);
}

function operationView(document_, path, method, operation, shared) {
  const parameters = [...shared, ...(operation.parameters ?? [])].map((parameter) => resolved(document_, parameter));
  const inputs = parameters.map((parameter) => element("input", { name: parameter.name, ariaLabel: parameter.name }));
  const rows = parameters.map((parameter, index) => element("tr", {},
    element("td", {}, element("code", { text: parameter.name })),
    element("td", { text: `${parameter.in}, ${typeOf(document_, parameter.schema)}${parameter.required ? ", required" : ""}` }),
    element("td", { text: parameter.description ?? "" }),
    element("td", {}, inputs[index])));
  const parts = [element("p", { text: operation.description ?? "" })];
  if (rows.length > 0) parts.push(element("table", {}, element("tbody", {}, ...rows)));

  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const body = type === undefined ? null : element("textarea", { rows: 5, ariaLabel: "body" });
  if (body !== null) {
    body.value = content.example === undefined ? "" : JSON.stringify(content.example, null, 2);
    parts.push(element("p", { text: `Body, ${type}:` }), body);
  }
  parts.push(element("table", {}, element("tbody", {}, ...Object.entries(operation.responses).map(([status, answer]) => {
    const known = resolved(document_, answer);
    return element("tr", {}, element("td", {}, element("code", { text: status })),
      element("td", { text: Object.keys(known.content ?? {}).join(", ") }), element("td", { text: known.description }));
  }))));

  const output = element("pre", { hidden: true });
  const button = element("button", { type: "button", text: "Try it" });
  button.addEventListener("click", async () => {
    output.hidden = false;
    output.textContent = "…";
    try {
      output.textContent = await tried(path, method, parameters, inputs, type, body?.value);
    } catch (error) {
      output.textContent = String(error);
    }
  });
  parts.push(button, output);
  return element("details", {},
    element("summary", {}, element("span", { className: "method", text: method.toUpperCase() }), element("code", { text: path }),
      ` ${operation.summary ?? ""}`),
    element("div", {}, ...parts));
}

async function tried(path, method, parameters, inputs, type, body) {
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  parameters.forEach(({ name, in: place }, index) => {
    const { value } = inputs[index];
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === "") return;
    else if (place === "query") query.append(name, value);
    else headers[name] = value;
  });
  if (type !== undefined) headers["content-type"] = type;
  const url = query.size === 0 ? target : `${target}?${query}`;
  const abort = new AbortController();
  const answer = await fetch(url, { method: method.toUpperCase(), headers, body: type === undefined ? undefined : body, signal: abort.signal });
  const head = `${answer.status} ${answer.statusText}\n${[...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n")}\n\n`;
  const timer = setTimeout(() => abort.abort(), STREAM_MS);
  let text = "";
  try {
    const decoder = new TextDecoder();
    const reader = answer.body?.getReader();
    for (let piece = await reader?.read(); piece !== undefined && !piece.done && text.length < SHOWN_CHARACTERS; piece = await reader.read()) {
      text += decoder.decode(piece.value, { stream: true });
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON, or only the beginning of it: shown as it is.
  }
  return head + text.slice(0, SHOWN_CHARACTERS);
}

async function main() {
  const list = document.getElementById("operations");
  try {
    const document_ = await (await fetch("/openapi.json")).json();
    document.getElementById("about").prepend(`Version ${document_.info.version}. `);
    list.replaceChildren(...Object.entries(document_.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => operationView(document_, path, method, item[method], item.parameters ?? []))));
  } catch (error) {
    list.textContent = `The document could not be read: ${error}`;
  }
}

main();
