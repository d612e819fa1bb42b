"use strict";

// A button that is pressed before the page's scripts are there waits for them; of several, the last one. Without this its press
// would be lost, or the browser would send a form by itself. Loaded before anything can be pressed.
{
  let pressed = null;
  const keep = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed?.removeAttribute("aria-busy");
    pressed = button;
    pressed.setAttribute("aria-busy", "true");
  };
  const release = () => {
    document.removeEventListener("click", keep, { capture: true });
    pressed?.removeAttribute("aria-busy");
    pressed?.click();
  };
  document.addEventListener("click", keep, { capture: true });
  // All scripts have run then, or failed; htmx begins in an event handler of its own, which comes after this one.
  document.addEventListener("DOMContentLoaded", () => setTimeout(release), { once: true });
}
