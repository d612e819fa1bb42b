"use strict";

// The slices of a review: how masks are drawn, moving by keys, and fetching them anew when there is a new answer.
const opacity = document.querySelector("[data-opacity]");
const style = document.querySelector("[data-style]");
let hidden = false;
let standing = document.getElementById("standing").dataset.standing;

function show() {
  for (const layer of document.querySelectorAll(".case .layer")) {
    layer.style.opacity = hidden ? 0 : opacity.value / 100;
    const wanted = `${layer.dataset.mask}&style=${style.value}`;
    if (layer.getAttribute("src") !== wanted) layer.src = wanted;
  }
}

function move(by) {
  const cases = [...document.querySelectorAll(".case")];
  const at = cases.indexOf(document.activeElement.closest(".case"));
  const next = cases[at === -1 ? 0 : at + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "center" });
}

const KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  o: () => { hidden = !hidden; show(); },
  s: () => { style.selectedIndex = (style.selectedIndex + 1) % style.length; show(); },
  "+": () => { opacity.value = Number(opacity.value) + 10; hidden = false; show(); },
  "-": () => { opacity.value = Number(opacity.value) - 10; hidden = false; show(); },
};

document.addEventListener("htmx:afterSwap", () => {
  const now = document.getElementById("standing").dataset.standing;
  if (now !== standing) {
    standing = now;
    htmx.trigger(document.body, "answered");
  }
  if (opacity) show();
});
if (opacity) {
  opacity.addEventListener("input", () => { hidden = false; show(); });
  style.addEventListener("change", show);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, button, a")) return;
    if (event.key === "Enter") document.activeElement.querySelector("h3 a")?.click();
    const does = KEYS[event.key];
    if (does) {
      event.preventDefault();
      does();
    }
  });
  show();
}
