// Questions, and files to look at, in dialogs. Only pictures that cannot hold programs are shown as pictures.

const TEXT_AT_MOST = 1 << 20, PICTURE_AT_MOST = 16 << 20;
const PICTURES = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47]], ["image/jpeg", [0xff, 0xd8, 0xff]], ["image/gif", [0x47, 0x49, 0x46, 0x38]],
  ["image/bmp", [0x42, 0x4d]],
];

/** Asks something: gives the name, or true; nothing if the answer is no. */
function dialog(text, { name, yes = "OK", danger = false }) {
  const box = byId("ask"), field = byId("ask-name"), right = byId("ask-yes"), before = document.activeElement;
  setText(byId("ask-text"), text);
  field.hidden = name === undefined;
  field.value = name ?? "";
  setText(right, yes);
  right.className = danger ? "danger" : "strong";
  box.showModal();
  (field.hidden ? byId("ask-no") : field).focus();
  field.select();
  return new Promise((resolve) => {
    const answer = () => (field.hidden ? true : field.value.trim());
    right.onclick = () => box.close("yes");
    byId("ask-no").onclick = () => box.close("no");
    field.onkeydown = (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // or it would press the button that has the focus next
      box.close("yes");
    };
    box.onclose = () => {
      before?.focus?.();
      resolve(box.returnValue === "yes" ? answer() : null);
    };
    box.returnValue = "no";
  });
}

function pictureKind(data) {
  const found = PICTURES.find(([, head]) => head.every((byte, at) => data[at] === byte));
  if (found) return found[0];
  const name = String.fromCharCode(...data.slice(8, 12));
  if (String.fromCharCode(...data.slice(0, 4)) === "RIFF" && name === "WEBP") return "image/webp";
  return name === "avif" ? "image/avif" : "";
}

let viewed = "", viewedUrl = "";

async function view(path) {
  const box = byId("viewer"), place = byId("viewer-place");
  viewed = path;
  setText(byId("viewer-name"), lineOf(path.split("/").pop()));
  setText(byId("viewer-word"), "Reading…");
  place.replaceChildren();
  box.showModal();
  try {
    const { data, size } = await beginning(path, TEXT_AT_MOST);
    if (viewed !== path) return;
    const kind = pictureKind(data);
    if (kind && size <= PICTURE_AT_MOST) await showPicture(path, kind, size);
    else showText(data, size);
  } catch (refusal) {
    setText(byId("viewer-word"), refusal.message);
  }
}

async function beginning(path, most) {
  const answer = await ask(`${HERE}/file?${query(path)}&most=${most}`, { raw: true });
  return { data: new Uint8Array(await answer.arrayBuffer()), size: Number(answer.headers.get("X-File-Size")) };
}

async function showPicture(path, kind, size) {
  const { data } = await beginning(path, PICTURE_AT_MOST);
  if (viewed !== path) return;
  viewedUrl = URL.createObjectURL(new Blob([data], { type: kind }));
  const picture = el("img", { alt: `Picture in the file ${readable(path.split("/").pop())}`, src: viewedUrl });
  picture.onload = () => setText(byId("viewer-word"), `${picture.naturalWidth} × ${picture.naturalHeight} pixels, ${bytes(size)}`);
  picture.onerror = () => setText(byId("viewer-word"), "This picture cannot be shown. It can be downloaded.");
  byId("viewer-place").replaceChildren(picture);
}

function showText(data, size) {
  const text = new TextDecoder("utf-8").decode(data), zeros = data.subarray(0, 4096).includes(0);
  if (zeros) return setText(byId("viewer-word"), `This is no text (${bytes(size)}). It can be downloaded.`);
  setText(byId("viewer-word"), data.length < size ? `The first ${bytes(data.length)} of ${bytes(size)}.` : bytes(size));
  byId("viewer-place").replaceChildren(el("pre", { tabIndex: 0, role: "region", "aria-label": "Text of the file" }, text));
}

byId("viewer").addEventListener("close", () => {
  viewed = "";
  byId("viewer-place").replaceChildren();
  URL.revokeObjectURL(viewedUrl);
});
byId("viewer-close").addEventListener("click", () => byId("viewer").close());
byId("viewer-get").addEventListener("click", () => download(viewed));
