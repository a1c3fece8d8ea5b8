const { stringify, parse } = JSON;

// Runs one JavaScript or TypeScript program: its default export, called with (input, ctx).
// Says that it is ready, then reads one request from standard input: JSON with source, typescript, input, env, task,
// files. The program is loaded from a `data:` address, so that its imports are held to the permissions we were given:
// those of a main module are not.
// That is not said in the first line: Deno looks for pragmas in what stands there, which would cost each jail 1 to 2 ms.

const encoder = new TextEncoder();
const out = Deno.stdout;
const exit = Deno.exit;
const LEVELS = new Set(["debug", "info", "warning", "error"]);
const LONGEST = 8192;

function send(frame) {
  let bytes = encoder.encode(stringify(frame) + "\n");
  while (bytes.length) bytes = bytes.subarray(out.writeSync(bytes));
}

function text(value) {
  if (typeof value === "string") return value;
  try {
    return Deno.inspect(value);
  } catch {
    return String(value);
  }
}

function say(level, parts) {
  send({ type: "log", level: LEVELS.has(level) ? level : "info", text: parts.map(text).join(" ").slice(0, LONGEST) });
}

function makeLog() {
  const log = (level, ...parts) => say(level, parts);
  for (const level of LEVELS) log[level] = (...parts) => say(level, parts);
  return log;
}

function base64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function save(name, content) {
  const bytes = typeof content === "string" ? encoder.encode(content) : content;
  const piece = 49152;
  for (let at = 0; at === 0 || at < bytes.length; at += piece) {
    const last = at + piece >= bytes.length;
    send({ type: "file", name: String(name), data: base64(bytes.subarray(at, at + piece)), last });
  }
  return `file:${name}`;
}

function failure(error) {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : text(error);
  let code = typeof error?.code === "string" ? error.code : "";
  if (error instanceof RangeError && /alloc|memory|Array buffer/i.test(error.message)) code = "LIMIT:memory";
  return { type: "error", error: { code, message: message.slice(0, LONGEST), stackTrace: String(error?.stack ?? "") } };
}

// Read at once and not as a stream, whose machinery would cost each jail a third more.
function readAll() {
  const decoder = new TextDecoder();
  const piece = new Uint8Array(65536);
  let read = "";
  for (let count = Deno.stdin.readSync(piece); count !== null; count = Deno.stdin.readSync(piece)) {
    read += decoder.decode(piece.subarray(0, count), { stream: true });
  }
  return read;
}

async function run(request) {
  for (const [name, value] of Object.entries(request.env)) Deno.env.set(name, value);
  const media = request.typescript ? "application/typescript" : "text/javascript";
  const module = await import(`data:${media};charset=utf-8,${encodeURIComponent(request.source)}`);
  if (typeof module.default !== "function") {
    const message = "the source has no `export default function (input, ctx)`";
    return { type: "error", error: { code: "NO_MAIN", message } };
  }
  const progress = (current, total = null, action = null) => send({ type: "progress", current, total, action });
  const ctx = { log: makeLog(), progress, save, task: request.task, files: request.files };
  const output = await module.default(request.input, ctx);
  try {
    const frame = stringify({ type: "result", output: output ?? null });
    if (!frame.includes('"output":')) throw new TypeError("a function or a symbol has no JSON");
    checkNumbers(output);
    return { type: "result", output: parse(frame).output };
  } catch (error) {
    return { type: "error", error: { code: "NOT_JSON", message: `the result is not JSON: ${error.message}` } };
  }
}

// JSON writes what is no finite number as null: whoever computes NaN should hear of it.
function checkNumbers(value) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number`);
  if (value && typeof value === "object") Object.values(value).forEach(checkNumbers);
}

for (const [name, level] of [["log", "info"], ["info", "info"], ["debug", "debug"], ["warn", "warning"], ["error", "error"]]) {
  console[name] = (...parts) => say(level, parts);
}
// What is stored lasts no longer than we do, and needs no file for it.
Object.defineProperty(globalThis, "localStorage", { get: () => sessionStorage, configurable: true });
out.writeSync(encoder.encode("ready\n"));
const request = parse(readAll());
let frame;
try {
  frame = await run(request);
} catch (error) {
  frame = failure(error);
}
send(frame);
exit(0);
