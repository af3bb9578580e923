// The live view of the session's desktop or browser. Pictures come in, and go onto a canvas; what a person does on it
// goes out. The server sends the next picture when this one says that the last is drawn.

const HEAD = 16, PING = 2000, PAUSES = [500, 1000, 2000, 4000, 8000];

/** The parts of the page, by name. */
function built(section) {
  const button = (text, title) => el("button", { type: "button", title }, text);
  const parts = {
    desktop: button("Desktop"), browser: button("Browser"), type: button("Keyboard", "Have what you type go to the screen"),
    zoom: button("Zoom", "Show the picture in its own size"), full: button("Full screen"), copy: button("Copy here"), copied: el("span", { className: "view-copied" }),
    word: el("p", { className: "word", role: "status" }), delay: el("span", { className: "faint", title: "Time to the server and back" }),
    back: button("←"), forward: button("→"), reload: button("⟳"), open: button("New tab"),
    address: el("input", { type: "text", spellcheck: false, autocomplete: "off", inputMode: "url", "aria-label": "Address" }),
    tabs: el("ul", { className: "view-tabs", "aria-label": "Tabs of the browser" }),
    canvas: el("canvas", { tabIndex: 0, role: "application", hidden: true, width: 1, height: 1 }),
    sink: el("textarea", {
      className: "view-sink", tabIndex: -1, spellcheck: false, autocomplete: "off", autocapitalize: "off",
      "autocorrect": "off", "aria-label": "Keyboard of the session's screen",
    }),
    cover: el("div", { className: "view-cover" }), said: el("p"), start: button("Start"),
    question: el("div", { className: "view-question", role: "alertdialog", "aria-label": "The page asks", hidden: true }),
    asked: el("p"), answer: el("input", { type: "text", "aria-label": "Answer" }), yes: button("OK"), no: button("Cancel"),
    hint: el("p", { className: "hint", id: "view-hint" }, "Keys go to the screen. Leave with ", el("kbd", {}, "Ctrl"), "+", el("kbd", {}, "Alt"), "+", el("kbd", {}, "Shift"), "."),
  };
  for (const [name, label] of [["back", "Back"], ["forward", "Forward"], ["reload", "Reload"]]) parts[name].setAttribute("aria-label", label);
  parts.start.className = "strong";
  parts.canvas.setAttribute("aria-describedby", "view-hint");
  parts.choice = el("div", { className: "buttons", role: "group", "aria-label": "Which screen" }, parts.desktop, parts.browser);
  parts.offer = el("p", { className: "view-offer", hidden: true }, "Copied in the session: ", parts.copied, " ", parts.copy);
  parts.page = el("div", { className: "view-page", hidden: true },
    el("div", { className: "bar" }, parts.back, parts.forward, parts.reload, parts.address, parts.open), parts.tabs);
  parts.cover.append(parts.said, parts.start);
  parts.question.append(parts.asked, parts.answer, el("div", { className: "buttons" }, parts.no, parts.yes));
  parts.frame = el("div", { className: "view-frame" }, parts.canvas);
  parts.place = el("div", { className: "view-place" }, parts.frame, parts.sink, parts.cover, parts.question);
  parts.root = el("div", { className: "view" },
    el("div", { className: "bar" }, parts.choice, parts.type, parts.zoom, parts.full, parts.offer, parts.word, parts.delay),
    parts.page, parts.place, parts.hint);
  section.append(parts.root);
  return parts;
}

/** Draws pictures onto the canvas. */
function painter(canvas) {
  const pen = canvas.getContext("2d", { alpha: false });
  return async (buffer) => {
    const told = new DataView(buffer, 0, HEAD), at = (place) => told.getUint16(place, true);
    const [x, y, width, height, all, tall] = [4, 6, 8, 10, 12, 14].map(at);
    const image = await createImageBitmap(new Blob([new Uint8Array(buffer, HEAD)], { type: "image/jpeg" }));
    if (canvas.width !== all || canvas.height !== tall) Object.assign(canvas, { width: all, height: tall });
    pen.drawImage(image, x, y, width, height);
    image.close();
  };
}

/** Words for people, and the word on the button that goes on. */
function wordsOf(facts, of) {
  const cost = of === "desktop" ? "It takes about 90 MB of the session's memory." : "It takes about 300 MB of the session's memory.";
  const told = facts.message ? [`${facts.message}.`.replace(/([.!?])\.$/, "$1")] : [];
  switch (facts.state) {
    case "off": return [[...told, told.length ? "" : `The ${of} is not started.`, cost].filter(Boolean).join(" "), `Start the ${of}`];
    case "starting": return [`The ${of} is starting…`, ""];
    case "paused": return ["The session is paused. The view goes on when it is resumed.", ""];
    case "hibernated": return ["The session is hibernated: its programs have ended. The view goes on when it is resumed.", ""];
    case "failed": return [[`The ${of} cannot be shown now.`, ...told].join(" "), ""];
    default: return ["", ""];
  }
}

function openView(section, { path, token, announce }) {
  const parts = built(section), draw = painter(parts.canvas);
  let socket = null, of = "", state = { state: "", message: "" }, offered = "", over = false, failures = 0, timer = 0, pings = 0;
  let drawn = false, dialog = "", shown = "", proceed = null;

  const send = (told) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(told)); };
  const say = (text) => { setText(parts.word, text); announce(text); };
  const focus = () => parts.sink.focus({ preventScroll: true });
  const leave = () => parts.type.focus();

  /** Says why there is no picture, and what to do. */
  function cover(text, button = "", go = null) {
    if (text && parts.said.textContent !== text) announce(text);
    setText(parts.said, text);
    setText(parts.start, button);
    parts.start.hidden = !button;
    parts.cover.hidden = !text;
    proceed = go;
  }
  function arrange() {
    parts.canvas.hidden = !drawn;
    parts.canvas.setAttribute("aria-label", of === "browser" ? "The page in the session's browser" : "The session's desktop");
    parts.type.disabled = parts.zoom.disabled = parts.full.disabled = !drawn;
    parts.page.hidden = of !== "browser" || state.state !== "on";
    for (const name of ["desktop", "browser"]) parts[name].setAttribute("aria-pressed", String(of === name));
  }

  const TOLD = {
    hello(told) {
      of = told.of;
      for (const name of ["desktop", "browser"]) parts[name].hidden = !told.offers.includes(name);
      failures = 0;
    },
    state(told) {
      state = told;
      const [text, button] = wordsOf(told, of);
      if (["off", "starting", "hibernated"].includes(told.state)) drawn = false;
      cover(text || (drawn ? "" : "Waiting for the first picture…"), button, () => send({ type: "start" }));
    },
    size() {},
    tabs(told) {
      parts.tabs.replaceChildren(...told.tabs.map((tab) => tabOf(tab, tab.id === told.shown)));
      const tab = told.tabs.find((each) => each.id === told.shown);
      if (document.activeElement !== parts.address || shown !== told.shown) parts.address.value = tab?.url ?? "";
      shown = told.shown;
      if (!tab) { drawn = false; cover("No page is open.", "New tab", () => send({ type: "open" })); }
      else if (told.crashed) cover("This page has crashed.", "Load it again", () => send({ type: "travel", where: "reload" }));
      else if (state.state === "on") cover(drawn ? "" : "Waiting for the first picture…");
    },
    dialog(told) {
      dialog = told.kind;
      parts.question.hidden = !dialog;
      if (!dialog) return;
      setText(parts.asked, told.kind === "beforeunload" ? "Leave this page? What was entered may be lost." : told.message);
      parts.answer.hidden = told.kind !== "prompt";
      parts.answer.value = told.text;
      parts.no.hidden = told.kind === "alert";
      (parts.answer.hidden ? parts.yes : parts.answer).focus();
    },
    clipboard(told) {
      offered = told.text;
      setText(parts.copied, `“${offered.length > 40 ? `${offered.slice(0, 40)}…` : offered}”`);
      parts.offer.hidden = false;
    },
    notice(told) { say(told.text); },
    pong(told) { setText(parts.delay, `${Math.max(0, Math.round(performance.now() - told.time))} ms`); },
  };

  function tabOf(tab, current) {
    const name = tab.title || tab.url || "New tab";
    const choose = el("button", { type: "button", className: "plain", title: tab.url, "aria-pressed": String(current) }, name.slice(0, 40));
    const shut = el("button", { type: "button", className: "plain", "aria-label": `Close ${name.slice(0, 40)}` }, "×");
    choose.addEventListener("click", () => send({ type: "tab", id: tab.id }));
    shut.addEventListener("click", () => send({ type: "shut", id: tab.id }));
    return el("li", {}, choose, shut);
  }

  async function picture(buffer) {
    const number = new DataView(buffer).getUint32(0, true), from = socket;
    try {
      await draw(buffer);
      if (!drawn) { drawn = true; arrange(); }
      if (state.state === "on" && !parts.cover.hidden && parts.start.hidden) cover("");
    } catch (error) {
      console.warn("a picture cannot be shown:", error);
    }
    if (from === socket) send({ type: "ack", frame: number });
  }

  function connect() {
    clearTimeout(timer);
    if (over || document.hidden || socket) return;
    const link = new WebSocket(`${location.origin.replace(/^http/, "ws")}${path}/view${of ? `?of=${of}` : ""}`, [`agentbay.${token}`]);
    socket = link;
    link.binaryType = "arraybuffer";
    link.addEventListener("message", ({ data }) => {
      if (link !== socket) return;
      if (typeof data !== "string") return picture(data);
      const told = JSON.parse(data);
      TOLD[told.type]?.(told);
      arrange();
    });
    link.addEventListener("close", ({ code, reason }) => { if (link === socket) lost(code, reason); });
  }
  function disconnect() {
    const link = socket;
    socket = null;
    hangUp(link);
  }
  function lost(code, reason) {
    socket = null;
    if ((code === 1001 || code === 1008) && reason) {
      over = code === 1001;
      drawn = drawn && !over;
      cover(`${reason[0].toUpperCase()}${reason.slice(1)}.`, over ? "" : "Connect again", connect);
    } else if (failures >= PAUSES.length) {
      failures = 0;
      cover("The server cannot be reached, or the session is gone.", "Try again", connect);
    } else {
      if (failures) cover("The connection is lost. Trying again…");
      timer = setTimeout(connect, PAUSES[failures++]);
    }
    arrange();
  }
  function look(name) {
    if (of === name) return;
    disconnect();
    Object.assign(state, { state: "", message: "" });
    [of, drawn, dialog] = [name, false, ""];
    parts.question.hidden = true;
    cover("Waiting for the first picture…");
    arrange();
    connect();
  }
  async function copyHere() {
    try {
      await navigator.clipboard.writeText(offered);
    } catch {
      parts.sink.value = offered; // without a secure origin there is only the old way
      parts.sink.select();
      document.execCommand("copy");
    }
    parts.offer.hidden = true;
    say("Copied.");
  }
  function reply(accept) {
    send({ type: "dialog", accept, text: parts.answer.hidden ? "" : parts.answer.value });
    focus();
  }
  function zoom() {
    const on = parts.root.classList.toggle("zoomed");
    parts.zoom.setAttribute("aria-pressed", String(on));
  }
  /** Moves the enlarged picture; whether it is enlarged. */
  function pan(dx, dy) {
    parts.frame.scrollBy(dx, dy);
    return parts.root.classList.contains("zoomed");
  }
  const seen = () => (document.hidden ? disconnect() : connect());

  for (const name of ["desktop", "browser"]) parts[name].addEventListener("click", () => look(name));
  for (const where of ["back", "forward", "reload"]) parts[where].addEventListener("click", () => send({ type: "travel", where }));
  parts.open.addEventListener("click", () => send({ type: "open" }));
  parts.address.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { send({ type: "navigate", url: parts.address.value }); focus(); }
  });
  parts.start.addEventListener("click", () => proceed?.());
  parts.yes.addEventListener("click", () => reply(true));
  parts.no.addEventListener("click", () => reply(false));
  parts.answer.addEventListener("keydown", (event) => { if (event.key === "Enter") reply(true); });
  parts.copy.addEventListener("click", copyHere);
  parts.type.addEventListener("pointerdown", (event) => event.preventDefault()); // the field must not lose the focus first
  parts.type.addEventListener("click", () => (document.activeElement === parts.sink ? leave() : focus()));
  parts.zoom.addEventListener("click", zoom);
  parts.zoom.setAttribute("aria-pressed", "false");
  parts.full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : parts.root.requestFullscreen()));
  for (const name of ["focus", "blur"]) {
    parts.sink.addEventListener(name, () => {
      parts.root.classList.toggle("typing", name === "focus");
      parts.type.setAttribute("aria-pressed", String(name === "focus"));
    });
  }
  parts.canvas.addEventListener("focus", focus);
  pointing(parts.canvas, send, focus, pan);
  typing(parts.sink, send, leave, () => of === "browser");
  document.addEventListener("visibilitychange", seen);
  pings = setInterval(() => send({ type: "ping", time: Math.round(performance.now()) }), PING);
  parts.type.setAttribute("aria-pressed", "false");
  cover("Connecting…");
  arrange();
  connect();

  return {
    close() {
      over = true;
      clearTimeout(timer);
      clearInterval(pings);
      document.removeEventListener("visibilitychange", seen);
      disconnect();
      parts.root.remove();
    },
  };
}
