// The files: folders to go through, files to view, fetch, bring, rename and delete.

const UP = "..", LARGEST_AT_ONCE = 2;
let folder = FACTS.home, asking = 0, moving = [], underWay = 0;

const inFolder = (name) => (folder === "/" ? `/${name}` : `${folder}/${name}`);
// Names may hold what no address can: as JSON text, everything comes through.
const query = (path) => new URLSearchParams({ path: JSON.stringify(path) });

function filesSay(text, bad = false) {
  byId("files-word").classList.toggle("bad", bad);
  setText(byId("files-word"), text);
}

async function look(path = folder) {
  const turn = ++asking;
  if (sessionState !== "RUNNING") return filesSay("The session is paused: its files are there again when it is resumed.", true);
  try {
    const found = await ask(`${HERE}/files?${query(path)}`);
    if (turn !== asking) return;
    folder = found.path;
    showPath();
    showFiles(found.entries);
    filesSay(found.left ? `${found.left} more entries are in this folder; so many cannot be shown.` : "");
  } catch (refusal) {
    if (turn === asking) filesSay(`${lineOf(path)}: ${refusal.message}`, true);
  }
}

function showPath() {
  const parts = folder.split("/").filter(Boolean), path = byId("files-path");
  path.replaceChildren(step("/", "/"));
  parts.forEach((part, at) => {
    if (at) path.append("/");
    path.append(step(lineOf(part), `/${parts.slice(0, at + 1).join("/")}`));
  });
  path.lastElementChild.setAttribute("aria-current", "true");
}

function step(name, path) {
  return el("button", { type: "button", className: "plain", onclick: () => look(path) }, name);
}

function showFiles(entries) {
  const list = folder === "/" ? entries : [{ name: UP, type: "directory", size: 0, time: 0, link: false }, ...entries];
  byId("files-none").hidden = entries.length > 0;
  keepRows(byId("files-list"), list, (entry) => `${folder}\n${entry.type}\n${entry.name}`, fileRow, fillFile);
}

function fileRow(entry) {
  const isFolder = entry.type === "directory", path = inFolder(entry.name);
  const open = () => (entry.name === UP ? look(folder.replace(/\/[^/]*$/, "") || "/") : isFolder ? look(path) : view(path));
  const name = entry.name === UP ? "Folder above" : lineOf(entry.name);
  const opener = ["directory", "file"].includes(entry.type) ? el("button", { type: "button", className: "plain", onclick: open }, name) : name;
  const mark = el("span", { className: "mark", "aria-hidden": "true" }, isFolder ? "▸" : entry.link ? "↗" : "·");
  const kind = el("span", { className: "unseen" }, isFolder ? ", folder" : entry.type === "file" ? "" : `, ${entry.type}`);
  const deeds = el("td", { className: "deeds" });
  if (entry.name !== UP) deeds.append(...fileDeeds(entry, path));
  return row(el("td", {}, el("div", { className: "name" }, mark, opener, kind)), el("td", { className: "number" }), el("td", { className: "when" }), deeds);
}

function fileDeeds(entry, path) {
  const deed = (text, work) => el("button", { type: "button", "aria-label": `${text} ${lineOf(entry.name)}`, onclick: work }, text);
  const fetching = ["file", "directory"].includes(entry.type) ? [deed("Download", () => download(path))] : [];
  const renaming = deed("Rename", () => rename(entry.name)), deleting = deed("Delete", () => erase(entry));
  deleting.className = "danger";
  return [...fetching, renaming, deleting];
}

function fillFile(line, entry) {
  setText(line.children[1], entry.type === "file" ? bytes(entry.size) : "");
  setText(line.children[2], entry.time ? moment(entry.time) : "");
}

async function download(path) {
  try {
    const { url } = await ask(`${HERE}/ticket`, { method: "POST", json: { path } });
    const link = el("a", { href: url, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  } catch (refusal) {
    filesSay(`${lineOf(path)}: ${refusal.message}`, true);
  }
}

async function change(wish, done) {
  try {
    await ask(`${HERE}/files`, { method: "POST", json: wish });
    await look();
    filesSay(done);
  } catch (refusal) {
    filesSay(`${lineOf(wish.path)}: ${refusal.message}`, true);
  }
}

async function newFolder() {
  const name = await dialog("Name of the new folder", { name: "", yes: "Make" });
  if (name) await change({ do: "mkdir", path: inFolder(name) }, `Folder ${lineOf(name)} made.`);
}

async function rename(old) {
  const name = await dialog(`New name for ${lineOf(old)}`, { name: old, yes: "Rename" });
  if (name && name !== old) await change({ do: "rename", path: inFolder(old), to: name.startsWith("/") ? name : inFolder(name) }, `Renamed to ${lineOf(name)}.`);
}

async function erase(entry) {
  const name = lineOf(entry.name);
  const what = entry.type === "directory" && !entry.link ? `the folder ${name} with all that is in it` : name;
  const sure = await dialog(`Delete ${what}? This cannot be undone.`, { yes: "Delete", danger: true });
  if (!sure) return;
  await change({ do: "delete", path: inFolder(entry.name) }, `${name} deleted.`);
  byId("files-again").focus();
}

// ---- uploads

async function bring(files) {
  const there = new Set([...byId("files-list").children].map((line) => line.dataset.key.split("\n").slice(2).join("\n")));
  const twice = files.filter((file) => there.has(file.name)).map((file) => file.name);
  if (twice.length && !(await dialog(`Replace what is there already?\n${twice.slice(0, 10).map(lineOf).join("\n")}`, { yes: "Replace", danger: true }))) return;
  for (const file of files) queue(file, inFolder(file.name));
  pump();
}

function queue(file, path) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${readable(file.name)}` });
  const word = el("span", {}, "waiting"), stop = el("button", { type: "button", "aria-label": `Cancel ${readable(file.name)}` }, "Cancel");
  const line = el("li", {}, el("span", {}, file.name), bar, word, stop);
  byId("files-moving").append(line);
  const job = { file, path, bar, word, line, request: null, stopped: false };
  stop.onclick = () => { job.stopped = true; job.request ? job.request.abort() : line.remove(); };
  job.stop = stop;
  moving.push(job);
}

function pump() {
  while (underWay < LARGEST_AT_ONCE && moving.length) {
    const job = moving.shift();
    if (!job.stopped) send(job);
  }
}

/** One upload. The browser reads the file piece by piece; fetch would not tell how far it is. */
function send(job) {
  if (job.file.size > FACTS.file_size) return over(job, `A file may hold ${bytes(FACTS.file_size)}.`);
  const request = (job.request = new XMLHttpRequest());
  underWay += 1;
  request.open("PUT", `${HERE}/file?${query(job.path)}`);
  request.setRequestHeader("X-Access-Page", CODE);
  request.upload.onprogress = (event) => {
    job.bar.value = event.loaded / Math.max(1, event.total);
    setText(job.word, `${bytes(event.loaded)} of ${bytes(event.total)}`);
  };
  request.onloadend = () => {
    underWay -= 1;
    const why = request.status === 200 ? "" : job.stopped ? "cancelled" : refusalIn(request);
    over(job, why);
    pump();
    if (!underWay) look();
  };
  request.send(job.file);
}

function refusalIn(request) {
  try {
    return JSON.parse(request.responseText).Message;
  } catch {
    return "The connection broke off; nothing was stored.";
  }
}

function over(job, why) {
  announce(why ? `Upload of ${job.file.name}: ${why}` : `${job.file.name} is uploaded`);
  if (!why) return job.line.remove();
  setText(job.word, why);
  job.bar.remove();
  setText(job.stop, "Dismiss");
  job.stop.setAttribute("aria-label", `Dismiss the word on ${readable(job.file.name)}`);
  job.stop.onclick = () => job.line.remove();
}

function dropped(event) {
  event.preventDefault();
  byId("files").classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory).length;
  const files = items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());
  if (folders) filesSay("Folders cannot be uploaded: pack them into one file first.", true);
  if (files.length) bring(files);
}

byId("files-folder").addEventListener("click", newFolder);
byId("files-again").addEventListener("click", () => look());
byId("files-upload").addEventListener("click", () => byId("files-chosen").click());
byId("files-chosen").addEventListener("change", (event) => {
  bring([...event.target.files]);
  event.target.value = "";
});
byId("files").addEventListener("dragover", (event) => { event.preventDefault(); byId("files").classList.add("over"); });
byId("files").addEventListener("dragleave", (event) => { if (!byId("files").contains(event.relatedTarget)) byId("files").classList.remove("over"); });
byId("files").addEventListener("drop", dropped);
// What is dropped beside the files must not take the place of the page.
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());

pane("files", { open: () => look() });

/** The session runs again, or does not any more. */
function filesHear() {
  if (shownPane === "files" && !sessionOver) look();
}
