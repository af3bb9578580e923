'use strict';
// Runs in one node process per session and keeps the state of all calls. V8's own console mode (`replMode`) gives top-level
// await and lets const, let and class be declared again. Arguments: the descriptors for requests, events and interrupts.

const fs = require('fs');
const inspector = require('inspector');
const net = require('net');
const path = require('path');
const util = require('util');
const { createRequire } = require('module');
const { Worker } = require('worker_threads');

const [requestFd, eventFd, interruptFd] = process.argv.splice(1, 3).map(Number);
const JSON_NODES = 100000;
const OUR_FRAME = /^\s+(at .*(node:inspector|\[eval\])|\.{3} \d+ lines matching )/; // what an error shares with its cause, too
const FRAME = /^\s+(at |\.{3} \d+ lines matching )/;
const session = new inspector.Session();
const handled = new Int32Array(new SharedArrayBuffer(4));
let running = 0; // identity of the call in progress, 0 between calls
let globalObject;
let taken;

function emit(event) {
  let bytes = Buffer.from(JSON.stringify(event) + '\n');
  while (bytes.length) bytes = bytes.subarray(fs.writeSync(eventFd, bytes));
}

const post = (method, params) =>
  new Promise((resolve) => session.post(method, params, (error, reply) => resolve(error ? { error } : reply)));

// ---- values

// The value behind a protocol object: a function of ours is called with it.
async function take(remote) {
  const argument = remote.objectId ? { objectId: remote.objectId }
    : 'unserializableValue' in remote ? { unserializableValue: remote.unserializableValue } : { value: remote.value };
  await post('Runtime.callFunctionOn', {
    objectId: globalObject, arguments: [argument], functionDeclaration: 'function(v){this[Symbol.for("agentbay.take")](v)}',
  });
  const value = taken;
  taken = undefined;
  return value;
}

// Only what JSON gives back unchanged: plain objects and arrays, no loops, no getters, no odd numbers.
function isPlain(value, budget, depth = 0) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth > 100 || util.types.isProxy(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== null && prototype !== Object.prototype) return false;
  return Object.keys(value).every((key) => {
    const property = Object.getOwnPropertyDescriptor(value, key);
    return budget.left-- > 0 && 'value' in property && isPlain(property.value, budget, depth + 1);
  });
}

// An object may say itself how it wants to be shown, with the method that Deno's kernel calls too.
async function bundle(value) {
  const show = value !== null && typeof value === 'object' && value[Symbol.for('Jupyter.display')];
  if (typeof show === 'function') return { 'text/plain': util.inspect(value), ...(await show.call(value)) };
  const data = { 'text/plain': util.inspect(value) };
  if (value !== null && typeof value === 'object' && isPlain(value, { left: JSON_NODES })) data['application/json'] = value;
  return data;
}

// The error as node prints it, and its causes, without the frames below the user's code.
function readable(error) {
  const kept = [];
  let below = false;
  for (const line of util.inspect(error).split('\n')) {
    below = FRAME.test(line) && (below || OUR_FRAME.test(line));
    if (!below) kept.push(line);
    else if (line.endsWith(' {') && kept.length) kept[kept.length - 1] += ' {'; // the error's own fields follow
  }
  return kept.join('\n');
}

function describe(error, place) {
  if (!util.types.isNativeError(error) && !(error instanceof Error)) {
    return { status: 'error', name: 'Uncaught', message: util.inspect(error), stack: '' };
  }
  const lines = readable(error).split('\n');
  if (place && error instanceof SyntaxError && !lines.some((line) => line.includes('In['))) lines.push(`    at ${place}`);
  return { status: 'error', name: String(error.name), message: String(error.message), stack: lines.join('\n') };
}

// ---- code

// One token that is not plain code, or an import: comments, strings, templates and regular expressions stay as they are.
const TOKEN = new RegExp([
  '//[^\\n]*', '/\\*[^]*?\\*/', '"(?:\\\\[^]|[^"\\\\\\n])*"', "'(?:\\\\[^]|[^'\\\\\\n])*'", '`(?:\\\\[^]|[^`\\\\])*`',
  '(?<=(?:^|[(,=:\\[!&|?{};\\n]|\\breturn)[ \\t]*)/(?![/*])(?:\\\\.|\\[(?:\\\\.|[^\\]\\\\\\n])*\\]|[^/\\\\\\n])+/[a-z]*',
  '(?<![.\\w$])import\\s*(?=\\()',
  '(?<=(?:^|[;\\n])[ \\t]*)import\\s+(?:(?<what>[\\w$*{][^;"\'`()]*?)\\s*from\\s*)?(?<from>"[^"\\n]+"|\'[^\'\\n]+\')',
].join('|'), 'g');

const fields = (list) => list.replace(/\s+as\s+/g, ': ');

function binding(what) {
  const [, first, rest] = /^\s*([\w$]+)?\s*,?\s*([^]*?)\s*$/.exec(what);
  const module = rest.startsWith('*') ? rest.replace(/^\*\s*as\s+/, '') : '';
  if (module) return first ? `${module}, {default: ${first}} = ${module}` : module;
  const named = fields(rest.replace(/^\{|\}$/g, ''));
  return `{${first ? `default: ${first}, ` : ''}${named}}`;
}

function importStatement({ what, from }) {
  if (what === undefined) return `await $import(${from});`;
  const [target, ...more] = binding(what).split(/, (?=\{default: [\w$]+\} = )/);
  return `${[`const ${target} = await $import(${from})`, ...more].join(', ')};`;
}

// Scripts may not hold import statements, and V8's console mode has no loader for import(): both go through $import.
function withImports(code) {
  if (!/\bimport\b/.test(code)) return code;
  return code.replace(TOKEN, (token, ...rest) => {
    if (!token.startsWith('import')) return token;
    const groups = rest.at(-1);
    return groups.from === undefined ? '$import' : importStatement(groups);
  });
}

// `{a: 1}` alone is meant as an object, though it reads as a block.
async function asExpression(code) {
  if (!/^\s*\{[^]*\}\s*$/.test(code)) return code;
  const wrapped = `(${code}\n)`;
  const { exceptionDetails } = await post('Runtime.compileScript', { expression: wrapped, sourceURL: '', persistScript: false });
  return exceptionDetails ? code : wrapped;
}

const interrupted = {
  status: 'error', name: 'Interrupted', message: 'the run was interrupted', stack: '',
};

async function evaluate(code, count) {
  const expression = `${await asExpression(withImports(code))}\n//# sourceURL=In[${count}]`;
  const reply = await post('Runtime.evaluate', { expression, replMode: true, awaitPromise: true, objectGroup: 'call' });
  if (reply.error) return interrupted;
  const details = reply.exceptionDetails;
  if (details) {
    const place = `In[${count}]:${details.lineNumber + 1}:${details.columnNumber + 1}`;
    return describe(await take(details.exception), place);
  }
  let value = await take(reply.result);
  if (util.types.isPromise(value)) {
    try {
      value = await value;
    } catch (error) {
      return describe(error);
    }
  }
  return { status: 'ok', data: value === undefined ? undefined : await bundle(value) };
}

const written = (stream) => new Promise((resolve) => stream.write('', resolve));

async function finish(identity, outcome) {
  if (running !== identity) return; // interrupted meanwhile, and answered then
  running = 0;
  session.post('Runtime.releaseObjectGroup', { objectGroup: 'call' });
  await Promise.all([written(process.stdout), written(process.stderr)]);
  emit({ type: 'end', ...outcome });
}

const requests = {
  async execute({ id, code, count }) {
    running = id;
    finish(id, await evaluate(code, count).catch((error) => describe(error)));
  },
  interrupt({ id }) {
    Atomics.add(handled, 0, 1);
    Atomics.notify(handled, 0);
    if (running === id) finish(id, interrupted);
  },
};

// ---- interrupts: a thread that can stop the main one in the middle of a loop

const WATCHER = `
const { workerData } = require('worker_threads');
const { Session } = require('inspector');
const net = require('net');
const session = new Session();
session.connectToMainThread();
const handled = new Int32Array(workerData.handled);
new net.Socket({ fd: workerData.fd, readable: true, writable: false }).on('data', (bytes) => {
  // The main thread gets the same order; only if it is too busy to take it is its code cut short.
  const seen = Atomics.load(handled, 0);
  if (bytes[bytes.length - 1] !== (seen & 0xff)) return;
  if (Atomics.wait(handled, 0, seen, 100) === 'timed-out') session.post('Runtime.terminateExecution');
});
`;

function watch() {
  const workerData = { fd: interruptFd, handled: handled.buffer };
  new Worker(WATCHER, { eval: true, workerData, env: process.env }).unref();
}

// ---- start

function report(title) {
  return (error) => process.stderr.write(`${title}: ${readable(error)}\n`);
}

function hide(name, value) {
  Object.defineProperty(globalThis, name, { value, enumerable: false, configurable: true, writable: true });
}

async function main() {
  session.connect();
  process.on('exit', () => session.disconnect());
  for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true); // output comes while code runs
  process.on('SIGINT', () => {}); // interrupts come by their own road; programs started from here still get the signal
  process.on('uncaughtException', report('Uncaught exception'));
  process.on('unhandledRejection', report('Unhandled rejection'));
  hide('require', createRequire(path.join(process.cwd(), 'call.js')));
  hide('$import', (specifier, options) => import(specifier, options));
  hide(Symbol.for('agentbay.take'), (value) => { taken = value; });
  globalObject = (await post('Runtime.evaluate', { expression: 'globalThis' })).result.objectId;
  watch();
  let text = '';
  const socket = new net.Socket({ fd: requestFd, readable: true, writable: false });
  socket.setEncoding('utf8').on('end', () => process.exit(0)).on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    for (const line of lines) {
      const request = JSON.parse(line);
      requests[request.op](request);
    }
  });
  emit({ type: 'ready' });
}

main();
