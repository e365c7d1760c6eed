// Send the chosen files piece by piece, with progress. Without this script, the form sends them in one request.

const TRIES = 5;
const form = document.querySelector("form[data-upload]");
const chooser = form.querySelector("input[type=file]");
const progress = form.querySelector("[data-progress]");
const meter = progress.querySelector("progress");
const words = progress.querySelector("[data-words]");
const skipped = form.querySelector("[data-skipped]");
const button = form.querySelector("button.main");
const key = form.elements.idempotency_key.value;
let uploads = 0; // each choice of files is a separate import

for (const hint of form.querySelectorAll("[data-script]")) hint.hidden = false;

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Post, and try again if the network or the server fails. A refusal (4xx) is final, and its message is shown.
async function post(url, body) {
  for (let attempt = 1; ; attempt += 1) {
    let answer = null;
    try {
      answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": form.elements.csrf_token.value } });
    } catch { /* no connection */ }
    if (answer?.ok) return answer.json();
    const refused = answer && (answer.status < 500 || answer.status === 507); // 507: the disk is full
    if (refused || attempt === TRIES) {
      const isJson = answer?.headers.get("Content-Type")?.startsWith("application/json");
      throw new Error(isJson ? (await answer.json()).message
        : refused ? "You are signed out, or your role no longer allows imports. Sign in and upload the files again."
          : "The server is not answering. Check your connection and upload the files again.");
    }
    await wait(500 * 2 ** attempt);
  }
}

async function upload(files) {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > Number(form.dataset.bytesMax)) {
    throw new Error(`The files total ${megabytes(total)}. An import can be up to ${form.dataset.most}. Export fewer months at a time.`);
  }
  const about = new FormData(form);
  about.delete("files");
  about.set("idempotency_key", `${key}-${(uploads += 1)}`);
  for (const file of files) { about.append("name", file.name); about.append("size", file.size); }
  const places = await post(form.dataset.begin, about);
  const most = Number(form.dataset.pieceBytes);
  let sent = 0;
  for (const [index, file] of files.entries()) {
    for (let number = 0; number * most < file.size; number += 1) {
      const piece = file.slice(number * most, (number + 1) * most);
      await post(`${places.pieces}?file=${index}&number=${number}`, piece);
      sent += piece.size;
      meter.value = (100 * sent) / total;
      words.textContent = `${megabytes(sent)} of ${megabytes(total)} uploaded. Keep this page open.`;
    }
  }
  location.assign((await post(places.check)).show);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  progress.hidden = false;
  progress.classList.remove("fault");
  button.disabled = true;
  words.textContent = "Starting the upload …";
  try {
    await upload([...chooser.files]);
  } catch (error) {
    progress.classList.add("fault");
    words.textContent = error.message;
    button.disabled = false;
  }
});

// Choose files given with their paths, without empty files and what the system adds to a folder. An import has no folders, so files of
// one name in two folders get the folders' names too. The kind of a table is its name, so tables keep theirs.
function choose(found) {
  const isStray = ([file]) => !file.size || /^(\.|thumbs\.db$|desktop\.ini$)/i.test(file.name);
  const kept = found.filter((one) => !isStray(one));
  const strays = found.filter(isStray).map(([file]) => file.name).sort();
  skipped.textContent = strays.length
    ? `Skipped ${strays.length} hidden or empty ${strays.length === 1 ? "file" : "files"}: ${strays.join(", ")}.` : "";
  const times = new Map();
  for (const [file] of kept) times.set(file.name.toLowerCase(), (times.get(file.name.toLowerCase()) ?? 0) + 1);
  const chosen = new DataTransfer();
  for (const [file, path] of kept) {
    const keeps = times.get(file.name.toLowerCase()) === 1 || /\.(csv|xlsx)$/i.test(file.name);
    chosen.items.add(keeps ? file : new File([file], path.replaceAll("/", " - ")));
  }
  chooser.files = chosen.files;
}

// Return the files of a dropped file or folder with their paths. The browser gives 100 entries of a folder at a time.
async function filesIn(entry) {
  if (entry.isFile) return [[await new Promise((done, fail) => entry.file(done, fail)), entry.fullPath.slice(1)]];
  const reader = entry.createReader();
  const entries = [];
  for (let some = null; some === null || some.length;) {
    some = await new Promise((done, fail) => reader.readEntries(done, fail));
    entries.push(...some);
  }
  return (await Promise.all(entries.map(filesIn))).flat();
}

form.querySelector("[data-folder]").addEventListener("click", () => {
  chooser.webkitdirectory = true;
  chooser.click();
});
chooser.addEventListener("cancel", () => { chooser.webkitdirectory = false; });
chooser.addEventListener("change", () => {
  chooser.webkitdirectory = false;
  if (chooser.files[0]?.webkitRelativePath) choose([...chooser.files].map((file) => [file, file.webkitRelativePath]));
});

const zone = form.querySelector("[data-drop]");
for (const type of ["dragover", "dragleave", "drop"]) {
  zone.addEventListener(type, async (event) => {
    event.preventDefault();
    zone.classList.toggle("over", type === "dragover");
    if (type !== "drop") return;
    const { items, files } = event.dataTransfer;
    const entries = [...items].map((item) => item.webkitGetAsEntry()); // only until the first await
    if (entries.some((entry) => entry?.isDirectory)) choose((await Promise.all(entries.map(filesIn))).flat());
    else if (files.length) chooser.files = files;
  });
}
