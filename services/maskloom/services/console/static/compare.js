// Two runs beside each other: their curves over each other, and the slices on which their masks differ.
import { Growing, colour, draw, figure, line, pointsEach, ready, tabulate } from "./charts.js";

const pair = document.getElementById("pair");
const sides = ["a", "b"];
const find = (selector) => document.querySelector(selector);

async function curves() {
  const points = pointsEach(Number(pair.dataset.rounds));
  const lists = await Promise.all(sides.map((side) => new Growing(`/api/v1/runs/${pair.dataset[side]}/curves?points=${points}`).grow()));
  await ready;
  for (const [name, column, yaxis] of [["loss", 1, { rangemode: "tozero" }], ["dice", 2, { range: [0, 1] }]]) {
    draw(pair.querySelector(`[data-chart=${name}]`), () => ({
      traces: lists.map((list, number) => ({
        ...line(list, column), name: sides[number].toUpperCase(), mode: "lines", connectgaps: false,
        line: { color: colour(`${sides[number]}-line`), width: 1.8 }, hovertemplate: "%{y:.3f}",
      })),
      layout: { yaxis, xaxis: { title: { text: "optimiser step" }, rangemode: "tozero" } },
    }));
    const last = (list, number) => figure(list[number]?.points.at(-1)?.[column]);
    const longer = lists[0].length >= lists[1].length ? lists[0] : lists[1];
    tabulate(pair.querySelector(`[data-table=${name}]`), ["Training", "A", "B"],
      longer.map((one, number) => [one.stage, last(lists[0], number), last(lists[1], number)]));
  }
}

curves();

// --- the gallery

const opacity = find("[data-opacity]");
const outline = find("[data-outline]");
const box = (side) => find(`[data-side=${side}]`);

function show() {
  for (const side of sides) {
    for (const layer of document.querySelectorAll(`.layer.${side}`)) layer.style.opacity = box(side).checked ? opacity.value / 100 : 0;
  }
}

function redraw() {
  for (const layer of document.querySelectorAll(".layer")) layer.src = layer.dataset.mask + (outline.checked ? "&style=outline" : "");
}

function toggle(input) {
  input.checked = !input.checked;
  input.dispatchEvent(new Event("change"));
}

function bothOff() {
  const on = sides.some((side) => box(side).checked);
  for (const side of sides) box(side).checked = !on;
  show();
}

function step(by) {
  const cards = [...document.querySelectorAll(".differences a")];
  const here = cards.indexOf(document.activeElement);
  cards[here < 0 ? 0 : Math.max(0, Math.min(cards.length - 1, here + by))].focus();
}

const KEYS = {
  a: () => toggle(box("a")),
  b: () => toggle(box("b")),
  o: bothOff,
  s: () => toggle(outline),
  "+": () => { opacity.value = Number(opacity.value) + 10; show(); },
  "-": () => { opacity.value = Number(opacity.value) - 10; show(); },
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
};

if (opacity) {
  opacity.addEventListener("input", show);
  outline.addEventListener("change", redraw);
  for (const side of sides) box(side).addEventListener("change", show);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
