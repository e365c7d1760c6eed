// The Live Claims Feed: the selection, and the totals that load after the page. The feed works without this script.
const feed = document.getElementById("feed");
const form = document.getElementById("claims");
const rows = document.getElementById("rows");
const boxes = [...rows.querySelectorAll("input[name=claim_id]")];
const pagePick = document.getElementById("pick-page");
const picked = document.getElementById("picked");
const announcer = document.getElementById("announce");
const STORE = "settle-selection";
const COUNT_AFTER_MS = 150; // count once after several quick clicks
const SELECTABLE = document.getElementById("status-menu") !== null;

// ---- the selection, kept for this filter while the user pages and sorts

const EMPTY = { scope: "chosen", ids: [] };
let cleared = ""; // what the new filter did to the selection
let selected = restore();
let matching = null; // the number of matching claims, once the server has counted them
let lastBox = null;
if (cleared) keep(); // the message appears once
let telling = false; // the user changed the selection on this page

function restore() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(STORE)); } catch { /* not written by this page: start empty */ }
  if (!kept || !Array.isArray(kept.ids)) return { ...EMPTY, filter: feed.dataset.filter };
  if (kept.filter === feed.dataset.filter) return kept;
  if (kept.scope === "matching" || kept.ids.length) {
    const what = kept.scope === "matching" ? "The matching claims are no longer selected" : "The selection was cleared";
    cleared = `The filter changed. ${what}.`;
    document.getElementById("picked-dollars").textContent = cleared;
  }
  return { ...EMPTY, filter: feed.dataset.filter };
}

function keep() {
  try { sessionStorage.setItem(STORE, JSON.stringify(selected)); } catch { /* storage is full or off: keep it for this page only */ }
}

const ids = new Set(selected.ids);
const isOn = (id) => (selected.scope === "matching" ? !ids.has(id) : ids.has(id));

function turn(id, on) {
  if ((selected.scope === "matching") === on) ids.delete(id); else ids.add(id);
}

function choose(scope) {
  selected = { scope, ids: [], filter: feed.dataset.filter };
  ids.clear();
  changed();
}

function changed() {
  telling = true;
  selected.ids = [...ids];
  keep();
  show();
  count();
}

// ---- show the selection

function show() {
  for (const box of boxes) {
    box.checked = isOn(box.value);
    box.closest("tr").classList.toggle("on", box.checked);
  }
  const on = boxes.filter((box) => box.checked).length;
  pagePick.checked = boxes.length > 0 && on === boxes.length;
  pagePick.indeterminate = on > 0 && on < boxes.length;
  const some = selected.scope === "matching" || ids.size > 0;
  document.getElementById("pick-none").hidden = !some;
  const all = document.getElementById("pick-all");
  all.hidden = !matching || (selected.scope === "matching" && ids.size === 0);
  if (matching) all.textContent = matching === 1 ? "Select the matching claim" : `Select all ${words(matching)} matching claims`;
}

const words = (number) => number.toLocaleString("en-US");

function say(text) { announcer.textContent = text; }

// ---- count and dollars, from the server

let timer = null;
let asking = null;

function count() {
  clearTimeout(timer);
  asking?.abort();
  const some = selected.scope === "matching" || ids.size > 0;
  if (!some) return counted(null);
  document.getElementById("picked-count").textContent = selectionText(null);
  timer = setTimeout(async () => {
    asking = new AbortController();
    try {
      counted(await json("/feed/selection", { method: "POST", body: selection(), signal: asking.signal }));
    } catch (error) {
      if (error.name !== "AbortError") document.getElementById("picked-dollars").textContent = "The amounts could not be loaded. Try again.";
    }
  }, COUNT_AFTER_MS);
}

function counted(sums) {
  picked.classList.remove("warns");
  document.getElementById("picked-count").textContent = selectionText(sums);
  const dollars = document.getElementById("picked-dollars");
  dollars.textContent = sums ? `${sums.dollars} · ` : "Check claims to select them. Shift-click selects a range.";
  if (sums) dollars.append(Object.assign(document.createElement("b"), { textContent: `total ${sums.total}` }));
  row("picked-totals", sums?.row);
  if (telling) say(`${selectionText(sums)}${sums ? `, total ${sums.total}` : ""}.`);
}

function selectionText(sums) {
  if (selected.scope === "chosen") return `${sums ? sums.words : words(ids.size)} selected`;
  const left = sums ? sums.words : matching ? words(matching - ids.size) : "…";
  return ids.size ? `${left} of ${matching ? words(matching) : "all"}, ${words(ids.size)} unchecked` : left === "1" ? "1 matching claim selected" : `All ${left} matching claims selected`;
}

function row(id, html) {
  const old = document.getElementById(id);
  if (!html) {
    for (const cell of old.querySelectorAll("td")) cell.textContent = "";
    old.querySelector("th").textContent = "Selected: none";
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  fresh.id = id;
  old.replaceWith(fresh);
}

function selection() {
  const fields = new URLSearchParams();
  fields.set("scope", selected.scope);
  fields.set("filter", form.elements.filter.value);
  fields.set("view", feed.dataset.view);
  fields.set("claim_ids", JSON.stringify([...ids]));
  return fields;
}

async function json(address, options = {}) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const answer = await fetch(address, { ...options, headers: { "X-CSRFToken": token, Accept: "application/json" } });
  if (answer.status === 401) location.reload(); // the session ended: sign in again
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

// ---- totals and counts that load after the page

async function totals() {
  if ("faulty" in feed.dataset) return;
  try {
    const sums = await json(`/feed/totals?${feed.dataset.query}`);
    matching = sums.claims;
    row("totals", sums.row);
    const ages = document.createRange().createContextualFragment(sums.ages);
    const focused = document.activeElement.closest("#ages a")?.id;
    document.getElementById("ages").replaceWith(ages);
    if (focused) document.getElementById(focused).focus({ preventScroll: true });
    const of = document.getElementById("range-of");
    if (of) of.textContent = ` of ${sums.words} ${sums.claims === 1 ? "claim" : "claims"}`;
    show();
    if (selected.scope === "matching") document.getElementById("picked-count").textContent = selectionText(null);
  } catch {
    document.querySelector("#totals th").textContent = "The totals could not be loaded. Reload the page.";
  }
  // focus.js says this if an act on the feed led here.
  const shown = rows.querySelector("[data-claim]") ? `${document.getElementById("range").innerText.trim()}, ${feed.dataset.order}.` : "No claims match.";
  document.dispatchEvent(new CustomEvent("settle:results", { detail: `${shown} ${cleared}`.trim() }));
}

const typed = () => String(new URLSearchParams([...new FormData(document.getElementById("filters"))].filter(([, value]) => value !== "")));
const applied = typed();

document.getElementById("counts").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  if (typed() !== applied) return; // submit the form: counts of one filter beside the claims of another would mislead
  event.preventDefault();
  if (button.dataset.asking) return;
  button.dataset.asking = "yes";
  button.setAttribute("aria-disabled", "true");
  try {
    const found = await json(`/feed/counts?${feed.dataset.query}`);
    for (const place of document.querySelectorAll("[data-count]")) place.textContent = found.counts[place.dataset.count] ?? "0";
    say("Counts updated.");
  } catch {
    button.form.submit(); // the page shows which field is wrong
  }
  delete button.dataset.asking;
  button.removeAttribute("aria-disabled");
});

// ---- select claims

if (SELECTABLE && boxes.length) {
  pagePick.hidden = false;
  pagePick.addEventListener("change", () => {
    for (const box of boxes) turn(box.value, pagePick.checked);
    changed();
  });
  rows.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=claim_id]");
    if (!box) return;
    const range = event.shiftKey && lastBox && lastBox !== box ? between(lastBox, box) : [box];
    for (const each of range) turn(each.value, box.checked);
    lastBox = box;
    changed();
  });
  document.getElementById("pick-all").addEventListener("click", () => { choose("matching"); pagePick.focus(); });
  document.getElementById("pick-none").addEventListener("click", () => { choose("chosen"); pagePick.focus(); });
  feed.addEventListener("keydown", keys);
}

function between(one, other) {
  const [from, to] = [boxes.indexOf(one), boxes.indexOf(other)].sort((a, b) => a - b);
  return boxes.slice(from, to + 1);
}

// j and k or the arrows move between checkboxes, and j enters the rows. Space toggles one; with Shift, a range. b goes to
// Batch Status Change.
function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox])")) return;
  if (event.key === "b") return document.querySelector("#status-menu summary").focus();
  const box = event.target.closest("tr")?.querySelector("input[name=claim_id]");
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (!step || (!box && event.key !== "j")) return;
  const next = boxes[boxes.indexOf(box) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// ---- open the dialog

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const target = event.submitter?.value;
  if (!target) return;
  document.getElementById("status-menu").open = false;
  if (selected.scope === "chosen" && ids.size === 0) {
    say("Select at least one claim first.");
    document.getElementById("picked-dollars").textContent = announcer.textContent;
    picked.classList.add("warns");
    picked.scrollIntoView({ block: "nearest" });
    return boxes[0]?.focus();
  }
  const fields = selection();
  fields.set("target_status", target);
  fields.set("idempotency_key", [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join(""));
  document.dispatchEvent(new CustomEvent("settle:open", { detail: { address: form.action, fields, opener: document.querySelector("#status-menu summary") } }));
});
// Clear the selection after CONFIRM.
document.addEventListener("settle:confirmed", () => { ids.clear(); selected = { ...EMPTY, filter: feed.dataset.filter }; keep(); });

window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); }); // a live feed must not show an old page

// The browser restores no box (autocomplete is off), so one that is checked by now was clicked while this script loaded.
const early = SELECTABLE ? boxes.filter((box) => box.checked) : [];
for (const box of early) turn(box.value, true);
if (early.length) changed();
else {
  show();
  if (selected.scope === "matching" || ids.size) count();
}
totals();
