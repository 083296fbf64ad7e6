// Charts over time as small drawings of our own: stacked areas or lines, an axis on either side, a legend that tells the values at
// the pointer, and the same numbers as a table for those who do not see the drawing. Sizes are attributes: the page's policy
// allows no inline styles, and colours come from css/charts.css.

import { fill, h, newId, svg } from "../dom.js";
import { clock, t } from "./i18n.js";

const HEIGHT = 170;
const LEFT = 46;
const BOTTOM = 20;
const TOP = 8;
/** Below this span of time the axis has seconds. */
const SHORT = 600_000;
/** Rows of the table: every so many points, so that it stays readable. */
const ROWS = 12;

/** A round number at or above the value, for the top of the axis; half of it is written, too. */
function roof(value, whole) {
  if (whole && value <= 2) return 2;
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * 0.999);
}

/** Runs of neighbouring points that have a value, as [x, y] pairs: a gap stays a gap. */
function runs(points) {
  const all = [[]];
  for (const point of points) {
    if (point[1] === null) all.push([]);
    else all.at(-1).push(point);
  }
  return all.filter((run) => run.length);
}

const at = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/**
 * chart({title, describe, format, stacked}): `show(times, series)` draws; series: [{key, label, tone, values}], a value of null is
 * a gap. `whole`: values are counts. `tone` names a colour of css/charts.css. `describe(times, series)` says in a sentence what the drawing shows.
 */
export function chart({ title, describe, format, stacked = false, whole = false }) {
  const ids = { title: newId("chart"), text: newId("chart") };
  const heading = svg("title", { id: ids.title });
  const text = svg("desc", { id: ids.text });
  const ink = svg("g", {});
  const mark = svg("line", { class: "pointer", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const drawing = svg("svg", { class: "chart", role: "img", "aria-labelledby": `${ids.title} ${ids.text}` }, heading, text, ink, mark);
  const legend = h("ul", { class: "legend" });
  const empty = h("p", { class: "nothing" });
  const table = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title });
  const numbers = h("details", { class: "numbers" }, h("summary", {}, t("chart.table")), table);
  const element = h("figure", { class: "panel figure-panel" }, h("figcaption", {}, title), legend, drawing, empty, numbers);
  heading.textContent = title;
  let known = { times: [], series: [] };
  // As wide as its place: a scaled drawing would scale its letters.
  let width = 560;
  let told = "";

  /** The legend: the newest values, or those under the pointer. */
  function tell(index = known.times.length - 1) {
    const entries = known.series.map(({ label, tone, values }) => ({ label, tone, value: values[index] ?? null }));
    const now = JSON.stringify([entries, index === known.times.length - 1 ? "" : index]);
    if (now === told) return;
    told = now;
    fill(legend, entries.map((each) => h("li", {}, h("span", { class: `swatch tone-${each.tone}`, "aria-hidden": "true" }), each.label, " ", h("strong", {}, each.value === null ? "–" : format(each.value)))),
      index < known.times.length - 1 && h("li", { class: "soft" }, clock(known.times[index], true)));
  }

  function fillTable() {
    if (!numbers.open) return;
    const { times, series } = known;
    const step = Math.max(1, Math.ceil(times.length / ROWS));
    const rows = times.map((_, index) => index).filter((index) => (times.length - 1 - index) % step === 0).reverse();
    fill(table, h("table", { class: "figures" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("chart.time")), series.map((each) => h("th", { scope: "col" }, each.label)))),
      h("tbody", {}, rows.map((index) => h("tr", {}, h("th", { scope: "row" }, clock(times[index], true)), series.map(({ values }) => h("td", {}, values[index] === null ? "–" : format(values[index]))))))));
  }

  numbers.addEventListener("toggle", fillTable);

  const x = (time) => {
    const { times } = known;
    const [first, last] = [times[0].getTime(), times.at(-1).getTime()];
    return last === first ? width : LEFT + ((time - first) / (last - first)) * (width - LEFT);
  };

  drawing.addEventListener("pointermove", (event) => {
    const { times } = known;
    if (!times.length) return;
    const box = drawing.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * width;
    let nearest = 0;
    times.forEach((time, index) => { if (Math.abs(x(time) - wanted) < Math.abs(x(times[nearest]) - wanted)) nearest = index; });
    for (const end of ["x1", "x2"]) mark.setAttribute(end, x(times[nearest]));
    mark.setAttribute("visibility", "visible");
    tell(nearest);
  });
  drawing.addEventListener("pointerleave", () => {
    mark.setAttribute("visibility", "hidden");
    tell();
  });

  function draw() {
    const { times, series } = known;
    const sums = stacked ? times.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0)) : series.flatMap(({ values }) => values.filter((each) => each !== null));
    const top = roof(sums.reduce((most, each) => Math.max(most, each), 0), whole);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    const shapes = [];
    for (const part of [0, 0.5, 1]) {
      shapes.push(svg("line", { class: "grid", x1: LEFT, x2: width, y1: y(top * part), y2: y(top * part) }),
        svg("text", { class: "tick", x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, format(top * part)));
    }
    for (const part of [0, 0.5, 1]) {
      const time = new Date(times[0].getTime() + (times.at(-1) - times[0]) * part);
      shapes.push(svg("text", { class: "tick", x: LEFT + (width - LEFT) * part, y: HEIGHT - 5, "text-anchor": ["start", "middle", "end"][part * 2] }, clock(time, times.at(-1) - times[0] < SHORT)));
    }
    const base = times.map(() => 0);
    for (const { tone, values } of series) {
      if (stacked) {
        const low = times.map((time, index) => [x(time), y(base[index])]);
        values.forEach((value, index) => { base[index] += value ?? 0; });
        const high = times.map((time, index) => [x(time), y(base[index])]);
        if (values.some((value) => value > 0)) shapes.push(svg("path", { class: `area tone-${tone}`, d: `M${high.map(at).join("L")}L${low.reverse().map(at).join("L")}Z` }));
      } else {
        for (const run of runs(times.map((time, index) => [x(time), values[index] === null ? null : y(values[index])]))) {
          shapes.push(run.length > 1 ? svg("path", { class: `line tone-${tone}`, d: `M${run.map(at).join("L")}` }) : svg("circle", { class: `dot tone-${tone}`, cx: run[0][0], cy: run[0][1], r: 2.5 }));
        }
      }
    }
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    ink.replaceChildren(...shapes);
  }

  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.round(contentRect.width) === width) return;
    width = Math.round(contentRect.width);
    if (known.times.length > 1 && known.series.length) draw();
  }).observe(drawing);

  return {
    element,
    show(times, series, nothing = "") {
      known = { times, series };
      const blank = times.length < 2 || !series.length;
      for (const each of [drawing, legend, numbers]) each.toggleAttribute("hidden", blank);
      empty.hidden = !blank;
      if (blank) {
        if (empty.textContent !== nothing) fill(empty, nothing);
        return;
      }
      text.textContent = describe(times, series);
      draw();
      if (mark.getAttribute("visibility") === "hidden") tell();
      fillTable();
    },
  };
}
