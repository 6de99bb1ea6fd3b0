// Shows what a slider stands at while it is moved; moving one means not to go by the configuration.

for (const output of document.querySelectorAll("output[data-of]")) {
  const slider = document.getElementById(output.dataset.of);
  slider.addEventListener("input", () => {
    output.textContent = `${slider.value} %`;
    const box = document.getElementById("as_configured");
    if (box) box.checked = false;
  });
}
