// Confirm Batch Status Change: the dialog over the feed, and the same box on a job's page.
// The server decides everything. Without this script, each step is a page.
const dialog = document.getElementById("dialog");
const announcer = document.getElementById("announce");
const LOOK_AGAIN_MS = 1000;
let opener = null;
let busy = false;
let looking = null;
let expiring = null;

const box = () => document.querySelector("[data-previewed]");

async function ask(address, options = {}) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const headers = { "X-Dialog": "1", "X-CSRFToken": token };
  const answer = await fetch(address, { ...options, headers });
  if (answer.status === 401) { location.reload(); throw new Error("signed out"); }
  return answer;
}

// ---- show a step

function show(html) {
  const step = new DOMParser().parseFromString(html, "text/html");
  const part = step.querySelector(".box");
  if (!part) throw new Error("no step");
  dialog.replaceChildren(part);
  if (!dialog.open) dialog.showModal();
  ready();
}

function ready() {
  clearTimeout(looking);
  clearTimeout(expiring);
  const place = dialog ?? document;
  (place.querySelector("[aria-invalid]") ?? place.querySelector("[data-first]") ?? place.querySelector("#dialog-title"))?.focus();
  const preparing = dialog?.querySelector("[data-preparing]");
  if (preparing) looking = setTimeout(() => again(preparing.dataset.preparing), LOOK_AGAIN_MS);
  const expires = box()?.dataset.expires;
  if (expires && document.getElementById("confirm-form")) {
    const left = Date.parse(expires) - Date.now();
    if (left > 0) expiring = setTimeout(expired, Math.min(left, 2 ** 31 - 1));
  }
  document.getElementById("confirmation")?.dispatchEvent(new Event("input", { bubbles: true })); // see app.js
}

async function again(address) {
  try {
    const html = await (await ask(address)).text();
    if (!dialog.open) return;
    if (html.includes("data-preparing")) {
      // Change only the numbers, to keep the focus and the scroll position.
      const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".body");
      dialog.querySelector(".body").replaceChildren(...fresh.childNodes);
      looking = setTimeout(() => again(address), LOOK_AGAIN_MS);
    } else {
      show(html);
      say("The preview is ready.");
    }
  } catch {
    looking = setTimeout(() => again(address), LOOK_AGAIN_MS * 3);
  }
}

function expired() {
  const button = document.getElementById("confirm-button");
  if (button) button.disabled = true;
  fail("This preview is over an hour old, so it is out of date. Cancel and preview again.");
}

function say(text) { if (announcer) announcer.textContent = text; }

function fail(text) {
  const body = (dialog ?? document).querySelector(".box .body");
  if (!body) return;
  body.querySelector(".note.failed")?.remove();
  const note = Object.assign(document.createElement("div"), { className: "note bad failed", textContent: text });
  note.setAttribute("role", "alert");
  body.prepend(note);
  note.scrollIntoView({ block: "nearest" });
}

// ---- send a step

async function send(address, fields, button) {
  if (busy) return;
  busy = true;
  const label = button?.textContent;
  if (button?.dataset.busy) button.textContent = button.dataset.busy;
  try {
    const answer = await ask(address, { method: "POST", body: fields });
    if (answer.headers.get("Content-Type")?.includes("json")) {
      document.dispatchEvent(new Event("settle:confirmed"));
      location.assign((await answer.json()).location);
      return;
    }
    const html = await answer.text();
    if (dialog.open) show(html); else discardPreview(new DOMParser().parseFromString(html, "text/html"));
  } catch {
    fail("The server did not respond correctly. Nothing is lost. Click the same button again; it cannot start a second job.");
    if (button && label) button.textContent = label;
  }
  busy = false;
}

document.addEventListener("settle:open", ({ detail }) => {
  opener = detail.opener;
  waiting(detail.fields.get("target_status"));
  send(detail.address, detail.fields, null);
});

function waiting(target) {
  const section = Object.assign(document.createElement("section"), { className: "box card" });
  const title = Object.assign(document.createElement("h2"), { id: "dialog-title", tabIndex: -1, textContent: "Batch Status Change" });
  const header = document.createElement("header");
  const body = Object.assign(document.createElement("div"), { className: "stack body", textContent: `Previewing the change to ${target} …` });
  header.append(title);
  const footer = document.createElement("footer");
  const close = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: "Cancel" });
  close.dataset.dialogClose = "";
  footer.append(Object.assign(document.createElement("span"), { className: "grow" }), close);
  section.append(header, body, footer);
  dialog.replaceChildren(section);
  dialog.showModal();
  title.focus();
}

// Use the capture phase, to run before the double-click guard of app.js. That guard would lock a form that is shown again.
document.addEventListener("submit", (event) => {
  if (!dialog?.contains(event.target)) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.target.matches("[data-dialog-discard]")) return dialog.close();
  send(event.target.action, new URLSearchParams(new FormData(event.target, event.submitter)), event.submitter);
}, true);

document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-dialog-close]") && dialog?.open) { event.preventDefault(); dialog.close(); return; }
  const link = event.target.closest("[data-claims-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const answer = await ask(link.href);
    if (!answer.ok) throw new Error(answer.status);
    const place = document.getElementById("preview-claims");
    place.innerHTML = await answer.text();
    (place.querySelector("[aria-current]") ?? place).focus();
    place.querySelector(".list").scrollTop = 0;
  } catch { location.assign(link.href); }
});

// Cancel or Escape discards the preview and returns the focus to the button that opened the dialog.
dialog?.addEventListener("close", () => {
  clearTimeout(looking);
  clearTimeout(expiring);
  if (!busy) discardPreview(dialog);
  dialog.replaceChildren();
  opener?.focus();
});

function discardPreview(step) {
  const discard = step.querySelector("[data-discard]")?.dataset.discard;
  if (discard) ask(discard, { method: "POST" }).catch(() => {}); // otherwise it expires within an hour
}
