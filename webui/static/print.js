// The Print and Copy buttons of a page. The browser has commands of its own for both.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard; // the browser has none on a page without HTTPS
  button.addEventListener("click", async () => {
    const rows = [...document.querySelectorAll(`#${button.dataset.copies} > li`)];
    try { await navigator.clipboard.writeText(rows.map((row) => row.textContent).join("\n")); }
    catch { announce(button.dataset.fault); return; }
    announce(button.dataset.done);
  });
  const note = document.getElementById(button.dataset.says);
  function announce(words) { note.textContent = words; }
}
