// The head of a session's page: how the session is, and what can be done with it as a whole.

const STATE_EVERY = 2000, STATE_LONGEST = 15000;
let sessionOver = false, sessionState = FACTS.state, silent = 0, viewOpen = null;

function showState(facts) {
  const [text, kind] = stateOf(facts), changed = sessionState !== facts.state;
  sessionState = facts.state;
  setText(byId("state"), text);
  byId("state").className = `state ${kind}`;
  setText(byId("image"), facts.image);
  setText(byId("age"), `open for ${span(facts.age)}`);
  byId("pause").hidden = !["RUNNING", "PAUSING"].includes(facts.state);
  byId("pause").disabled = facts.state === "PAUSING";
  byId("resume").hidden = byId("pause").hidden === false;
  byId("resume").disabled = facts.state === "RESUMING";
  byId("delete").disabled = facts.state !== "RUNNING";
  if (facts.state === "RUNNING") notice("");
  else notice(facts.hibernated ? "The session is hibernated: its files are kept, its programs have ended. Resume it to go on, or to delete it." : "The session is paused: nothing in it runs until it is resumed. To delete it, resume it first.");
  if (changed) announce(`The session is ${text}`);
  if (changed) {
    shellHears();
    filesHear();
  }
}

function overWith(text) {
  sessionOver = true;
  stateTurns.stop();
  useTurns.stop();
  callTurns.stop();
  shellHears();
  viewOpen?.close();
  viewOpen = null;
  setText(byId("state"), "ended");
  byId("state").className = "state over";
  for (const id of ["pause", "resume", "delete"]) byId(id).disabled = true;
  notice(text, true);
}

async function lookAtState() {
  try {
    showState(await ask(`${HERE}/state`));
    silent = 0;
  } catch (refusal) {
    if (refusal.status === 404) return overWith("This session has ended. Nothing of it is left but what was brought to its contexts.");
    silent += 1;
    notice(`${refusal.message} Trying again…`, true);
  }
}

async function deed(name) {
  try {
    const facts = await ask(`${HERE}/do/${name}`, { method: "POST" });
    if (facts.state) showState(facts);
    else overWith("The session is deleted.");
  } catch (refusal) {
    notice(refusal.message, true);
  }
}

const stateTurns = again(lookAtState, () => Math.min(STATE_LONGEST, STATE_EVERY * 2 ** Math.min(silent, 4)));

setText(byId("name"), FACTS.id);
document.title = `${FACTS.id} – AgentBay`;
byId("pause").addEventListener("click", () => deed("pause"));
byId("resume").addEventListener("click", () => deed("resume"));
byId("delete").addEventListener("click", async () => {
  const sure = await dialog(`Delete ${FACTS.id}? All that runs in it ends, and its files are lost, but for those that its contexts keep.`, { yes: "Delete", danger: true });
  if (sure) await deed("delete");
});

pane("screen", {
  open: () => { if (!sessionOver) viewOpen = openView(byId("screen"), { path: HERE, token: CODE, announce }); },
  leave: () => { viewOpen?.close(); viewOpen = null; },
});

showState(FACTS);
stateTurns.start();
show("terminal", true);
