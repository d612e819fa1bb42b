"use strict";

// The form of a new run: only what was changed is sent as a value of the recipe, and what is wrong is said at its field.
const form = document.getElementById("new-run");
const refusal = form.querySelector("[data-refusal]");
const fields = () => [...form.querySelectorAll("[data-default]")];
const isChanged = (input) => input.value.trim() !== input.dataset.default;

function written(input) {
  const value = input.value.trim();
  if (input.dataset.list === undefined) return value === "" ? "null" : value;
  const items = value.split(",").map((item) => item.trim()).filter(Boolean);
  const isNumber = (item) => input.dataset.list === "numbers" && !Number.isNaN(Number(item));
  return JSON.stringify(items.map((item) => (isNumber(item) ? Number(item) : item)));
}

function content() {
  const { dataset, recipe, priority } = form.elements;
  return {
    dataset: dataset.value,
    recipe: recipe.value,
    priority: priority.value,
    seed: Number(form.elements.seed.value),
    workers: Number(form.elements.workers.value),
    settings: fields().filter(isChanged).map((input) => `${input.name}=${written(input)}`),
  };
}

function forgive() {
  refusal.textContent = "";
  for (const note of form.querySelectorAll(".wrong-here")) note.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

function refuse(problem) {
  const text = `${problem.detail.replace(/^--set /, "")}. ${problem.hint ?? ""}`;
  const input = problem.field ? form.elements.namedItem(problem.field) : null;
  if (!(input instanceof HTMLElement)) {
    refusal.textContent = text;
    return;
  }
  const note = document.createElement("p");
  note.className = "refusal wrong-here";
  note.setAttribute("role", "alert");
  const around = input.closest("details");
  if (around) around.open = true;
  input.setAttribute("aria-invalid", "true");
  input.after(note);
  note.textContent = text;
  input.focus();
}

function tell() {
  const mode = form.elements.namedItem("review.mode");
  const told = form.querySelector("[data-told]");
  if (mode && told) {
    const who = form.elements.namedItem("review.readers").value;
    const words = { none: "nobody looks at masks", optional: `${who} may look, and rounds go on meanwhile`, required: `each round waits for ${who}` };
    told.textContent = words[mode.value];
  }
  const others = fields().filter((input) => !input.name.startsWith("review.") && isChanged(input)).length;
  form.querySelector("[data-changed]").textContent = others ? `${others} changed` : "none changed";
  for (const input of fields()) input.closest(".field").classList.toggle("changed", isChanged(input));
}

function offerReaders() {
  const chips = form.querySelector("[data-chips]");
  if (!chips) return;
  for (const button of chips.querySelectorAll("button")) button.remove();
  const names = form.elements.dataset.selectedOptions[0].dataset.readers.split(" ").filter(Boolean);
  chips.hidden = names.length === 0;
  for (const name of names) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = name;
    button.addEventListener("click", () => {
      const input = form.elements.namedItem("review.readers");
      const kept = input.value === input.dataset.default ? [] : input.value.split(",").map((item) => item.trim()).filter(Boolean);
      input.value = (kept.includes(name) ? kept.filter((item) => item !== name) : [...kept, name]).join(", ");
      const mode = form.elements.namedItem("review.mode");
      if (mode.value === "none") mode.value = "required";
      tell();
    });
    chips.append(button);
  }
}

form.addEventListener("input", tell);
form.elements.dataset.addEventListener("change", offerReaders);
document.addEventListener("htmx:afterSwap", () => { offerReaders(); tell(); });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  forgive();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const answer = await fetch("/api/v1/runs", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": form.getAttribute("data-csrf") },
      body: JSON.stringify(content()),
    });
    const said = await answer.json();
    if (answer.ok) {
      location.assign(`/runs/${said.id}`);
      return;
    }
    refuse(said);
  } catch {
    refusal.textContent = "maskloom does not answer. Try again in a while.";
  }
  button.disabled = false;
});
offerReaders();
tell();
