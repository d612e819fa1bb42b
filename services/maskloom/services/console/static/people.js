"use strict";

// Accounts, tokens and passwords: what is sent as JSON, and what is shown once.
const csrf = JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRF-Token"];

// Not `dataset`: a form's field of that name takes its place.
const has = (element, name) => element.getAttribute(`data-${name}`);

function say(problem) {
  const said = document.getElementById("said");
  said.textContent = problem ? `${problem.detail}. ${problem.hint}` : "Done.";
  said.classList.toggle("wrong", Boolean(problem));
}

async function send(method, path, content) {
  let answer = null;
  try {
    answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: content === undefined ? undefined : JSON.stringify(content),
    });
  } catch {
    say({ detail: "maskloom does not answer", hint: "Try again in a while." });
    return null;
  }
  const told = answer.status === 204 ? {} : await answer.json();
  say(answer.ok ? null : told);
  return answer.ok ? told : null;
}

function contentOf(form) {
  const content = {};
  for (const field of form.querySelectorAll("[name]:not(:disabled)")) {
    if (field.type === "checkbox") content[field.name] = field.checked;
    else if (field.type === "number") content[field.name] = field.valueAsNumber;
    else if (field.value) content[field.name] = field.value;
  }
  return content;
}

function showOnce(told, whom) {
  const panel = document.getElementById("once");
  panel.querySelector("[data-secret]").textContent = told.url ?? told.text;
  const name = panel.querySelector("[data-whom]");
  if (name) name.textContent = whom;
  panel.hidden = false;
  panel.querySelector("[data-copy]").textContent = "Copy";
  panel.querySelector("[data-copy]").focus();
}

async function carryOut(source, content) {
  const told = await send(has(source, "send"), has(source, "path"), content);
  if (!told) return;
  if (has(source, "once")) showOnce(told, has(source, "whom") ?? content.name);
  if (source.tagName === "FORM") source.reset();
  htmx.trigger(document.body, "changed");
}

document.addEventListener("submit", (event) => {
  if (!has(event.target, "send")) return;
  event.preventDefault();
  carryOut(event.target, contentOf(event.target));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (has(button, "send")) carryOut(button);
  if (button.dataset.copy) {
    const text = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(text);
    // Without HTTPS browsers lend no clipboard: then it is at least selected.
    await navigator.clipboard?.writeText(text.textContent);
    button.textContent = navigator.clipboard ? "Copied" : "Selected";
  }
});

document.addEventListener("change", async (event) => {
  const field = event.target;
  if (field.dataset.state) {
    const state = (name) => field.closest("tr").querySelector(`[data-state=${name}]`).checked;
    await send("PUT", field.dataset.path, { admin: state("admin"), active: state("active") });
  } else if (field.dataset.role) {
    await send(field.value ? "PUT" : "DELETE", field.dataset.path, field.value ? { role: field.value } : undefined);
  } else return;
  // As it is now, also where it was refused.
  htmx.trigger(document.body, "changed");
});
