// Shared by every page. Pages work without it, but slower.

// Add the form token to htmx requests, so that a part of a page can post too.
document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]');
  if (token) event.detail.headers["X-CSRFToken"] = token.content;
});

// Post a form once, even on a double click. The server also refuses a second post.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (event.submitter?.hasAttribute("data-download")) return; // the page stays
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
});
// The browser may restore this page from memory with its form still locked.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A link that downloads what a select chooses. Without this script, it keeps the choice that the page came with.
document.addEventListener("change", (event) => {
  for (const link of document.querySelectorAll("a[data-follows]")) {
    if (link.dataset.follows !== event.target.id) continue;
    const address = new URL(link.href);
    address.searchParams.set(event.target.name, event.target.value);
    link.href = address.href;
  }
});

// On a narrow screen, the navigation scrolls sideways. Show the link of this page.
for (const link of document.querySelectorAll(".top nav [aria-current], .places [aria-current]")) {
  const bar = link.parentElement;
  bar.scrollLeft = link.offsetLeft - bar.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2;
}

// Menus: one open at a time. Escape, a click elsewhere or the focus elsewhere closes it, because it may cover the focus.
for (const kind of ["click", "focusin"]) document.addEventListener(kind, (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (!menu) return;
  if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
  const items = [...menu.querySelectorAll(".item")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!items.length || !step) return;
  event.preventDefault();
  const at = items.indexOf(document.activeElement);
  items[(at + step + items.length) % items.length].focus();
});

// The main button of a form with CONFIRM looks ready only if the word is right. If it is pressed earlier, the server
// explains what is missing.
function match(field) {
  if (field.name !== "confirmation") return;
  const button = [...field.form.elements].find((one) => one.matches(".btn.main"));
  button?.classList.toggle("waits", field.value !== "CONFIRM");
}
document.addEventListener("input", (event) => match(event.target));
document.querySelectorAll("[name=confirmation]").forEach(match);

// The Print and Copy buttons of a page. The browser has commands of its own for both.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard; // the browser has none on a page without HTTPS
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copies);
    const rows = [...from.querySelectorAll("li")].map((row) => row.textContent);
    let said = button.dataset.done;
    try { await navigator.clipboard.writeText(from.value ?? (rows.join("\n") || from.textContent)); }
    catch { said = button.dataset.fault; }
    button.nextElementSibling.textContent = said;
  });
}
