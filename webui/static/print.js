// The Print button of the certificate and the reports. The browser's own print command does the same.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
