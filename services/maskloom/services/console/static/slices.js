"use strict";

// The gallery and the page of a slice: which mask is drawn over it, how, and through which window the slice is seen.
const opacity = document.querySelector("[data-opacity]");
const style = document.querySelector("[data-style]");
const slice = document.getElementById("slice");
const mask = document.getElementById("mask");
let hidden = false;

function show() {
  for (const layer of document.querySelectorAll(".layer")) layer.style.opacity = hidden ? 0 : opacity.value / 100;
}

function draw() {
  const chosen = document.querySelector("[name=label]:checked");
  if (!chosen) return;
  mask.src = `${chosen.value}?style=${style.value}`;
  mask.alt = `Its ${chosen.dataset.kind} mask`;
}

function look() {
  const [level, width] = ["level", "width"].map((name) => document.querySelector(`[data-window=${name}]`).value);
  slice.src = slice.dataset.picture + (level !== "" && width > 0 ? `?level=${level}&width=${width}` : "");
}

const KEYS = {
  o: () => { hidden = !hidden; show(); },
  s: () => { style.selectedIndex = (style.selectedIndex + 1) % style.length; draw(); },
  "+": () => { opacity.value = Number(opacity.value) + 10; hidden = false; show(); },
  "-": () => { opacity.value = Number(opacity.value) - 10; hidden = false; show(); },
  ArrowLeft: () => document.querySelector("a[rel=prev]")?.click(),
  ArrowRight: () => document.querySelector("a[rel=next]")?.click(),
};

opacity.addEventListener("input", () => { hidden = false; show(); });
show();
if (slice) {
  style.addEventListener("change", draw);
  for (const input of document.querySelectorAll("[name=label]")) input.addEventListener("change", draw);
  for (const input of document.querySelectorAll("[data-window]")) input.addEventListener("change", look);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=radio]), select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.target.matches("[type=radio]") && event.key.startsWith("Arrow")) return;
    KEYS[event.key]?.();
  });
}
