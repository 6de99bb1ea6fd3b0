// Long work: the page says how far it is without being loaded anew.

const PAUSE_MS = 1000;

async function look() {
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("work");
      if (!fresh?.hasAttribute("data-running")) return location.replace(location.pathname);
      document.title = page.title;
      const [bar, shown] = [document, page].map((each) => each.querySelector("#work progress"));
      for (const name of ["value", "max"]) {
        if (shown.hasAttribute(name)) bar.setAttribute(name, shown.getAttribute(name));
      }
      document.querySelector("#work [role=status]").textContent = page.querySelector("#work [role=status]").textContent;
    }
  } catch {
    // Not to be reached for a moment; the next look tells.
  }
  setTimeout(look, PAUSE_MS);
}
setTimeout(look, PAUSE_MS);
