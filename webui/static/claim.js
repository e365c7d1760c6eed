// Show only the fields that this kind of posting needs. The server ignores the others.
const form = document.getElementById("post-form");

function fit() {
  const kind = form.elements.kind.value;
  for (const field of form.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== kind;
}

if (form) {
  form.elements.kind.addEventListener("change", fit);
  fit();
  form.querySelector("[aria-invalid]")?.focus();
}
