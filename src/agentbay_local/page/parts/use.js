// What the session uses, and the programs that run in it.

const USE_EVERY = 2000;
let lastUse = null, lastTicks = new Map();

const share = (now, before, seconds, cores) => Math.min(100, Math.max(0, (100 * (now - before)) / seconds / cores));

async function lookAtUse() {
  let use;
  try {
    use = await ask(`${HERE}/use`);
  } catch (refusal) {
    setText(byId("use-word"), sessionOver ? "" : refusal.message);
    return;
  }
  setText(byId("use-word"), use.hibernated ? "The session is hibernated: nothing runs, and it takes no memory." : "");
  showMeters(use);
  showPrograms(use);
  showLinks(use.links);
  lastUse = use;
}

function showMeters(use) {
  const cpu = lastUse && use.cpu_seconds !== undefined && lastUse.cpu_seconds !== undefined
    ? share(use.cpu_seconds, lastUse.cpu_seconds, use.now - lastUse.now, use.cores) : 0;
  const meters = use.memory === undefined ? [] : [
    ["Memory", use.memory / use.memory_limit, `${bytes(use.memory)} of ${bytes(use.memory_limit)}`],
    ["Processor", cpu / 100, `${cpu.toFixed(0)} % of ${use.cores} cores`],
    ["Files", use.workspace_used / use.workspace_total, `${bytes(use.workspace_used)} of ${bytes(use.workspace_total)}`],
    ["Programs", use.processes / use.processes_limit, `${use.processes} of ${use.processes_limit}`],
  ];
  keepRows(byId("use-meters"), meters, ([name]) => name, makeMeter, fillMeter);
}

function makeMeter([name]) {
  const track = el("div", { className: "track", role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100 }, el("div"));
  return el("div", { className: "meter" }, el("div", { className: "what" }, name), el("div", { className: "much" }), track);
}

function fillMeter(meter, [, part, text]) {
  const percent = Math.round(100 * Math.min(1, part)), [, much, track] = meter.children;
  setText(much, text);
  track.setAttribute("aria-valuenow", percent);
  track.setAttribute("aria-valuetext", text);
  track.firstChild.style.width = `${percent}%`;
  track.firstChild.classList.toggle("full", percent >= 90);
}

function showPrograms(use) {
  const seconds = lastUse ? use.now - lastUse.now : 0, name = (each) => `${each.pid}/${each.started}`;
  for (const each of use.programs) {
    const before = lastTicks.get(name(each));
    each.share = before === undefined || !seconds ? null : share(each.cpu_seconds, before, seconds, 1);
  }
  lastTicks = new Map(use.programs.map((each) => [name(each), each.cpu_seconds]));
  byId("use-none").hidden = use.programs.length > 0 || use.hibernated;
  keepRows(byId("use-list"), use.programs, name, programRow, fillProgram);
}

function programRow(each) {
  const end = el("button", { type: "button", className: "danger", "aria-label": `End ${lineOf(each.name)}, process ${each.pid}`, onclick: () => endProgram(each) }, "End");
  const cells = ["number faint", "program", "number", "number", "number", "deeds"].map((name) => el("td", { className: name }));
  cells[1].append(el("strong"), el("span", { className: "code faint" }));
  cells[5].append(end);
  return row(...cells);
}

function fillProgram(line, each) {
  const [pid, program, cpu, memory, age] = line.children;
  setText(pid, each.pid);
  setText(program.children[0], each.name);
  setText(program.children[1], ` ${each.command === each.name ? "" : each.command}${each.stopped ? " (stopped)" : ""}`);
  setText(cpu, each.share === null ? "–" : `${each.share.toFixed(0)} %`);
  setText(memory, bytes(each.memory));
  setText(age, span(each.age));
}

async function endProgram({ pid, started, name }) {
  if (!(await dialog(`End ${lineOf(name)} (process ${pid})? It is asked to end, and killed if it does not.`, { yes: "End", danger: true }))) return;
  try {
    const { ended } = await ask(`${HERE}/end`, { method: "POST", json: { pid, started } });
    announce(ended ? `${name} has ended` : `${name} has not ended`);
    await lookAtUse();
  } catch (refusal) {
    setText(byId("use-word"), refusal.message);
  }
}

function showLinks(links) {
  byId("use-links-head").hidden = links.length === 0;
  keepRows(byId("use-links"), links, (each) => each.url, ({ port, url }) =>
    el("li", {}, el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, `Port ${port}`), " (opens a page from inside the session)"), () => {});
}

const useTurns = again(lookAtUse, (took) => Math.max(USE_EVERY, 10 * took));
pane("use", { open: () => useTurns.start(), leave: () => useTurns.stop() });
