// What all parts of a page share. Whatever comes from a session gets into the page as text, never as markup.

const CODE = new URLSearchParams(location.search).get("authcode") ?? new URLSearchParams(location.search).get("token");
const FACTS = JSON.parse(document.getElementById("facts").textContent);
const HERE = location.pathname.replace(/\/+$/, "");
const byId = (id) => document.getElementById(id);

// Sheets of style that the terminal makes are let in by the page's own nonce.
const NONCE = document.currentScript.nonce;
const make = document.createElement.bind(document);
document.createElement = (name, ...rest) => {
  const made = make(name, ...rest);
  if (String(name).toLowerCase() === "style") made.nonce = NONCE;
  return made;
};

/** An element with its properties and what is in it: texts and other elements. */
function el(name, properties = {}, ...inside) {
  const made = make(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key in made && !key.startsWith("aria-")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...inside.map((each) => (each instanceof Node ? each : readable(String(each)))));
  return made;
}

/** A text that cannot turn round or hide what stands beside it. */
function readable(text) {
  return text.replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, "\ufffd");
}

/** A file's name in one line, whatever is in it. */
function lineOf(name) {
  return readable(name.replace(/[\0-\x1f\x7f]/g, "\ufffd"));
}

function setText(node, text) {
  const wanted = readable(String(text));
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Tells it to those who cannot see the page. */
function announce(text) {
  setText(byId("spoken"), text);
}

class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Asks the server. Throws a Refusal with its words; its status is 0 if no server answered. */
async function ask(path, { method = "GET", json, raw = false } = {}) {
  const options = { method, headers: { "X-Access-Page": CODE ?? "" }, cache: "no-store", credentials: "omit", redirect: "error" };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refusal("The server cannot be reached.", 0);
  }
  if (!answer.ok) throw new Refusal(await words(answer), answer.status);
  return raw ? answer : answer.json();
}

async function words(answer) {
  try {
    return (await answer.json()).Message ?? `The server answers ${answer.status}.`;
  } catch {
    return `The server answers ${answer.status}.`;
  }
}

/** Does some work again and again, while the page is seen: `wait` tells the milliseconds until the next time. */
function again(work, wait) {
  let timer = 0, running = false, wanted = false;
  async function turn() {
    clearTimeout(timer);
    if (!wanted || running) return;
    running = true;
    const begun = performance.now();
    try {
      await work();
    } finally {
      running = false;
    }
    if (wanted && !document.hidden) timer = setTimeout(turn, wait(performance.now() - begun));
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : turn()));
  return {
    start() { wanted = true; if (!document.hidden) turn(); },
    stop() { wanted = false; clearTimeout(timer); },
  };
}

/** Ends a WebSocket. One that is not there yet is let come first: browsers complain aloud about what is cut off before. */
function hangUp(socket) {
  if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close(1000));
  else socket?.close(1000);
}

/** Keeps the rows of a table in step with a list; rows that stay keep their focus. */
function keepRows(body, items, key, makeRow, fill) {
  const wanted = new Map(items.map((item) => [String(key(item)), item])), there = new Map();
  for (const line of [...body.children]) {
    if (wanted.has(line.dataset.key)) there.set(line.dataset.key, line);
    else line.remove();
  }
  let place = body.firstElementChild;
  for (const [name, item] of wanted) {
    const line = there.get(name) ?? makeRow(item);
    line.dataset.key = name;
    fill(line, item);
    if (line === place) place = place.nextElementSibling;
    else body.insertBefore(line, place);
  }
}

function row(...cells) {
  for (const cell of cells) cell.setAttribute("role", "cell");
  return el("tr", { role: "row" }, ...cells);
}

function bytes(count) {
  for (const [unit, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (count >= unit) return `${(count / unit).toFixed(count / unit < 10 ? 1 : 0)} ${name}`;
  }
  return `${count} B`;
}

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d`;
}

function moment(seconds) {
  const date = new Date(1000 * seconds), today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  return today ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time.slice(0, 5)}`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** The state in words, and the class that colours it. */
function stateOf(facts) {
  if (facts.hibernated) return ["paused, hibernated: files kept, programs gone", "waiting"];
  return [facts.state.toLowerCase(), facts.state === "RUNNING" ? "running" : "waiting"];
}

function notice(text, bad = false) {
  const place = byId("notice");
  place.hidden = !text;
  place.classList.toggle("bad", bad);
  setText(place, text);
}

for (const table of document.querySelectorAll("table")) {
  table.setAttribute("role", "table");
  for (const part of table.querySelectorAll("thead, tbody")) part.setAttribute("role", "rowgroup");
  for (const line of table.querySelectorAll("thead tr")) line.setAttribute("role", "row");
  for (const cell of table.querySelectorAll("th")) cell.setAttribute("role", "columnheader");
}
