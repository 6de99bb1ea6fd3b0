// What the pages of keys are easier with: advice while a name is typed, ticking all.

const WAIT_MS = 250;

const told = document.querySelector("[data-advice]");
const name = document.querySelector("#new-key input[name=name]");
if (told && name) {
  let asking;
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    const chosen = document.querySelector("#new-key input[name=environment]:checked");
    const query = new URLSearchParams({ name: name.value, environment: chosen?.value ?? "live" });
    try {
      const answer = await fetch(`${told.dataset.advice}?${query}`, { signal: asking.signal });
      if (answer.ok) told.textContent = (await answer.json()).advice ?? "";
    } catch (error) {
      if (error.name !== "AbortError") told.textContent = "";
    }
  };
  let timer;
  document.getElementById("new-key").addEventListener("input", (event) => {
    if (event.target !== name && event.target.name !== "environment") return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
}

const all = document.querySelector("[data-tick-all]");
if (all) {
  all.removeAttribute("hidden");
  all.addEventListener("click", () => {
    const boxes = [...document.querySelectorAll(".tick")];
    const wanted = boxes.some((box) => !box.checked);
    for (const box of boxes) box.checked = wanted;
  });
}
