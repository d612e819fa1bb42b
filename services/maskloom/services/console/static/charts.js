// Charts in the page's colours, drawn by Plotly, each with a table of its figures for who cannot see it.

// Plotly is large: it comes by itself, so that the rest of the page can be used before.
export const ready = window.Plotly ? Promise.resolve()
  : new Promise((done) => { document.getElementById("plotly").addEventListener("load", done); });

const drawn = new Map();

const LAYOUT = {
  margin: { l: 46, r: 10, t: 10, b: 38 },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  hovermode: "x unified",
  dragmode: false,
  showlegend: true,
  legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
  bargap: 0.08,
};
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(given) {
  return {
    gridcolor: colour("line"),
    linecolor: colour("line"),
    tickcolor: "rgba(0,0,0,0)",
    zeroline: false,
    fixedrange: true,
    automargin: true,
    ...given,
  };
}

// `make` gives {traces, layout} anew in the colours of the moment; the chart changes in place.
export function draw(place, make) {
  drawn.set(place, make);
  const { traces, layout } = make();
  const font = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif", size: 12, color: colour("soft") };
  Plotly.react(place, traces, {
    ...LAYOUT,
    ...layout,
    font,
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { ...font, color: colour("ink") } },
    xaxis: axis({ showgrid: false, ...layout.xaxis }),
    yaxis: axis(layout.yaxis),
  }, CONFIG);
}

document.addEventListener("theme", () => drawn.forEach((make, place) => draw(place, make)));

// A table that has these rows, where it has others; rows are lists of texts, the first of which names the row.
export function tabulate(table, headings, rows) {
  const told = JSON.stringify([headings, rows]);
  if (table.dataset.told === told) return;
  table.dataset.told = told;
  const row = (cells, tag, scope) => {
    const made = document.createElement("tr");
    cells.forEach((text, place) => {
      const cell = document.createElement(place ? tag : "th");
      if (cell.tagName === "TH") cell.scope = scope;
      if (place) cell.className = "number";
      cell.textContent = text;
      made.append(cell);
    });
    return made;
  };
  const head = document.createElement("thead"), body = document.createElement("tbody");
  head.append(row(headings, "th", "col"));
  body.append(...rows.map((cells) => row(cells, "td", "row")));
  table.replaceChildren(head, body);
}

export const figure = (value, digits = 3) => (value === null || value === undefined ? "-" : value.toFixed(digits));
export const whole = (value) => (value === null || value === undefined ? "-" : value.toLocaleString("en"));

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds), two = (number) => String(number).padStart(2, "0");
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)}:${two(all % 60)} min`;
  return `${Math.floor(all / 3600)}:${two(Math.floor((all % 3600) / 60))} h`;
}

// A list of the API that grows at its end: `grow` asks for what is new alone, and for the portion that was not full.
export class Growing {
  constructor(path) {
    this.path = path;
    this.items = [];
    this.sure = 0;
    this.cursor = "";
  }

  async grow() {
    for (;;) {
      const page = await ask(`${this.path}${this.path.includes("?") ? "&" : "?"}limit=200&cursor=${this.cursor}`);
      this.items.splice(this.sure, Infinity, ...page.items);
      if (!page.next) return this.items;
      this.sure = this.items.length;
      this.cursor = page.next;
    }
  }
}

export async function ask(path) {
  const answer = await fetch(path);
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// How many points of each of so many trainings make a curve that is fine enough, and no finer.
export const pointsEach = (trainings) => Math.min(100, Math.max(2, Math.ceil(3000 / (trainings + 3))));

// Curves of trainings as lines that break between them: [x, y] of `column` (1 loss, 2 Dice) of those that are `wanted`.
export function line(trainings, column, wanted = () => true) {
  const x = [], y = [];
  for (const one of trainings) {
    if (!wanted(one)) continue;
    for (const point of one.points) {
      x.push(point[0]);
      y.push(point[column]);
    }
    x.push(null);
    y.push(null);
  }
  return { x, y };
}
