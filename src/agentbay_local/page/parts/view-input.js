// Mouse, fingers and keyboard of somebody who looks at the session's screen, as messages to the server.

const LINE = 16, NEAR = 10, LONG_PRESS = 500, TWICE = 400;
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const LOCAL_KEYS = new Set(["Dead", "Process", "Unidentified", "CapsLock", "NumLock", "AltGraph"]);
const BUTTONS = ["left", "middle", "right"];
const SENTINEL = "  "; // something that on-screen keyboards can delete

/** Modifiers as the server counts them; the Mac's command key is the others' Control. */
function modifiers(event) {
  const control = event.ctrlKey || (MAC && event.metaKey);
  return (event.altKey ? 1 : 0) | (control ? 2 : 0) | (event.metaKey && !MAC ? 4 : 0) | (event.shiftKey ? 8 : 0);
}

/**
 * Mouse and fingers on the canvas. A finger taps, drags (or moves the picture, where that is enlarged) and, held still,
 * clicks right; two of them scroll.
 */
function pointing(canvas, send, touched, pan) {
  const fingers = new Map();
  let next = null, frame = 0, last = { time: 0, x: 0, y: 0, count: 0 }, mode = "", timer = 0;
  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    const on = (value, start, size, most) => Math.min(Math.max(Math.round(((value - start) * most) / size), 0), most - 1);
    return { x: on(event.clientX, box.left, box.width, canvas.width), y: on(event.clientY, box.top, box.height, canvas.height) };
  };
  const point = (action, button, place, event, count = 1) =>
    send({ type: "pointer", action, button, count, x: place.x, y: place.y, modifiers: modifiers(event) });
  const move = (place, event) => {
    next = () => point("move", "none", place, event, 0);
    frame ||= requestAnimationFrame(flush);
  };
  const flush = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    next?.();
    next = null;
  };
  const press = (action, button, place, event) => {
    flush();
    if (action === "down") {
      const near = Math.hypot(place.x - last.x, place.y - last.y) < NEAR && event.timeStamp - last.time < TWICE;
      last = { time: event.timeStamp, ...place, count: near ? (last.count % 3) + 1 : 1 };
    }
    point(action, button, place, event, last.count);
  };
  const scroll = (place, dx, dy, event) => send({ type: "wheel", dx, dy, x: place.x, y: place.y, modifiers: modifiers(event) });
  const click = (button, place, event) => { press("down", button, place, event); press("up", button, place, event); };

  function fingerDown(event) {
    fingers.set(event.pointerId, event);
    clearTimeout(timer);
    if (fingers.size === 1) {
      mode = "tap";
      timer = setTimeout(() => { mode = "held"; navigator.vibrate?.(20); click("right", where(event), event); }, LONG_PRESS);
    } else {
      if (mode === "drag") press("up", "left", where(event), event);
      mode = "scroll";
    }
  }
  function fingerMoved(event) {
    const from = fingers.get(event.pointerId);
    if (!from) return;
    const dx = event.clientX - from.clientX, dy = event.clientY - from.clientY;
    if (mode === "tap" && Math.hypot(dx, dy) > NEAR) {
      clearTimeout(timer);
      mode = pan(0, 0) ? "pan" : "drag";
      if (mode === "drag") press("down", "left", where(from), event);
    }
    if (mode === "pan") {
      pan(-dx, -dy);
      fingers.set(event.pointerId, event);
    }
    if (mode === "drag") move(where(event), event);
    if (mode !== "scroll") return;
    const scale = canvas.width / canvas.getBoundingClientRect().width / fingers.size;
    scroll(where(event), -dx * scale, -dy * scale, event);
    fingers.set(event.pointerId, event);
  }
  function fingerUp(event, cancelled) {
    if (!fingers.delete(event.pointerId)) return;
    clearTimeout(timer);
    if (mode === "tap" && !cancelled) click("left", where(event), event);
    if (mode === "drag") press("up", "left", where(event), event);
    if (mode !== "scroll" || !fingers.size) mode = "";
  }

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") return fingerDown(event);
    touched();
    if (BUTTONS[event.button]) press("down", BUTTONS[event.button], where(event), event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return fingerMoved(event);
    if (event.button > -1 && BUTTONS[event.button]) { // one more button went down or up while another is held
      press(event.buttons & [1, 4, 2][event.button] ? "down" : "up", BUTTONS[event.button], where(event), event);
    } else move(where(event), event);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (event.pointerType === "touch") return fingerUp(event, false);
    if (BUTTONS[event.button]) press("up", BUTTONS[event.button], where(event), event);
  });
  canvas.addEventListener("pointercancel", (event) => {
    if (event.pointerType === "touch") fingerUp(event, true);
    send({ type: "release" });
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = [1, LINE, canvas.height][event.deltaMode];
    scroll(where(event), event.deltaX * unit, event.deltaY * unit, event);
  }, { passive: false });
  for (const name of ["contextmenu", "mousedown", "touchstart", "dragstart"]) {
    canvas.addEventListener(name, (event) => event.preventDefault(), { passive: false });
  }
}

/** The keyboard, while the hidden field has the focus; it also takes what is composed or pasted. */
function typing(sink, send, leave, isPage) {
  const text = (value) => { if (value) send({ type: "text", text: value.slice(0, 20000) }); };
  const reset = () => { sink.value = SENTINEL; sink.setSelectionRange(SENTINEL.length, SENTINEL.length); };
  const tap = (key) => { for (const action of ["down", "up"]) send({ type: "key", action, key, code: key, repeat: false, modifiers: 0 }); };

  function onKey(event) {
    const down = event.type === "keydown", held = modifiers(event), mac = MAC && event.key === "Meta";
    if (down && event.ctrlKey && event.altKey && event.shiftKey) {
      event.preventDefault();
      return leave();
    }
    if (event.isComposing || event.keyCode === 229 || LOCAL_KEYS.has(event.key)) return;
    const shortcut = held === 2 ? event.key.toLowerCase() : "";
    if (shortcut === "v") return; // what is pasted comes as a text
    event.preventDefault();
    if (down && isPage() && (shortcut === "c" || shortcut === "x")) send({ type: "copy" });
    if (event.getModifierState("AltGraph") && [...event.key].length === 1) {
      if (down) text(event.key);
      return;
    }
    const [key, code] = mac ? ["Control", "ControlLeft"] : [event.key, event.code];
    send({ type: "key", action: down ? "down" : "up", key, code, repeat: event.repeat, modifiers: held });
    if (mac && !down) send({ type: "release" }); // the Mac does not tell of keys released meanwhile
  }
  sink.addEventListener("keydown", onKey);
  sink.addEventListener("keyup", onKey);
  sink.addEventListener("paste", (event) => {
    event.preventDefault();
    text(event.clipboardData.getData("text/plain"));
  });
  sink.addEventListener("beforeinput", (event) => {
    const key = { deleteContentBackward: "Backspace", deleteContentForward: "Delete", insertLineBreak: "Enter" }[event.inputType];
    if (!key || event.isComposing) return;
    event.preventDefault();
    tap(key);
  });
  sink.addEventListener("input", (event) => {
    if (event.isComposing) return;
    text(sink.value.startsWith(SENTINEL) ? sink.value.slice(SENTINEL.length) : sink.value.trimStart());
    reset();
  });
  sink.addEventListener("compositionend", (event) => {
    text(event.data);
    reset();
  });
  sink.addEventListener("focus", reset);
  sink.addEventListener("blur", () => send({ type: "release" }));
}
