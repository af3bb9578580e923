// The tabs: one pane at a time, by mouse, and by arrow keys as tabs are expected to work.

const PANES = {};

/** Has a pane told when it is opened, and when it is left. */
function pane(id, { open = () => {}, leave = () => {} }) {
  PANES[id] = { open, leave };
}

const tabs = [...document.querySelectorAll('[role="tab"]')];
let shownPane = "";

/** Opens a pane; `byHand` says that it may take the focus from its tab. */
function show(id, byHand = false) {
  if (id === shownPane) return;
  if (shownPane) PANES[shownPane]?.leave();
  shownPane = id;
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${id}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  PANES[id]?.open(byHand);
}

function tabKey(event) {
  const now = tabs.indexOf(event.currentTarget);
  const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = tabs[(steps[event.key] + tabs.length) % tabs.length];
  next.focus();
  show(next.getAttribute("aria-controls"));
}

for (const tab of tabs) {
  tab.addEventListener("click", () => show(tab.getAttribute("aria-controls"), true));
  tab.addEventListener("keydown", tabKey);
}

/** Leaves what takes all keys, for the tab that it belongs to. */
function leaveToTab() {
  byId(`tab-${shownPane}`).focus();
}
