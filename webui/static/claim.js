// Show only the fields that this kind of posting needs. The server ignores the others.
const form = document.getElementById("post-form");

function fit() {
  const kind = form.elements.kind.value;
  for (const field of form.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== kind;
}

// The patient's payment usually lowers the patient balance, and a payer's payment the insurance balance.
function followPayer() {
  const payer = form.elements.paid_by.value;
  if (payer) form.elements.responsibility.value = payer === "patient" ? "patient" : "insurance";
}

if (form) {
  let isChosen = form.hasAttribute("data-typed");
  form.elements.responsibility.addEventListener("change", () => { isChosen = true; });
  form.elements.paid_by.addEventListener("change", () => { if (!isChosen) followPayer(); });
  form.elements.kind.addEventListener("change", fit);
  fit();
  form.querySelector("[aria-invalid]")?.focus();
}
