"use strict";

// The list of runs: filters that work at once, and two runs to compare, which stay ticked while the list changes.
const picked = [];

document.documentElement.classList.add("scripted");
document.getElementById("wanted").addEventListener("change", (event) => event.currentTarget.submit());

function showPicked() {
  for (const box of document.querySelectorAll(".pick input")) box.checked = picked.includes(box.value);
  const button = document.getElementById("compare-button");
  if (!button) return;
  button.disabled = picked.length !== 2;
  document.getElementById("picked").textContent =
    picked.length === 2 ? `${picked[0]} and ${picked[1]}` : picked.length === 1 ? "Tick one more." : "Tick two runs to compare them.";
}

document.addEventListener("change", (event) => {
  if (!event.target.matches(".pick input")) return;
  if (event.target.checked) picked.push(event.target.value);
  else picked.splice(picked.indexOf(event.target.value), 1);
  if (picked.length > 2) picked.shift();
  showPicked();
});
document.addEventListener("htmx:afterSwap", showPicked);
addEventListener("pageshow", () => {
  picked.push(...Array.from(document.querySelectorAll(".pick input:checked"), (box) => box.value).slice(0, 2));
  showPicked();
});
