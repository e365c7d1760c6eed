// Passkeys: add one, sign in with one, or verify with one. The server decides everything. Without this script, codes work.
const WORDS = {
  NotAllowedError: "The passkey was canceled or timed out. Try again.",
  AbortError: "The passkey was canceled. Try again.",
  SecurityError: "Passkeys do not work at this address.",
  InvalidStateError: "This device already has a passkey for your account. Choose another device.",
  NotSupportedError: "This device cannot make a passkey for these pages. Choose another device.",
  ConstraintError: "This device cannot check who you are. Set up a PIN on it, or choose another device.",
};
const UNSUPPORTED = "This browser does not support passkeys. Update it, or use another one.";
const NO_ANSWER = "The server did not respond correctly. Try again.";
let busy = false;

class Fault extends Error {}

async function send(address, body) {
  const answer = await fetch(address, { method: "POST", body });
  const isJson = answer.headers.get("Content-Type")?.includes("application/json");
  if (answer.status === 401 && !isJson) location.reload(); // signed out
  if (!isJson) throw new Fault(NO_ANSWER);
  const given = await answer.json();
  if (!answer.ok) throw new Fault(given.fault ?? NO_ANSWER);
  return given;
}

// Password managers return objects whose own toJSON fails, so it is not used.
function encode(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function asJson(credential) {
  const { id, rawId, type, response } = credential;
  const parts = { transports: response.getTransports?.() };
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) parts[name] = encode(response[name]);
  }
  return JSON.stringify({ id, rawId: encode(rawId), type, response: parts });
}

// The server checks what was typed before the browser asks for a passkey. A code works once, so its field then goes.
async function ask(element, kind, form, fields) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw new Fault(UNSUPPORTED);
  const { origin, options } = element.dataset;
  if (origin !== location.origin) throw new Fault(`Passkeys work only at ${origin}. Open the pages there.`);
  const given = await send(options, fields);
  if (kind === "create") verified(form.querySelector("[data-verification]"));
  const publicKey = kind === "create" ? PublicKeyCredential.parseCreationOptionsFromJSON(given) : PublicKeyCredential.parseRequestOptionsFromJSON(given);
  return asJson(await navigator.credentials[kind]({ publicKey }));
}

// Run one step at a time, and say in the element's place what went wrong.
async function attempt(place, button, step) {
  if (busy) return;
  busy = true;
  button.setAttribute("aria-disabled", "true");
  const words = [...place.querySelectorAll("[data-passkey-fault]")].at(-1); // the form's own comes after that of its fields
  words.hidden = true;
  try {
    await step();
  } catch (error) {
    words.textContent = error instanceof Fault ? error.message : WORDS[error.name] ?? `The passkey failed (${error.name}). Try again.`;
    words.hidden = false;
    button.focus();
  }
  button.removeAttribute("aria-disabled");
  busy = false;
}

// A form for a passkey alone: ask, then send it with the answer. Capture, to run before the double-click guard of app.js.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-passkey]") || form.elements.credential.value) return;
  event.preventDefault();
  event.stopPropagation();
  const button = form.querySelector("button:not([type=button])");
  attempt(form, button, async () => {
    form.elements.credential.value = await ask(form, form.dataset.passkey, form, new FormData(form));
    form.requestSubmit();
  });
}, true);

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-passkey]")) form.elements.credential.value = "";
});

// A passkey instead of a code, in any form. The form stays as it is.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-passkey=verify]");
  if (!button) return;
  const form = button.closest("form");
  const place = button.closest("[data-verification]");
  attempt(place, button, async () => {
    const fields = new FormData();
    fields.set("csrf_token", form.elements.csrf_token.value);
    fields.set("verification_passkey", await ask(button, "get", form, fields));
    await send(button.dataset.send, fields);
    const sends = form.hasAttribute("data-passkey-sends");
    verified(place);
    if (sends) form.requestSubmit();
  });
});

function verified(place) {
  if (!place) return;
  const note = Object.assign(document.createElement("p"), { className: "quiet", tabIndex: -1, textContent: "You are verified for five minutes." });
  place.replaceChildren(note);
  note.focus();
}
