// Date fields: a button opens the browser's own calendar and writes the date as the practice does. Typing still works.
for (const field of document.querySelectorAll("input[data-date]")) {
  const label = field.getAttribute("aria-label") ?? field.labels[0]?.textContent ?? "date";
  const place = document.createElement("span");
  place.className = "date";
  const calendar = Object.assign(document.createElement("input"), { type: "date", tabIndex: -1 });
  calendar.setAttribute("aria-hidden", "true");
  const button = Object.assign(document.createElement("button"), { type: "button", title: "Choose a date" });
  button.setAttribute("aria-label", `Choose a date: ${label}`);
  button.innerHTML = '<svg class="icon" aria-hidden="true" focusable="false"><use href="/static/icons.svg#calendar"></use></svg>';
  field.replaceWith(place);
  place.append(field, calendar, button);

  button.addEventListener("click", () => {
    calendar.value = iso(field.value);
    calendar.showPicker();
  });
  calendar.addEventListener("change", () => {
    const [year, month, day] = calendar.value.split("-");
    field.value = day ? `${month}/${day}/${year}` : "";
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  });
}

// What was typed, for the calendar to begin with: 1/5/26, 1-5-26 and 01/05/2026 are 2026-01-05.
function iso(typed) {
  const [, month, day, year] = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})$/.exec(typed.trim()) ?? [];
  return year ? `${year.padStart(4, "20")}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : "";
}
