"use strict";

// A button that is pressed before the page's scripts are there waits for them. Without this its press would be lost, or a form
// be sent by the browser itself, with a password in the address. Loaded before anything can be pressed.
{
  let pressed = null;
  const keep = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed = button;
  };
  document.addEventListener("click", keep, { capture: true });
  // htmx says so once it knows the page; it comes after all other scripts.
  document.addEventListener("htmx:load", () => {
    document.removeEventListener("click", keep, { capture: true });
    pressed?.click();
  }, { once: true });
}
