"use strict";

// Forms that send JSON, and the form that sends files: what is dropped or chosen, and how far it is.
(() => {
  const csrf = JSON.parse(document.body.getAttribute("hx-headers") || "{}");

  function told(text, wrong) {
    const said = document.getElementById("said");
    said.textContent = text;
    said.classList.toggle("wrong", wrong);
  }

  function problemOf(text) {
    try {
      const { detail, hint } = JSON.parse(text);
      return `${detail}. ${hint}`;
    } catch {
      return "maskloom does not answer. Try again in a while.";
    }
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-json]");
    if (!form) return;
    event.preventDefault();
    const content = Object.fromEntries(new FormData(form, event.submitter));
    for (const input of form.querySelectorAll("[data-optional]")) if (!input.value) delete content[input.name];
    const refusal = form.querySelector(".refusal");
    if (refusal) refusal.textContent = "";
    let wrong;
    try {
      const answer = await fetch(form.dataset.json, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...csrf },
        body: JSON.stringify(content),
      });
      wrong = answer.ok ? "" : problemOf(await answer.text());
    } catch {
      wrong = problemOf("");
    }
    if (wrong) {
      if (refusal) refusal.textContent = wrong;
      else told(wrong, true);
    } else if (form.dataset.then) {
      location.assign(form.dataset.then.replace("NAME", encodeURIComponent(content.name)));
    } else {
      told(form.dataset.said, false);
      htmx.trigger(document.body, "changed");
    }
  });

  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const chosen = { images: [], masks: [] };
  const part = (name) => form.querySelector(`[data-drop=${name}]`);
  const refusal = form.querySelector(".refusal");
  const sending = form.querySelector(".sending");
  const button = form.querySelector("[type=submit]");

  const inMiB = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const sum = (files) => files.reduce((bytes, one) => bytes + one.file.size, 0);

  function show(name) {
    const output = part(name).querySelector("output");
    const files = chosen[name];
    output.classList.toggle("chosen", files.length > 0);
    output.textContent = files.length
      ? `${files.length.toLocaleString("en")} file${files.length === 1 ? "" : "s"}, ${inMiB(sum(files))}`
      : "Nothing chosen yet";
  }

  // What is in a dropped folder, named from there on, and in those below it; a browser tells of a hundred at a time.
  async function inside(entry) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      const [, first, ...rest] = entry.fullPath.split("/");
      return [{ file, name: rest.join("/") || first }];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!portion.length) return found;
      for (const one of portion) found.push(...await inside(one));
    }
  }

  for (const name of ["images", "masks"]) {
    const place = part(name);
    const input = place.querySelector("input");
    input.addEventListener("change", () => {
      chosen[name] = [...input.files].map((file) => ({ file, name: file.name }));
      show(name);
    });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      place.addEventListener(kind, (event) => {
        event.preventDefault();
        place.classList.toggle("over", kind === "dragover");
      });
    }
    place.addEventListener("drop", async (event) => {
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
      for (const entry of entries) chosen[name].push(...await inside(entry));
      show(name);
    });
  }

  function fit() {
    part("masks").hidden = form.querySelector("[name=split]:checked").value === "unlabelled";
  }
  form.addEventListener("change", fit);
  fit();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    refusal.textContent = "";
    const names = part("masks").hidden ? ["images"] : ["images", "masks"];
    const files = names.flatMap((field) => chosen[field].map((one) => ({ field, ...one })));
    if (!chosen.images.length) { refusal.textContent = "Choose slices first."; return; }
    if (sum(files) > Number(form.dataset.most)) {
      refusal.textContent = `These are ${inMiB(sum(files))}: send them in portions.`;
      return;
    }
    const body = new FormData();
    for (const { field, file, name } of files) body.append(field, file, name);
    send(body);
  });

  function send(body) {
    const request = new XMLHttpRequest();
    const progress = sending.querySelector("progress");
    const sent = sending.querySelector("[data-sent]");
    sending.querySelector("[data-stop]").onclick = () => request.abort();
    const split = form.querySelector("[name=split]:checked").value;
    request.open("POST", `${form.dataset.upload}?split=${split}`);
    for (const [name, value] of Object.entries(csrf)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => {
      progress.max = total;
      progress.value = loaded;
      sent.textContent = loaded < total ? `${inMiB(loaded)} of ${inMiB(total)}` : "Sent: it is being looked through";
    };
    request.onloadend = () => {
      sending.hidden = true;
      button.disabled = false;
      if (request.status === 202) {
        form.reset();
        for (const name of ["images", "masks"]) { chosen[name] = []; show(name); }
        fit();
        told("It has come, and is being taken in.", false);
        htmx.trigger(document.body, "changed");
      } else {
        refusal.textContent = request.status ? problemOf(request.responseText) : "It did not come through, or was stopped. Nothing was taken in.";
      }
    };
    sending.hidden = false;
    button.disabled = true;
    request.send(body);
  }
})();
