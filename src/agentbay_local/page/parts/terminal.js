// The terminal: xterm.js on a WebSocket. When the connection breaks, it comes back to the same shell.

const LEAVERS = new Set(["Control", "Alt", "Shift"]);
const KEY_CODES = { Escape: "\x1b", Tab: "\t", ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D" };
const TAKEN_OVER = 4001, FIRST_WAIT = 500, LONGEST_WAIT = 8000;

const shellWord = byId("terminal-word"), shellPlace = byId("terminal-place");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let term = null, fit = null, socket = null, shellId = "", shellSeen = 0, shellDrawn = 0, shellOver = false;
let retry = 0, retryAfter = FIRST_WAIT, control = false;

function say(text, bad = false) {
  shellWord.classList.toggle("bad", bad);
  setText(shellWord, text);
}

function openTerminal(byHand) {
  if (!term) makeTerminal();
  fit.fit();
  if (!socket && !shellOver) connectShell();
  if (byHand) term.focus();
}

/** The session runs again, or has ended. */
function shellHears() {
  if (sessionOver && !shellOver) end("The session has ended.", true);
  if (sessionOver) clearTimeout(retry);
  else if (term && !socket && !shellOver && sessionState === "RUNNING") connectShell();
}

function makeTerminal() {
  term = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), fontSize: 14, scrollback: 5000,
    cursorBlink: !calm.matches, minimumContrastRatio: 4.5, theme: { background: "#16181b", foreground: "#e7e9ec" },
    screenReaderMode: byId("terminal-reader").checked, linkHandler: { activate: () => {} },
  });
  fit = new FitAddon.FitAddon();
  term.loadAddon(fit);
  term.open(shellPlace);
  term.attachCustomKeyEventHandler(shellKey);
  term.onData((text) => type(new TextEncoder().encode(controlled(text))));
  term.onBinary((text) => type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
  term.onResize(tellSize);
  new ResizeObserver(() => { if (shellPlace.clientHeight > 0) fit.fit(); }).observe(shellPlace);
}

/** Which keys are the page's own: those that leave the terminal, and the one that copies. */
function shellKey(event) {
  if (event.type !== "keydown") return true;
  if (LEAVERS.has(event.key) && event.ctrlKey && event.altKey && event.shiftKey) {
    event.preventDefault();
    leaveToTab();
    return false;
  }
  if (event.ctrlKey && event.shiftKey && event.code === "KeyC" && term.hasSelection()) {
    event.preventDefault();
    navigator.clipboard?.writeText(term.getSelection()).then(() => announce("Copied"), () => {});
    return false;
  }
  return true;
}

function controlled(text) {
  if (!control) return text;
  holdControl(false);
  return /^[a-z@[\\\]^_]$/i.test(text) ? String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31) : text;
}

function holdControl(held) {
  control = held;
  byId("terminal-control").setAttribute("aria-pressed", String(held));
}

function type(data) {
  if (socket?.readyState === WebSocket.OPEN && shellId) socket.send(data);
}

function tell(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function tellSize() {
  tell({ type: "resize", cols: Math.min(term.cols, 500), rows: Math.min(term.rows, 500) });
}

function connectShell() {
  clearTimeout(retry);
  if (sessionState !== "RUNNING") return say("The session is paused: the terminal is there again when it is resumed.", true);
  const address = new URL(`${HERE}/terminal`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  if (shellId) address.search = new URLSearchParams({ terminal: shellId, seen: shellSeen });
  const mine = (socket = new WebSocket(address, [`agentbay.${CODE}`]));
  mine.binaryType = "arraybuffer";
  mine.onmessage = (event) => { if (socket === mine) heed(event.data); };
  mine.onclose = (event) => { if (socket === mine) lost(event.code); };
  if (!shellId) say("Connecting…");
}

function heed(data) {
  if (data instanceof ArrayBuffer) {
    shellSeen += data.byteLength;
    term.write(new Uint8Array(data), () => drawn(data.byteLength));
    return;
  }
  const told = JSON.parse(data);
  if (told.type === "ready") ready(told);
  else end(told.text, told.type === "refused");
}

function drawn(count) {
  shellDrawn += count;
  tell({ type: "seen", bytes: Math.max(1, shellDrawn) });
}

function ready(told) {
  if (shellId && shellId !== told.terminal) term.reset();
  if (shellId && (told.lost || shellId !== told.terminal)) {
    term.reset();
    say(shellId === told.terminal ? "Connected again; some of what was printed is lost." : "The shell was gone: this is a new one.");
  } else say("");
  shellId = told.terminal;
  shellSeen = shellDrawn = told.from;
  retryAfter = FIRST_WAIT;
  tellSize();
}

function end(text, refused) {
  shellOver = true;
  shellId = "";
  say(text, refused);
  announce(text);
}

function lost(code) {
  socket = null;
  if (shellOver) return;
  if (code === TAKEN_OVER) return end("Another page shows this terminal now. Open a new one to go on here.", true);
  if (sessionOver) return end("The session has ended.", true);
  say("The connection is lost. Trying again…", true);
  retry = setTimeout(connectShell, retryAfter);
  retryAfter = Math.min(2 * retryAfter, LONGEST_WAIT);
}

function newShell() {
  clearTimeout(retry);
  const before = socket;
  socket = null;
  hangUp(before);
  shellId = "";
  shellSeen = shellDrawn = 0;
  shellOver = false;
  term.reset();
  connectShell();
  term.focus();
}

byId("terminal-new").addEventListener("click", newShell);
byId("terminal-reader").addEventListener("change", (event) => { if (term) term.options.screenReaderMode = event.target.checked; });
byId("terminal-control").addEventListener("click", () => { holdControl(!control); term.focus(); });
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => {
    const code = KEY_CODES[button.dataset.key];
    const arrow = term.modes.applicationCursorKeysMode ? `\x1bO${code}` : `\x1b[${code}`;
    type(new TextEncoder().encode(button.dataset.key.startsWith("Arrow") ? arrow : code));
    term.focus();
  });
}

pane("terminal", { open: openTerminal });
