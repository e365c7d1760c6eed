// The columns of the Live Claims Feed: how the table scrolls, their widths, and the menu that chooses them.
const announcer = document.getElementById("announce");

// ---- end each scroll at the start of a column, even at the end of the table

const scroller = document.getElementById("table");
const table = scroller.querySelector("table");
const heads = [...table.querySelectorAll("thead th:not(.box, .info, .id)")];
const frozen = table.querySelector("thead .id");

function align() {
  scroller.style.paddingRight = "";
  const left = table.getBoundingClientRect().left;
  const edge = getComputedStyle(frozen).position === "sticky" ? frozen.getBoundingClientRect().width + parseFloat(getComputedStyle(frozen).left) : 0;
  scroller.style.setProperty("--frozen", `${edge}px`);
  const most = scroller.scrollWidth - scroller.clientWidth;
  const start = heads.map((head) => head.getBoundingClientRect().left - left - edge).find((at) => at >= most);
  if (most > 0 && start > most) scroller.style.paddingRight = `${start - most}px`;
}
const resized = new ResizeObserver(align);
resized.observe(table);
resized.observe(scroller);

// ---- columns: widths of the view, and their order in the menu

const widths = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, widths];
for (const head of table.querySelectorAll("th[data-width]")) {
  const cells = `.feed :is(thead, #rows) tr > :nth-child(${head.cellIndex + 1})`;
  // An amount is never cut off, because it would look like a smaller one.
  const most = head.classList.contains("num") ? "" : `max-width: ${head.dataset.width}px; overflow: hidden; text-overflow: ellipsis;`;
  widths.insertRule(`${cells} { min-width: ${head.dataset.width}px; ${most} }`);
}

document.getElementById("columns").addEventListener("click", (event) => {
  const move = event.target.closest("button[name=move]");
  if (!move) return;
  event.preventDefault();
  const item = move.closest("li");
  if (move.value.startsWith("up:")) item.previousElementSibling?.before(item);
  else item.nextElementSibling?.after(item);
  move.focus();
  announcer.textContent = `${item.querySelector("label").textContent.trim()} is column ${[...item.parentNode.children].indexOf(item) + 1}.`;
});
