// Date fields, the same on every page: type the date as the practice writes it, or choose it in the browser's calendar.
// Without this script, the browser's own date fields work.
const FIELDS = "input[data-date]:not(.date > input), input[type=date]:not(.date > input)";

function enhance(field) {
  const focused = document.activeElement === field;
  const label = field.getAttribute("aria-label") ?? field.labels[0]?.textContent ?? "date";
  const place = document.createElement("span");
  place.className = "date";
  const calendar = Object.assign(document.createElement("input"), { type: "date", tabIndex: -1, min: field.min, max: field.max });
  calendar.setAttribute("aria-hidden", "true");
  const button = Object.assign(document.createElement("button"), { type: "button", title: "Choose a date" });
  button.setAttribute("aria-label", `Choose a date: ${label}`);
  button.innerHTML = '<svg class="icon" aria-hidden="true" focusable="false"><use href="/static/icons.svg#calendar"></use></svg>';
  field.replaceWith(place);
  place.append(field, calendar, button);
  if (field.type === "date") sendAsIso(field, place);
  if (focused) field.focus();

  button.addEventListener("click", () => {
    calendar.value = iso(field.value);
    calendar.showPicker();
  });
  calendar.addEventListener("change", () => {
    field.value = written(calendar.value);
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  });
}

// A date field of the browser becomes a text. A hidden field sends what the date field would have sent.
function sendAsIso(field, place) {
  const sent = Object.assign(document.createElement("input"), { type: "hidden", name: field.name, value: field.getAttribute("value") ?? "" });
  if (field.hasAttribute("form")) sent.setAttribute("form", field.getAttribute("form"));
  place.append(sent);
  field.removeAttribute("name");
  field.type = "text";
  field.value = written(sent.value);
  field.placeholder = "MM/DD/YYYY";
  field.autocomplete = "off";
  for (const kind of ["input", "change"]) field.addEventListener(kind, () => { sent.value = iso(field.value) || field.value.trim(); });
}

const written = (date) => date.replace(/^(\d{4})-(\d\d)-(\d\d)$/, "$2/$3/$1");

// What was typed: 1/5/26, 1-5-26, 01/05/2026 and 2026-01-05 are 2026-01-05. Anything else is empty.
function iso(typed) {
  const [, month, day, year] = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})$/.exec(written(typed.trim())) ?? [];
  return year ? `${year.padStart(4, "20")}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : "";
}

const enhanceAll = () => document.querySelectorAll(FIELDS).forEach(enhance);
enhanceAll();
new MutationObserver(enhanceAll).observe(document.getElementById("main"), { childList: true, subtree: true }); // dialogs and live parts
