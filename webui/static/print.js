// The certificate's Print button. The browser's own print command does the same.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
