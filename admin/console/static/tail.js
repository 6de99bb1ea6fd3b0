// Requests as they come in, at the top of the table.

const ROWS_MAX = 200;

const button = document.getElementById("follow");
const state = document.getElementById("follow-state");
const rows = document.querySelector("main table tbody");
let source;

const cell = (row, text, name) => {
  const made = row.insertCell();
  made.textContent = text;
  if (name) made.className = name;
  return made;
};

const show = (request) => {
  const row = rows.insertRow(0);
  cell(row, new Date(request.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }));
  const code = document.createElement("code");
  code.textContent = `${request.method} ${request.path}`;
  cell(row, "").append(code);
  cell(row, request.status, "number");
  const badge = document.createElement("span");
  badge.className = `badge ${request.status < 400 ? "good" : request.status < 500 ? "warn" : "bad"}`;
  badge.textContent = request.outcome.replaceAll("_", " ");
  cell(row, "").append(badge);
  cell(row, `${request.duration_ms} ms`, "number");
  cell(row, request.address);
  while (rows.rows.length > ROWS_MAX) rows.deleteRow(-1);
};

const stop = (words) => {
  source?.close();
  source = undefined;
  button.setAttribute("aria-pressed", "false");
  button.textContent = "Follow live";
  state.textContent = words;
};

if (button && window.EventSource) {
  button.removeAttribute("hidden");
  button.addEventListener("click", () => {
    if (source) return stop("");
    source = new EventSource(button.dataset.tail);
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop following";
    source.addEventListener("open", () => { state.textContent = "New requests appear at the top."; });
    source.addEventListener("request", (event) => show(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      // It comes back by itself, unless it was told not to.
      if (source.readyState === EventSource.CLOSED) stop("That ended. Load the page again.");
      else state.textContent = "Looking again …";
    });
  });
}
