"use strict";

// Signing in, taking an invitation, and signing out. Everything else is htmx.
const said = document.getElementById("said");

function secretOfTheLink() {
  const secret = location.hash.slice(1);
  if (secret) history.replaceState(null, "", location.pathname);
  return secret;
}

function nextPage() {
  const next = new URLSearchParams(location.search).get("next") || "/";
  // Of this site alone: a link in a mail must not lead elsewhere from here.
  return new URL(next, location.origin).origin === location.origin && next.startsWith("/") ? next : "/";
}

for (const form of document.querySelectorAll("[data-door]")) {
  const secret = secretOfTheLink();
  const refusal = form.querySelector(".refusal");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const content = Object.fromEntries(new FormData(form));
    if (form.dataset.door.endsWith("/invitation")) content.secret = secret;
    const button = form.querySelector("button");
    button.disabled = true;
    refusal.textContent = "";
    try {
      const answer = await fetch(form.dataset.door, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(content),
      });
      if (answer.ok) {
        location.assign(nextPage());
        return;
      }
      const problem = await answer.json();
      refusal.textContent = `${problem.detail}. ${problem.hint}`;
    } catch {
      refusal.textContent = "maskloom does not answer. Try again in a while.";
    }
    button.disabled = false;
  });
}

document.querySelector("[data-sign-out]")?.addEventListener("click", async (event) => {
  await fetch("/api/v1/session", { method: "DELETE", headers: { "X-CSRF-Token": event.target.dataset.csrf } });
  location.assign("/sign-in");
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, xhr, requestConfig } = event.detail;
  if (requestConfig.verb === "get") {
    if (xhr.status === 401) location.reload();
    return;
  }
  let problem = null;
  if (!successful) {
    try { problem = JSON.parse(xhr.responseText); } catch { problem = { detail: "maskloom does not answer", hint: "" }; }
  }
  if (successful) htmx.trigger(document.body, "changed");
  said.textContent = problem ? `${problem.detail}. ${problem.hint}` : "Done.";
  said.classList.toggle("wrong", problem !== null);
});
