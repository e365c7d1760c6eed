// The columns of the Live Claims Feed: how the table scrolls, their widths, and the menu that chooses them.
const announcer = document.getElementById("announce");

// ---- end each scroll at the start of a column, even at the end of the table

const scroller = document.getElementById("table");
const table = scroller.querySelector("table");
const heads = [...table.querySelectorAll("thead th:not(.box, .info, .id)")];
const frozen = table.querySelector("thead .id");

const last = heads.at(-1); // it fills what the last scroll would leave empty

let starts = []; // where a scroll can end

function align() {
  for (const side of ["paddingLeft", "paddingRight"]) last.style[side] = "";
  const left = table.getBoundingClientRect().left;
  const edge = getComputedStyle(frozen).position === "sticky" ? frozen.getBoundingClientRect().width + parseFloat(getComputedStyle(frozen).left) : 0;
  scroller.style.setProperty("--frozen", `${edge}px`);
  const most = scroller.scrollWidth - scroller.clientWidth;
  starts = heads.map((head) => head.getBoundingClientRect().left - left - edge);
  const start = starts.find((at) => at >= most);
  const side = last.classList.contains("num") ? "paddingLeft" : "paddingRight";
  if (most > 0 && start > most) last.style[side] = `${start - most + parseFloat(getComputedStyle(last)[side])}px`;
}
const resized = new ResizeObserver(align);
resized.observe(table);
resized.observe(scroller);

// The browser's own scroll to a focused header ends at a column's start, which may leave the header cut off at the right.
scroller.addEventListener("focusin", ({ target }) => requestAnimationFrame(() => {
  const missing = target.getBoundingClientRect().right - scroller.getBoundingClientRect().right;
  if (!target.closest("thead") || missing <= 0) return;
  const start = starts.find((at) => at >= scroller.scrollLeft + missing);
  if (start) scroller.scrollLeft = start;
}));

// ---- columns: widths of the view, and their order in the menu

const widths = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, widths];
for (const head of table.querySelectorAll("th[data-width]")) {
  const cells = `.feed :is(thead, #rows) tr > :nth-child(${head.cellIndex + 1})`;
  // An amount is never cut off, because it would look like a smaller one.
  const most = head.classList.contains("num") ? "" : `max-width: ${head.dataset.width}px; overflow: hidden; text-overflow: ellipsis;`;
  widths.insertRule(`${cells} { min-width: ${head.dataset.width}px; ${most} }`);
}

const columns = document.querySelector("#columns ol");
const controls = (item) => [...item.querySelectorAll("input, button")];

function move(item, step) {
  if (step < 0) item.previousElementSibling?.before(item);
  else item.nextElementSibling?.after(item);
  const name = item.querySelector("label").textContent.trim();
  const before = [...columns.children].slice(0, [...columns.children].indexOf(item)).filter((one) => one.querySelector(":checked"));
  const at = before.length + 2; // after the claim's number, as in the table
  announcer.textContent = item.querySelector(":checked") ? `${name} is column ${at}.` : `${name} is hidden. It would be column ${at}.`;
}

columns.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=move]");
  if (!button) return;
  event.preventDefault();
  move(button.closest("li"), button.value.startsWith("up:") ? -1 : 1);
  button.focus();
});

// The list is one stop for Tab. Up and Down choose a column, Left and Right a control of it. Alt moves the column.
document.getElementById("column-keys").hidden = false;
for (const control of columns.querySelectorAll("input, button")) control.tabIndex = -1;
columns.querySelector("input").tabIndex = 0;
columns.addEventListener("focusin", (event) => {
  columns.querySelector("[tabindex='0']").tabIndex = -1;
  event.target.tabIndex = 0;
});
columns.addEventListener("keydown", (event) => {
  const [down, right] = [{ ArrowDown: 1, ArrowUp: -1 }[event.key], { ArrowRight: 1, ArrowLeft: -1 }[event.key]];
  const control = event.target;
  const item = control.closest("li");
  const at = controls(item).indexOf(control);
  // In a width, Left and Right move the cursor first.
  const inText = control.matches(".width") && (right < 0 ? control.selectionStart > 0 : control.selectionEnd < control.value.length);
  if (!(down || (right && !inText)) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (down && event.altKey) { move(item, down); return control.focus(); }
  if (event.altKey) return;
  const next = down ? item[down > 0 ? "nextElementSibling" : "previousElementSibling"] : item;
  if (next) controls(next)[at + (right ?? 0)]?.focus();
});
