// What pages are easier with: copying, dialogs, times in the reader's own zone. Everything works without it.

const show = (element) => element.removeAttribute("hidden");

// A button that copies the text of another element, and says so.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  show(button);
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const words = button.innerHTML;
    await navigator.clipboard.writeText(source.dataset.secret ?? source.value ?? source.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.innerHTML = words; }, 2000);
  });
}

// A link to a page that asks "are you sure?" opens the dialog beside it instead.
for (const link of document.querySelectorAll("a[data-dialog]")) {
  const dialog = document.getElementById(link.dataset.dialog);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
  for (const button of dialog.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => dialog.close());
  }
}

// A masked secret and the button that shows it.
for (const button of document.querySelectorAll("[data-reveal]")) {
  const target = document.getElementById(button.dataset.reveal);
  const masked = target.textContent;
  show(button);
  button.addEventListener("click", () => {
    const isShown = button.getAttribute("aria-pressed") === "true";
    target.textContent = isShown ? masked : target.dataset.secret;
    button.setAttribute("aria-pressed", String(!isShown));
  });
}

// Moments in the reader's own time zone; UTC stays in the title.
for (const time of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.valueOf())) continue;
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form[method=post]:not([data-again])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
