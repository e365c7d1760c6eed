// Keep a job in progress, or the list of jobs, up to date. Poll the server, but not while nothing changes or the page is
// hidden. Change only what differs, to keep the focus, open boxes and scroll positions.
const live = document.getElementById("live");
const every = Number(live.dataset.live);
const announcer = document.getElementById("announce");
const utc = new Intl.DateTimeFormat("en-US", { timeStyle: "medium", timeZone: "UTC" });
// The server gives the practice's UTC offset, because a browser's time zones may be out of date.
const clock = (milliseconds) => utc.format(milliseconds + live.dataset.utcOffset * 1000);
const OWN_PAGE = ["preparing", "awaiting_approval"]; // the next status has a different page or polls at a different rate
const MILESTONES = [25, 50, 75];
const HELD_BACK_MS = 15000; // maximum between two tries while the server is unreachable

let address = location.href;
let etag = null;
let timer = null;
let misses = 0;
let heardAt = Date.now();
let percent = Number(state()?.dataset.percent || 0);

function state() {
  return live.querySelector("[data-state]");
}

// ---- poll

function plan(wait = every) {
  clearTimeout(timer);
  if (!document.hidden && state() && "moving" in state().dataset) timer = setTimeout(ask, wait);
}

async function ask() {
  clearTimeout(timer);
  try {
    const headers = { "X-Live": "1", ...(etag && { "If-None-Match": etag }) };
    const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401 || answer.redirected) return location.reload(); // the session ended: sign in again
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status);
      etag = answer.headers.get("ETag");
      show(await answer.text());
    }
    misses = 0;
    heardAt = Date.now();
    connection("");
  } catch {
    misses += 1;
    connection(`Reconnecting … last updated at ${clock(heardAt)}. ${live.dataset.offline ?? "The job continues without this page."}`);
    return plan(Math.min(every * 2 ** misses, HELD_BACK_MS));
  }
  plan();
}

function connection(words) {
  const place = document.getElementById("connection");
  if (place && place.textContent !== words) place.textContent = words;
}

// ---- show

function show(html) {
  const before = state()?.dataset.state;
  const incoming = document.createElement("template");
  incoming.innerHTML = html;
  const hadFocus = live.contains(document.activeElement);
  patchChildren(live, incoming.content);
  if (hadFocus && !live.contains(document.activeElement)) live.querySelector("h1")?.focus(); // the control is gone
  const now = state();
  if (!now) return;
  if (OWN_PAGE.includes(before) && now.dataset.state !== before) return location.reload();
  title(now);
  announce(now, before);
  draw();
}

function title({ dataset }) {
  if (dataset.title) document.title = dataset.percent === "" ? dataset.title : `${dataset.percent}% · ${dataset.title}`;
}

function announce({ dataset }, before) {
  if (dataset.percent === undefined) return;
  const reached = Number(dataset.percent || 0);
  const passed = MILESTONES.filter((mark) => percent < mark && reached >= mark).pop();
  percent = reached;
  if (before && before !== dataset.state && dataset.state !== "running") announcer.textContent = `Job status: ${dataset.word}.`;
  else if (passed) announcer.textContent = `${passed} percent done.`;
}

// Keep the element if possible: update its attributes and children one by one.
function patch(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh.cloneNode(true));
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && "keepOpen" in old.dataset)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (!("keep" in old.dataset)) patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const mine = [...old.childNodes];
  const theirs = [...fresh.childNodes];
  theirs.forEach((node, place) => (place < mine.length ? patch(mine[place], node) : old.append(node.cloneNode(true))));
  mine.slice(theirs.length).forEach((node) => node.remove());
}

// ---- the chart

let plot = null;
let times = []; // of the points, drawn side by side; paused seconds have no point

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(again = false) {
  const figure = document.getElementById("chart");
  const place = figure?.querySelector(".plot");
  if (!place || !window.uPlot) return;
  const points = JSON.parse(figure.dataset.points);
  times = points.map(([at]) => at);
  const columns = [times.map((_, place) => place), points.map(([, claims]) => claims)];
  if (plot && (again || plot.root.parentNode !== place)) { plot.destroy(); plot = null; }
  if (plot) return plot.setData(columns);
  const axis = { stroke: token("--ink-2"), grid: { stroke: token("--line-2"), width: 1 }, ticks: { show: false }, font: `11px ${token("--font")}` };
  const short = (count) => (count >= 1000 ? `${count / 1000}k` : `${count}`);
  plot = new uPlot({
    width: place.clientWidth, height: place.clientHeight, padding: [8, 30, 0, 0],
    legend: { show: false }, cursor: { show: false }, select: { show: false },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
    axes: [{ ...axis, space: 110, incrs: [1, 2, 5, 10, 15, 30, 60], size: 22, values: (_, ticks) => ticks.map((place) => (times[place] ? clock(times[place] * 1000) : "")) },
      { ...axis, size: 42, space: 24, values: (_, ticks) => ticks.map(short) }],
    series: [{}, { stroke: token("--accent"), width: 1.6, fill: token("--accent-soft"), points: { show: false } }],
  }, columns, place);
}

new ResizeObserver(() => {
  const place = document.querySelector("#chart .plot");
  if (plot && place && place.clientWidth) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
}).observe(live);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));

// ---- the page

// Tabs and pages of claims change in place. The address changes too, so that a reload shows the same.
live.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-live-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  address = link.href;
  etag = null;
  history.replaceState(null, "", address);
  ask();
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : "moving" in (state()?.dataset ?? {}) && ask()));
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.ask[open]");
  if (open) { open.open = false; open.querySelector("summary").focus(); }
});

if (state()) { title(state()); draw(); plan(); }
