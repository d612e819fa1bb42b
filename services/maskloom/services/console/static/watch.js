// The page of a run: its rounds as a strip, and charts that grow while it goes on.
import { Growing, ask, colour, draw, duration, figure, line, pointsEach, ready, tabulate, whole } from "./charts.js";

const MOST_COLUMNS = 240;
const PARTS = ["label", "gate", "review", "train"];
const page = document.getElementById("watch");
const base = `/api/v1/runs/${page.dataset.run}`;
const planned = Number(page.dataset.rounds);
const rounds = new Growing(`${base}/rounds`);
const trainings = new Growing(`${base}/curves?points=${pointsEach(planned)}`);
let gates = null;
let live = [];
let seen = null;
let asking = false;

const now = () => document.getElementById("now").dataset;
const place = (name) => page.querySelector(`[data-chart=${name}]`);
const table = (name) => page.querySelector(`[data-table=${name}]`);
const of = (seconds) => Object.values(seconds).reduce((sum, one) => sum + one, 0);
const onExperts = (one) => one.stage === "supervised" || one.stage === "final";

// --- the strip of rounds

const strip = document.getElementById("strip");
const told = document.getElementById("told");
let columns = [];
let chosen = null;

// Rounds that are drawn as one column where there are too many for one each.
function groups() {
  const count = Math.max(planned, rounds.items.at(-1)?.number ?? 0);
  const each = Math.ceil(count / MOST_COLUMNS);
  return Array.from({ length: Math.ceil(count / each) || 0 }, (_, number) => ({
    first: number * each + 1,
    last: Math.min(count, (number + 1) * each),
    rounds: rounds.items.slice(number * each, (number + 1) * each),
  }));
}

const sum = (group, name) => group.rounds.reduce((all, one) => all + (one[name] ?? 0), 0);
const title = (group) => (group.first === group.last ? `Round ${group.first}` : `Rounds ${group.first} to ${group.last}`);

function secondsOf(group) {
  const seconds = {};
  for (const one of group.rounds) for (const [part, took] of Object.entries(one.seconds)) seconds[part] = (seconds[part] ?? 0) + took;
  return seconds;
}

function figuresOf(group) {
  const seconds = secondsOf(group), last = group.rounds.at(-1), verdicts = {};
  for (const one of group.rounds) for (const [kind, number] of Object.entries(one.verdicts)) verdicts[kind] = (verdicts[kind] ?? 0) + number;
  return [
    ["labelled", whole(sum(group, "labels"))],
    ["kept", whole(sum(group, "kept"))],
    ["refused", whole(sum(group, "refused"))],
    ...Object.entries(verdicts).map(([kind, number]) => [kind, whole(number)]),
    ["trained on", whole(last.slices)],
    ["loss", figure(last.loss)],
    ["Dice", figure(last.dice)],
    ["time", duration(of(seconds))],
    ...PARTS.filter((part) => seconds[part] !== undefined).map((part) => [part, duration(seconds[part])]),
    ["network", last.checkpoint ? last.checkpoint.slice(0, 12) : "-"],
  ];
}

function tell(group) {
  const list = document.createElement("dl");
  list.className = "round";
  for (const [name, value] of group.rounds.length ? figuresOf(group) : [["", "still to come"]]) {
    const pair = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    if (PARTS.includes(name)) dt.className = `part ${name}`;
    dt.textContent = name;
    dd.textContent = value;
    pair.append(dt, dd);
    list.append(pair);
  }
  const heading = document.createElement("strong");
  heading.textContent = title(group);
  told.replaceChildren(heading, list);
}

function choose(number, focus) {
  if (!columns.length) return;
  chosen = Math.max(0, Math.min(columns.length - 1, number));
  columns.forEach((column, place) => {
    column.tabIndex = place === chosen ? 0 : -1;
    column.setAttribute("aria-selected", String(place === chosen));
  });
  tell(groups()[chosen]);
  if (focus) columns[chosen].focus();
}

function fill(column, group) {
  const seconds = secondsOf(group), all = of(seconds), open = group.rounds.at(-1) && !group.rounds.at(-1).checkpoint;
  column.className = `column${group.rounds.length ? "" : " coming"}${open ? " open" : ""}`;
  column.setAttribute("aria-label", group.rounds.length
    ? `${title(group)}: ${figuresOf(group).map((pair) => pair.join(" ")).join(", ")}` : `${title(group)}, still to come`);
  PARTS.forEach((part, number) => { column.children[number].style.flexGrow = all ? (seconds[part] ?? 0) / all : 0; });
}

function drawStrip() {
  const every = groups();
  const newest = every.findLastIndex((group) => group.rounds.length);
  const following = chosen === null || (chosen === columns.newest && !strip.contains(document.activeElement));
  while (columns.length < every.length) {
    const column = document.createElement("div"), number = columns.length;
    column.setAttribute("role", "option");
    column.append(...PARTS.map((part) => Object.assign(document.createElement("i"), { className: `part ${part}` })));
    column.addEventListener("mouseenter", () => tell(groups()[number]));
    column.addEventListener("click", () => choose(number, true));
    columns.push(column);
    strip.append(column);
  }
  every.forEach((group, number) => fill(columns[number], group));
  columns.newest = newest;
  if (newest >= 0) choose(following ? newest : chosen, false);
}

strip.addEventListener("mouseleave", () => chosen !== null && tell(groups()[chosen]));
strip.addEventListener("keydown", (event) => {
  const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: columns.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(to, true);
});

// --- charts

function shaded() {
  return trainings.items.length > 24 ? [] : trainings.items.filter((_, number) => number % 2).map((one) => ({
    type: "rect", layer: "below", xref: "x", yref: "paper", y0: 0, y1: 1, line: { width: 0 },
    x0: one.start, x1: one.start + one.steps, fillcolor: colour("raised"), opacity: 0.6,
  }));
}

function curve(column, yaxis) {
  const lines = [["on experts' masks", onExperts, "fill-label"], ["with pseudo labels", (one) => !onExperts(one), "fill-train"]];
  const traces = lines.map(([name, wanted, shade]) => ({
    ...line(trainings.items, column, wanted), name, mode: "lines", connectgaps: false,
    line: { color: colour(shade), width: 1.8 }, hovertemplate: "%{y:.3f}",
  })).filter((trace) => trace.x.length);
  if (live.length) {
    traces.push({
      x: live.map((point) => point[0]), y: live.map((point) => point[column]), name: "now", mode: "lines+markers",
      line: { color: colour("good"), width: 1.8 }, marker: { size: live.map((_, number) => (number === live.length - 1 ? 7 : 0)) },
      hovertemplate: "%{y:.3f}",
    });
  }
  return { traces, layout: { shapes: shaded(), yaxis, xaxis: { title: { text: "optimiser step" }, rangemode: "tozero" } } };
}

function throughput() {
  const labelled = rounds.items.filter((one) => one.labels && one.seconds.label > 0);
  const name = (one) => one.stage, x = trainings.items.map(name);
  return {
    traces: [
      { type: "bar", name: "training, images/s", x, y: trainings.items.map((one) => one.images_per_s),
        marker: { color: trainings.items.map((one) => colour(onExperts(one) ? "fill-label" : "fill-train")) }, hovertemplate: "%{y:.1f}" },
      { mode: "lines+markers", name: "labelling, slices/s", x: labelled.map((one) => `round ${one.number}`),
        y: labelled.map((one) => one.labels / one.seconds.label), line: { color: colour("fill-gate"), width: 1.8 }, hovertemplate: "%{y:.1f}" },
    ],
    layout: { xaxis: { type: "category", categoryorder: "array", categoryarray: x, nticks: 8 }, yaxis: { rangemode: "tozero" } },
  };
}

function scores() {
  const middle = gates.kept.map((_, bar) => (gates.edges[bar] + gates.edges[bar + 1]) / 2);
  const width = gates.kept.map((_, bar) => gates.edges[bar + 1] - gates.edges[bar]);
  const bars = (name, y, shade) => ({ type: "bar", name, x: middle, y, width, marker: { color: colour(shade) }, hovertemplate: "%{y:,}" });
  const limit = gates.limit === null ? [] : [{
    type: "line", xref: "x", yref: "paper", x0: gates.limit, x1: gates.limit, y0: 0, y1: 1,
    line: { color: colour("ink"), width: 1, dash: "dash" },
    label: { text: "limit", textposition: "end", textangle: 0, xanchor: "left", font: { color: colour("soft"), size: 11 } },
  }];
  return {
    traces: [bars("kept", gates.kept, "fill-train"), bars("refused", gates.refused, "fill-refused")],
    layout: {
      barmode: "stack", shapes: limit, yaxis: { rangemode: "tozero" },
      xaxis: { title: { text: gates.score === "area" ? "share of the slice that is lesion" : "uncertainty, 0 sure to 1 unsure" }, tickformat: gates.score === "area" ? ".0%" : "" },
    },
  };
}

function drawCharts() {
  const some = trainings.items.length + live.length > 0;
  page.querySelector("#charts").hidden = !some;
  page.querySelector("#rounds").hidden = planned === 0;
  page.querySelector("[data-figure=gates]").hidden = planned === 0;
  if (!some) return;
  draw(place("loss"), () => curve(1, { rangemode: "tozero" }));
  draw(place("dice"), () => curve(2, { range: [0, 1] }));
  draw(place("throughput"), throughput);
  if (planned) draw(place("gates"), scores);
  const stages = trainings.items.map((one) => [one.stage, ...[1, 2].map((column) => figure(one.points.at(-1)?.[column]))]);
  tabulate(table("loss"), ["Training", "Loss at its end"], stages.map(([stage, loss]) => [stage, loss]));
  tabulate(table("dice"), ["Training", "Dice at its end"], stages.map(([stage, , dice]) => [stage, dice]));
  tabulate(table("throughput"), ["Training", "Images/s", "Slices", "Steps", "Time"], trainings.items.map((one) => [
    one.stage, figure(one.images_per_s, 1), whole(one.slices), whole(one.steps), duration(one.seconds)]));
  tabulate(table("rounds"), ["Round", "Labelled", "Kept", "Refused", "Corrected", "Loss", "Dice", "Time"], rounds.items.map((one) => [
    String(one.number), whole(one.labels), whole(one.kept), whole(one.refused), whole(one.verdicts.corrected ?? 0),
    figure(one.loss), figure(one.dice), duration(of(one.seconds))]));
  if (planned) {
    tabulate(table("gates"), [gates.score === "area" ? "Area" : "Uncertainty", "Kept", "Refused"], gates.kept.map((kept, bar) => [
      `${figure(gates.edges[bar])} to ${figure(gates.edges[bar + 1])}`, whole(kept), whole(gates.refused[bar])]));
  }
}

// --- what is new: the part of the page that htmx brings says how many steps there are, and what the run is doing

function follow() {
  const doing = JSON.parse(now().doing);
  if (doing?.kind !== "train" || doing.loss === null || doing.loss === undefined) {
    live = [];
    return;
  }
  const last = trainings.items.at(-1), step = (last ? last.start + last.steps : 0) + doing.done;
  if (live.length && live.at(-1)[0] >= step) return;
  live.push([step, doing.loss, doing.dice]);
}

async function look() {
  if (asking) return;
  asking = true;
  try {
    if (now().steps !== seen) {
      const steps = now().steps;
      [gates] = await Promise.all([planned ? ask(`${base}/gates`) : null, rounds.grow(), trainings.grow()]);
      seen = steps;
      live = [];
      drawStrip();
    }
    follow();
    await ready;
    drawCharts();
  } finally {
    asking = false;
  }
}

document.body.addEventListener("htmx:afterSwap", look);
look();
