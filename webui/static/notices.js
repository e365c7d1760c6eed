// The notices in the header: ask for unread ones every few seconds, but not while the page is hidden.
const place = document.getElementById("notices");
const announcer = document.getElementById("notices-announce");
const EVERY_MS = 5000;
const HELD_BACK_MS = 60000; // maximum between two tries while the server is unreachable
let etag = null;
let timer = null;
let misses = 0;

const menu = () => place.querySelector("details");

function plan() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, Math.min(EVERY_MS * 2 ** misses, HELD_BACK_MS));
}

async function ask() {
  clearTimeout(timer);
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(place.dataset.address, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401 || answer.redirected) return; // the session ended; the next click asks to sign in
    if (answer.status !== 304 && !answer.ok) throw new Error(answer.status);
    if (answer.ok) {
      etag = answer.headers.get("ETag");
      show(await answer.text());
    }
    misses = 0;
  } catch {
    misses += 1;
  }
  plan();
}

function show(html) {
  const old = menu();
  if (old.open) return void (etag = null); // not while the user reads it
  const hadFocus = old.contains(document.activeElement);
  const part = new DOMParser().parseFromString(html, "text/html").body;
  place.replaceChildren(...part.childNodes);
  if (hadFocus) menu().querySelector("summary").focus();
  if (Number(menu().dataset.newest) > Number(old.dataset.newest)) announcer.textContent = menu().dataset.says;
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
plan();
