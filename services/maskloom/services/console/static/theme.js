"use strict";

// Dark, light, or as the system has it. Loaded before anything is drawn, so that no page begins in the wrong one.
const THEME = "maskloom.theme";

function chosenTheme() {
  try { return localStorage.getItem(THEME) ?? ""; } catch { return ""; }  // where a browser keeps nothing, the system decides
}

function showTheme() {
  const chosen = chosenTheme();
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  document.dispatchEvent(new Event("theme"));
}

showTheme();
addEventListener("storage", showTheme);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", showTheme);
document.addEventListener("DOMContentLoaded", () => {
  const choice = document.querySelector("[data-theme-choice]");
  if (!choice) return;
  choice.value = document.documentElement.dataset.theme ?? "";
  choice.addEventListener("change", () => {
    try { localStorage.setItem(THEME, choice.value); } catch { /* then it is for this page alone */ }
    if (choice.value) document.documentElement.dataset.theme = choice.value;
    else delete document.documentElement.dataset.theme;
    document.dispatchEvent(new Event("theme"));
  });
});
