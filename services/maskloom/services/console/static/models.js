"use strict";

// Forms that the API takes as JSON, like everything that it takes.
htmx.defineExtension("json", {
  onEvent(name, event) {
    if (name === "htmx:configRequest") event.detail.headers["Content-Type"] = "application/json";
  },
  encodeParameters(_request, parameters) {
    return JSON.stringify(Object.fromEntries(parameters));
  },
});
