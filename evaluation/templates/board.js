const data = JSON.parse(document.getElementById("data").textContent);
const filters = document.getElementById("filters");
const digits = (value, decimals) => value === null ? "–" : value.toFixed(decimals).replace("-", "−");

// What the filters leave: a domain, and the places of the points.
function chosen() {
  const hidden = new Set([...document.querySelectorAll("[data-system]")].filter((box) => !box.checked).map((box) => box.dataset.system));
  const from = parseFloat(filters.from.value), to = parseFloat(filters.to.value);
  const inside = (kbps) => !(kbps < from) && !(kbps > to);
  const points = data.points.map((_, i) => i).filter((i) => !hidden.has(data.points[i].system) && inside(data.points[i].kbps ?? NaN));
  return {domain: filters.domain?.value ?? Object.keys(data.numbers)[0], points, inside, outside: filters.outside?.checked};
}

function element(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return found;
}

function plot(metric, {domain, points, inside, outside}) {
  const numbers = data.numbers[domain]?.[metric.name] ?? [];
  const rate = (i) => numbers[i][5];  // of the recordings with a score
  const isLevel = (i) => data.points[i].control || !rate(i);
  const shown = points.filter((i) => numbers[i] && data.points[i].system !== "identity");
  const curves = shown.filter((i) => !isLevel(i)), levels = shown.filter(isLevel);
  const others = outside ? data.published.filter((one) => one.metric === metric.name && inside(one.kbps)) : [];
  const rates = [...curves.map((i) => rate(i)), ...others.map((one) => one.kbps)];
  const ends = [...[...curves, ...levels].flatMap((i) => numbers[i].slice(0, 3)), ...others.map((one) => one.value)].filter((v) => v !== null);
  if (!rates.length) return null;
  const pad = (low, high, share, least) => { const space = Math.max((high - low) * share, least); return [low - space, high + space]; };
  const [left, right] = pad(Math.log2(Math.min(...rates)), Math.log2(Math.max(...rates)), .05, .2);
  const [bottom, top] = pad(Math.min(...ends), Math.max(...ends), .06, 1e-6);
  const x = (kbps) => 44 + (Math.log2(kbps) - left) / (right - left) * 306;
  const y = (score) => 214 - (score - bottom) / (top - bottom) * 184;
  const better = metric.higher ? "↑ better" : "↓ better";
  const name = `${metric.title}${metric.unit ? ", " + metric.unit : ""}`;
  const said = [...curves, ...levels].map((i) => `${data.points[i].label} ${digits(numbers[i][0], metric.decimals)}${isLevel(i) ? "" : ` at ${digits(rate(i), 2)} kbps`}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 360 246");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name} over kbps, ${better}. ${said.join("; ")}`);
  element("text", {x: 44, y: 17, class: "title"}, svg, `${name}   ${better}`);
  for (const tick of ticks(bottom, top, 5)) {
    element("line", {x1: 44, x2: 350, y1: y(tick), y2: y(tick), class: "grid"}, svg);
    element("text", {x: 39, y: y(tick) + 4, "text-anchor": "end"}, svg, String(parseFloat(tick.toPrecision(6))).replace("-", "−"));
  }
  for (let n = Math.ceil(left); n <= right; n++) {
    element("line", {x1: x(2 ** n), x2: x(2 ** n), y1: 30, y2: 214, class: "grid"}, svg);
    element("text", {x: x(2 ** n), y: 228, "text-anchor": "middle"}, svg, 2 ** n);
  }
  element("line", {x1: 44, x2: 350, y1: 214, y2: 214, class: "axis"}, svg);
  element("text", {x: 197, y: 243, "text-anchor": "middle"}, svg, "kbps");
  for (const i of levels) {
    const line = element("line", {x1: 44, x2: 350, y1: y(numbers[i][0]), y2: y(numbers[i][0]), stroke: data.points[i].colour, "stroke-dasharray": "4 3"}, svg);
    element("title", {}, line, `${data.points[i].label}: ${digits(numbers[i][0], metric.decimals)}`);
  }
  const byRate = (i, j) => rate(i) - rate(j);
  for (const system of new Set(curves.map((i) => data.points[i].system))) {
    const own = curves.filter((i) => data.points[i].system === system).sort(byRate);
    const colour = data.points[own[0]].colour, at = (i, end) => `${x(rate(i))},${y(numbers[i][end] ?? numbers[i][0])}`;
    if (own.length > 1) {
      element("polygon", {points: [...own.map((i) => at(i, 1)), ...[...own].reverse().map((i) => at(i, 2))].join(" "), fill: colour, "fill-opacity": .15}, svg);
      element("polyline", {points: own.map((i) => at(i, 0)).join(" "), fill: "none", stroke: colour, "stroke-width": 1.8}, svg);
    }
  }
  const front = curves.filter((i) => numbers[i][4]).sort(byRate);
  if (front.length > 1) element("polyline", {points: front.map((i) => `${x(rate(i))},${y(numbers[i][0])}`).join(" "), class: "frontline"}, svg);
  for (const i of curves) {
    const {label, colour} = data.points[i], [mean, low, high, n, onFront, kbps] = numbers[i];
    const dot = element("circle", {cx: x(kbps), cy: y(mean), r: onFront ? 4.5 : 3, fill: onFront ? colour : "var(--paper)", stroke: colour, "stroke-width": 1.5}, svg);
    const interval = low === null ? "" : ` (${digits(low, metric.decimals)} to ${digits(high, metric.decimals)})`;
    element("title", {}, dot, `${label}, ${digits(kbps, 2)} kbps: ${digits(mean, metric.decimals)}${interval}, n = ${n}${onFront ? ", on the Pareto front" : ""}`);
  }
  for (const one of others) {
    const [cx, cy] = [x(one.kbps), y(one.value)];
    const mark = element("polygon", {points: `${cx},${cy - 4.5} ${cx + 4.5},${cy} ${cx},${cy + 4.5} ${cx - 4.5},${cy}`, class: "outside"}, svg);
    element("title", {}, mark, `${one.label}: ${one.value} at ${one.kbps} kbps (other data, other tools)`);
  }
  const figure = document.createElement("figure");
  figure.append(svg);
  return figure;
}

function fillTables({domain, points}) {
  const seen = new Set(points);
  const most = Object.fromEntries(data.metrics.map(({name}) => [name, Math.max(...(data.numbers[domain]?.[name] ?? []).map((found) => found?.[3] ?? 0))]));
  for (const row of document.querySelectorAll("tr[data-point]")) {
    let known = false;
    const rates = [];
    for (const cell of row.querySelectorAll("td[data-metric]")) {
      const metric = data.metrics.find((one) => one.name === cell.dataset.metric);
      const found = data.numbers[domain]?.[metric.name]?.[row.dataset.point];
      cell.textContent = found ? (found[4] ? "● " : "") + digits(found[0], metric.decimals) : "–";
      cell.dataset.v = found ? found[0] : "";
      known ||= Boolean(found);
      if (found && found[5] !== null) rates.push(found[5]);
      if (found && found[1] !== null) {
        const small = document.createElement("small");
        small.textContent = `${digits(found[1], metric.decimals)} … ${digits(found[2], metric.decimals)}`;
        cell.append(small);
      }
      if (found && found[3] < most[metric.name]) {
        const small = document.createElement("small");
        small.className = "bad";
        small.textContent = `n = ${found[3]}`;
        cell.append(small);
      }
    }
    if (rates.length) {
      const cell = row.querySelector("td[data-rate]"), [least, most] = [Math.min(...rates), Math.max(...rates)].map((kbps) => digits(kbps, 2));
      cell.textContent = least === most ? least : `${least} … ${most}`;
      cell.dataset.v = rates[0];
    }
    row.hidden = !known || !seen.has(Number(row.dataset.point));
  }
}

function fillMatrix({domain, points}) {
  const metric = data.metrics.find((one) => one.name === document.getElementById("metric").value);
  const tests = data.pairs[domain]?.[metric.name] ?? [], sign = metric.higher ? 1 : -1;
  const inTests = new Set(tests.flatMap(([i, j]) => [i, j]));
  const rows = points.filter((i) => inTests.has(i));
  const cells = new Map();
  for (const [i, j, difference, p, holm, n] of tests) {
    cells.set(`${i} ${j}`, [difference, holm, n]);
    cells.set(`${j} ${i}`, [-difference, holm, n]);
  }
  const table = document.getElementById("matrix");
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"));
  for (const j of rows) {
    const cell = document.createElement("th");
    cell.textContent = data.points[j].label;
    head.append(cell);
  }
  const body = table.createTBody(), wins = new Map();
  for (const i of rows) {
    const row = body.insertRow(), label = document.createElement("th");
    label.scope = "row";
    label.textContent = data.points[i].label;
    row.append(label);
    for (const j of rows) {
      const cell = row.insertCell(), found = cells.get(`${i} ${j}`);
      if (!found) continue;
      const [difference, holm, n] = found;
      const up = difference * sign > 0, clear = holm !== null && holm < data.significant;
      cell.textContent = clear ? (up ? "▲" : "▼") : "·";
      cell.className = clear ? (up ? "up" : "down") : "";
      cell.title = `${data.points[i].label} − ${data.points[j].label}: ${digits(difference, metric.decimals)}, p = ${holm === null ? "–" : holm.toPrecision(2)} (Holm), ${n} pairs`;
      if (clear && up) wins.set(i, [...(wins.get(i) ?? []), data.points[j].label]);
    }
  }
  const least = Math.min(...tests.map((test) => test[3] ?? 1));
  document.getElementById("verdict").textContent = !tests.length ? "There are no two codecs to compare."
    : wins.size ? [...wins].map(([i, worse]) => `${data.points[i].label} is significantly better than ${worse.join(", ")}.`).join(" ")
    : `No significant difference among ${tests.length} pairs; the smallest p before correction is ${least.toPrecision(2)}. More recordings, or fewer pairs, would tell more.`;
}

function show() {
  const now = chosen();
  document.getElementById("plots").replaceChildren(...data.metrics.map((metric) => plot(metric, now)).filter(Boolean));
  fillTables(now);
  fillMatrix(now);
  document.getElementById("shown").textContent = `${now.points.length} of ${data.points.length} operating points`;
}

document.addEventListener("input", show);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => {
  document.querySelectorAll("[data-system]").forEach((box) => { box.checked = true; });
  setTimeout(show);
});
// One sheet at a time; Escape closes it.
const sheets = [...document.querySelectorAll("details.from")];
sheets.forEach((sheet) => sheet.addEventListener("toggle", () => {
  if (sheet.open) sheets.filter((other) => other !== sheet).forEach((other) => { other.open = false; });
}));
addEventListener("keydown", (event) => { if (event.key === "Escape") sheets.forEach((sheet) => { sheet.open = false; }); });
show();
