// The search box: results under the box as the user types. Without this script, Enter opens a page with the results.
const search = document.getElementById("search");
const box = document.getElementById("search-text");
const found = document.getElementById("search-found");
const announcer = document.getElementById("announce");
const ASK_AFTER_MS = 200; // one search after several quick keys
let timer = null;
let asking = null;
let before = null; // where the focus was, for Escape

search.querySelector("kbd").hidden = false;

// ---- ask the server

box.addEventListener("input", () => {
  clearTimeout(timer);
  asking?.abort();
  if (!box.value.trim()) return close();
  timer = setTimeout(ask, ASK_AFTER_MS);
});

async function ask() {
  asking = new AbortController();
  try {
    // The text may be a name, so it is in the body.
    const body = new URLSearchParams(new FormData(box.form));
    const answer = await fetch(box.form.action, { method: "POST", body, headers: { "X-Part": "1" }, signal: asking.signal });
    if (answer.status === 401) return location.reload(); // the session ended: sign in again
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.text());
  } catch (error) {
    if (error.name !== "AbortError") show("<p data-says='The search failed. Try again.'>The search failed. Try again.</p>");
  }
}

function show(html) {
  const part = new DOMParser().parseFromString(html, "text/html").body;
  found.replaceChildren(...part.childNodes);
  found.hidden = false;
  found.scrollTop = 0;
  announcer.textContent = found.querySelector("[data-says]")?.dataset.says ?? "";
}

function close() {
  clearTimeout(timer);
  asking?.abort();
  found.hidden = true;
  found.replaceChildren();
}

// ---- keys: arrows move through the results, Escape returns to the box and then leaves it

const results = () => [...found.querySelectorAll("a, button")];

search.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    event.preventDefault();
    if (event.target !== box) return box.focus();
    close();
    return (before?.isConnected ? before : document.getElementById("main")).focus();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || found.hidden) return;
  const places = [box, ...results()];
  const next = places[places.indexOf(event.target) + step];
  event.preventDefault();
  next?.focus();
  if (next !== box) next?.scrollIntoView({ block: "nearest" });
});

// ---- "/" moves the focus here, as in other tools that billers use

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  event.preventDefault();
  before = document.activeElement === document.body ? null : document.activeElement;
  box.focus();
  box.select();
});

// Close when the focus or a click goes elsewhere.
search.addEventListener("focusout", (event) => { if (event.relatedTarget && !search.contains(event.relatedTarget)) close(); });
document.addEventListener("click", (event) => { if (!search.contains(event.target)) close(); });
