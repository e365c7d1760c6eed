// The certificate's Print button; without this the browser's own does the same.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
