// The log of tool calls: what is new or has changed since the last look is asked for, and put on top.

const CALLS_EVERY = 1000, CALLS_AT_MOST = 500;
let callChange = 0, calls = new Map();

async function lookAtCalls() {
  let found;
  try {
    found = await ask(`${HERE}/calls?after=${callChange}`);
  } catch {
    return; // the head of the page says what is wrong
  }
  if (found.change < callChange) return forgetCalls();
  callChange = found.change;
  for (const call of found.calls) calls.set(call.number, call);
  if (!found.calls.length) return;
  const newest = [...calls.values()].sort((a, b) => b.number - a.number).slice(0, CALLS_AT_MOST);
  calls = new Map(newest.map((call) => [call.number, call]));
  byId("calls-none").hidden = true;
  keepRows(byId("calls-list"), newest, (call) => call.number, callRow, fillCall);
}

/** The server has started anew, and its numbers with it. */
function forgetCalls() {
  callChange = 0;
  calls.clear();
  byId("calls-list").replaceChildren();
  byId("calls-none").hidden = false;
}

function callRow(call) {
  const outcome = el("td", {}, el("span", { className: "outcome" }), el("span", { className: "why" }));
  const cells = [el("td", { className: "when" }, moment(call.at)), el("td", {}, el("strong", {}, call.tool)), el("td", { className: "code" }, call.arguments)];
  return row(...cells, outcome, el("td", { className: "number" }));
}

function fillCall(line, call) {
  const [outcome, why] = line.children[3].children;
  setText(outcome, call.outcome);
  outcome.className = `outcome ${call.outcome === "ok" ? "ok" : call.outcome === "running" ? "" : "bad"}`;
  setText(why, call.error);
  setText(line.children[4], call.ms === null ? "…" : call.ms < 10000 ? `${call.ms.toFixed(call.ms < 10 ? 1 : 0)} ms` : `${(call.ms / 1000).toFixed(1)} s`);
}

const callTurns = again(lookAtCalls, (took) => Math.max(CALLS_EVERY, 10 * took));
pane("calls", { open: () => callTurns.start(), leave: () => callTurns.stop() });
