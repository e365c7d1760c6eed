// When a page comes back after an act on it, such as a sort or a filter, return the focus and the scroll position to the
// control that was used, and say the result. If an act leads to another page, focus its heading. A field in error comes
// first. Load this script after the page's own.
const KEPT = "settle-focus";
const main = document.getElementById("main");
const place = (id) => document.getElementById(id);

// ---- leave: keep the control, or the menu around it

let acted = false; // a form was sent, which a link does not do
for (const act of ["submit", "settle:confirmed"]) document.addEventListener(act, (event) => { acted ||= !event.defaultPrevented; });

window.addEventListener("pagehide", () => {
  const used = document.activeElement;
  if (!main.contains(used) && !acted) return;
  const control = used.closest("details.menu[id]")?.id ?? used.id;
  const left = [...document.querySelectorAll(".scroll[id]")].map((part) => [part.id, part.scrollLeft]);
  sessionStorage.setItem(KEPT, JSON.stringify({ path: location.pathname, control, acted, done: used.dataset.done, top: scrollY, left }));
});

// ---- return

const kept = JSON.parse(sessionStorage.getItem(KEPT));
sessionStorage.removeItem(KEPT);
const fault = main.querySelector("[aria-invalid]");
const returned = kept?.path === location.pathname;
const moved = kept?.acted && !returned;
const told = ":scope > [role=status], .told > [role=status], [role=alert], .fault";
const notes = [...main.querySelectorAll(told)].map((note) => note.innerText.trim());

function focus() {
  const control = place(kept.control);
  const target = control?.matches("details") ? control.querySelector("summary") : control;
  if (target && !target.disabled) target.focus({ preventScroll: true });
  if (document.activeElement !== target || !target) heading("[data-results]");
  scrollTo(0, kept.top);
  for (const [id, left] of kept.left) if (place(id)) place(id).scrollLeft = left;
  document.activeElement.scrollIntoView({ block: "nearest" });
}

function heading(first) {
  const title = main.querySelector(first) ?? main.querySelector("h1");
  if (title) title.tabIndex = -1;
  title?.focus({ preventScroll: true });
}

function say(result) {
  if (fault || returned || moved) place("announce").textContent = [...notes, result].filter(Boolean).join(" ");
}

function status() {
  const word = kept?.acted && main.querySelector("[data-word]")?.dataset.word;
  return word ? [notes.length ? "" : kept.done, `Job status: ${word}.`].filter(Boolean).join(" ") : "";
}

if (fault) fault.focus();
else if (main.querySelector("[autofocus]")) main.querySelector("[autofocus]").focus(); // the browser may do it only later
else if (document.activeElement !== document.body) { /* the page itself chose a field */ }
else if (returned) focus();
else if (moved) heading("[data-first]");
// A page that counts its results sends them when it knows them.
if (fault || !main.querySelector("[data-results]")) say(status());
else document.addEventListener("settle:results", (event) => say(event.detail), { once: true });
