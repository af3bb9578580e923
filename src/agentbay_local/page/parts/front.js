// The front page: the sessions of one key, and what they use.

const FRONT_EVERY = 3000;
let before = new Map();

async function lookAtSessions() {
  try {
    const { sessions, all } = await ask("/sessions");
    notice("");
    showSessions(sessions, all);
  } catch (refusal) {
    notice(refusal.status === 401 ? "The token of this page is not valid any more: open the address that agentbay serve has printed." : `${refusal.message} Trying again…`, true);
    if (refusal.status === 401) turns.stop();
  }
}

function showSessions(sessions, all) {
  setText(byId("front-count"), all === 1 ? "1 session" : `${all} sessions${sessions.length < all ? `, the newest ${sessions.length} shown` : ""}`);
  byId("front-none").hidden = sessions.length > 0;
  for (const each of sessions) each.cpu = cpuOf(each);
  before = new Map(sessions.map((each) => [each.id, each.use]));
  keepRows(byId("front-list"), sessions, (each) => each.id, sessionRow, fillSession);
}

function cpuOf({ id, use }) {
  const last = before.get(id);
  if (use.cpu_seconds === undefined || last?.cpu_seconds === undefined || use.now <= last.now) return null;
  return Math.min(100, Math.max(0, (100 * (use.cpu_seconds - last.cpu_seconds)) / (use.now - last.now) / use.cores));
}

function sessionRow(each) {
  const link = el("a", { href: each.page, target: "_blank", rel: "noopener noreferrer" }, each.id);
  const cells = ["", "", "", "code"].map((name) => el("td", { className: name }));
  for (const what of ["Age", "CPU", "Memory", "Files"]) cells.push(el("td", { className: "number", "data-what": what }));
  cells[0].append(link);
  cells[1].append(el("span", { className: "state" }));
  return row(...cells);
}

function fillSession(line, each) {
  const [, state, image, labels, age, cpu, memory, files] = line.children, [text, kind] = stateOf(each);
  setText(state.firstChild, each.hibernated ? "hibernated" : text);
  state.firstChild.className = `state ${kind}`;
  setText(image, each.image);
  setText(labels, Object.entries(each.labels).map(([name, value]) => `${name}=${value}`).join(" "));
  setText(age, span(each.age));
  setText(cpu, each.cpu === null ? "–" : `${each.cpu.toFixed(0)} %`);
  setText(memory, each.use.memory === undefined ? "–" : bytes(each.use.memory));
  setText(files, each.use.workspace_used === undefined ? "–" : bytes(each.use.workspace_used));
}

const turns = again(lookAtSessions, (took) => Math.max(FRONT_EVERY, 10 * took));
turns.start();
