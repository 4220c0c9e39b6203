// Puts the page's numbers into plotly's charts; all drawing is plotly's.
"use strict";
(() => {
  const read = id => JSON.parse(document.getElementById(id).textContent);
  const CONFIG = {responsive: true, displaylogo: false,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]]};
  const FONT = {family: 'system-ui, "DejaVu Sans", sans-serif', size: 13, color: "#1f2933"};
  const LEGEND = {orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0};
  const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const short = x => x == null ? "–" : Number(x.toPrecision(5)).toString();

  // A legend has as many rows as the width leaves it: the foot of the chart is made as high.
  const boxes = [...document.querySelectorAll("[data-chart]")];
  function fit(box) {
    const legend = box.querySelector(".legend .bg"), before = box.layout.margin.b;
    if (!legend) return;
    const foot = Math.ceil(58 + legend.getBBox().height);
    if (Math.abs(foot - before) < 3) return;
    box.style.height = `${box.offsetHeight - before + foot}px`;
    Plotly.relayout(box, {"margin.b": foot, autosize: true});
  }
  for (const box of boxes) {
    const {data, layout} = read(box.dataset.chart);
    Plotly.newPlot(box, data, {font: FONT, ...layout}, CONFIG).then(() => fit(box));
  }
  let waits;
  window.addEventListener("resize", () => {
    clearTimeout(waits);
    waits = setTimeout(() => boxes.forEach(fit), 400);
  });

  const root = document.getElementById("feeder-view");
  if (!root) return;
  const F = read("feeder-data");
  const control = name => root.querySelector(`[name="${name}"]`);
  const [quantity, caseOf, phaseOf, busOf, hour, same] =
    ["quantity", "case", "phase", "bus", "hour", "same"].map(control);
  const fill = (select, names, values = names.map((_, k) => k)) =>
    select.replaceChildren(...names.map((name, k) => new Option(name, values[k])));
  fill(quantity, F.layers.map(layer => `${layer.name} (${layer.unit})`));
  fill(caseOf, F.cases, F.cases);
  fill(busOf, F.buses);
  busOf.value = F.site;
  hour.max = F.periods.length - 1;
  hour.value = root.dataset.hour;

  // Values of a layer at the chosen case and hour by place, of one phase or of all ("").
  const HOW = {mean: v => v.reduce((a, b) => a + b, 0) / v.length,
    min: v => Math.min(...v), max: v => Math.max(...v)};
  function values(layer, phase, t = +hour.value) {
    const seen = new Map();
    for (const [name, grid] of Object.entries(layer.phases)) {
      if (phase && name !== phase) continue;
      const row = (grid.values[caseOf.value] || [])[t] || [];
      grid.at.forEach((k, i) => row[i] == null || seen.set(k, [...(seen.get(k) || []), row[i]]));
    }
    return new Map([...seen].map(([k, v]) => [k, HOW[layer.how](v)]));
  }
  // Ends of the colours: of the chosen hour in all cases and phases, or of the whole study. A spike
  // that would flatten all the rest is left beyond them.
  function scale(layer) {
    if (same.checked) return [layer.lo, layer.hi];
    const all = Object.values(layer.phases).flatMap(grid => Object.values(grid.values).flatMap(
      rows => rows[+hour.value])).filter(x => x != null).sort((a, b) => a - b);
    if (!all.length) return [layer.lo, layer.hi];
    const at = share => all[Math.round(share * (all.length - 1))], end = all[all.length - 1];
    const [low, high] = [at(.005), at(.995)], span = high - low;
    const lo = layer.of === "branch" ? 0 : all[0] < low - span ? low : all[0];
    const hi = end > high + span ? high : end;
    return hi - lo > 1e-6 * Math.max(1, Math.abs(hi)) ? [lo, hi] : [lo - .5, hi + .5];
  }
  // Parts of a bus's active price, part -> $/MWh: one phase, or the mean of all.
  function parts(bus, t) {
    const sum = {}, count = {};
    for (const [name, grid] of Object.entries(F.parts.phases)) {
      const i = grid.at.indexOf(bus), mine = grid.values[caseOf.value];
      if (i < 0 || !mine || (phaseOf.value && name !== phaseOf.value)) continue;
      for (const [part, rows] of Object.entries(mine)) {
        sum[part] = (sum[part] || 0) + (rows[t][i] || 0);
        count[part] = (count[part] || 0) + 1;
      }
    }
    return Object.fromEntries(Object.entries(sum).map(([p, x]) => [p, x / count[p]]));
  }
  function hover(layer, name, k, value) {
    const lines = [`<b>${layer.of} ${plain(name)}</b>`,
      `${layer.name}: ${short(value)} ${layer.unit}`];
    if (!phaseOf.value) for (const [phase, grid] of Object.entries(layer.phases)) {
      const i = grid.at.indexOf(k), row = (grid.values[caseOf.value] || [])[+hour.value];
      if (phase && i >= 0 && row) lines.push(`  ${phase}: ${short(row[i])}`);
    }
    if (layer.name === "active price") {
      const of = parts(k, +hour.value);
      for (const part of F.parts.names) if (of[part])
        lines.push(`  of which ${plain(part.replace(/_/g, " "))}: ${short(of[part])}`);
    }
    return lines.join("<br>");
  }
  const along = wires => {
    const x = [], y = [];
    for (const [i, j] of wires) {
      x.push(F.x[i], F.x[j], null);
      y.push(F.y[i], F.y[j], null);
    }
    return {x, y, mode: "lines", hoverinfo: "skip", showlegend: false};
  };
  const WIRES = {...along(F.wires), line: {color: "#aab4bf", width: 1.5}};
  const large = F.buses.length > 400;

  function marked() {
    const here = F.marks.filter(mark => mark.cases.includes(caseOf.value));
    return {x: here.map(m => F.x[m.at]), y: here.map(m => F.y[m.at]), mode: "markers+text",
      text: here.map(m => m.named ? `<b>${plain(m.name)}</b>` : ""), textposition: here.map(m => m.label),
      cliponaxis: false, showlegend: false,
      hovertext: here.map(m => `${plain(m.name)} (${m.kind})`), hoverinfo: "skip",
      marker: {size: 17, symbol: here.map(m => m.symbol + "-open"),
        color: here.map(m => m.color), line: {width: 2.5}}};
  }
  function coloured(layer) {
    const found = values(layer, phaseOf.value), at = [...found.keys()];
    const wires = layer.of === "branch" ? at.map(k => F.wires[k]) : null;
    const middle = (v, k) => (v[F.wires[k][0]] + v[F.wires[k][1]]) / 2;
    const names = layer.of === "branch" ? F.branches : F.buses;
    const [cmin, cmax] = scale(layer);
    return {wires, trace: {mode: "markers", showlegend: false, customdata: at,
      x: at.map(k => wires ? middle(F.x, k) : F.x[k]),
      y: at.map(k => wires ? middle(F.y, k) : F.y[k]),
      text: at.map(k => hover(layer, names[k], k, found.get(k))), hoverinfo: "text",
      marker: {color: at.map(k => found.get(k)), size: large ? 5 : wires ? 9 : 11,
        cmin, cmax, colorscale: layer.colours, showscale: true,
        reversescale: layer.colours.startsWith("Yl"),
        line: {width: large ? 0 : .6, color: "#5f6b7a"},
        colorbar: {orientation: "h", y: 0, yanchor: "top", thickness: 12, len: .9, ypad: 8,
          title: {text: `${layer.name} (${layer.unit})`, side: "bottom"}}}}};
  }
  function drawMap(layer) {
    const {wires, trace} = coloured(layer);
    const missing = F.buses.map((_, k) => k).filter(k => !trace.customdata.includes(k));
    const rest = {x: missing.map(k => F.x[k]), y: missing.map(k => F.y[k]), mode: "markers",
      showlegend: false, text: missing.map(k => `bus ${plain(F.buses[k])}: no value`),
      customdata: missing, hoverinfo: "text",
      marker: {size: large ? 3 : 5, color: "white", line: {width: 1, color: "#aab4bf"}}};
    const step = k => Math.max(0, Math.min(layer.steps.length - 1, Math.floor(
      layer.steps.length * (trace.marker.color[k] - trace.marker.cmin)
      / (trace.marker.cmax - trace.marker.cmin))));
    const bold = wires ? layer.steps.map((color, n) => ({
      ...along(wires.filter((_, k) => step(k) === n)), line: {color, width: large ? 2.5 : 5}})) : [];
    Plotly.react("feeder-map", [WIRES, ...bold, ...(wires ? [] : [rest]), trace, marked()], {
      font: FONT, margin: {l: 28, r: 28, t: 26, b: 76}, hovermode: "closest", dragmode: "pan",
      xaxis: {visible: false}, yaxis: {visible: false, scaleanchor: large ? false : "x"},
      plot_bgcolor: "#fff", uirevision: "map"}, CONFIG);
  }
  const COLOURS = {a: "#0072B2", b: "#D55E00", c: "#009E73", "": "#3d4f66"};
  function drawProfile(layer) {
    const traces = layer.of === "branch" ? [] : Object.keys(layer.phases).map(phase => {
      const found = values(layer, phase), at = [...found.keys()].sort((i, j) => F.km[i] - F.km[j]);
      return {x: at.map(k => F.km[k]), y: at.map(k => found.get(k)), mode: "markers",
        name: phase ? `phase ${phase}` : layer.name, marker: {color: COLOURS[phase], size: 6},
        text: at.map(k => `bus ${plain(F.buses[k])}`), hovertemplate: "%{text}: %{y}<extra></extra>"};
    });
    document.getElementById("feeder-profile").hidden = !traces.length;
    if (traces.length) Plotly.react("feeder-profile", traces, {font: FONT, margin: {l: 62, r: 14, t: 30, b: 8},
      xaxis: {title: {text: "distance from the substation (km)"}, automargin: true,
        zeroline: false},
      yaxis: {title: {text: `${layer.name} (${layer.unit})`}},
      legend: LEGEND, showlegend: traces.length > 1}, CONFIG);
  }
  const PART = {energy: "#9aa5b1", loss: "#E69F00", voltage: "#0072B2", congestion: "#D55E00",
    unbalance: "#009E73", load_response: "#CC79A7", other: "#56B4E9"};
  function drawParts() {
    const bus = +busOf.value, by = F.periods.map((_, t) => parts(bus, t));
    const there = F.parts.names.filter(part => by.some(p => p[part] != null));
    const price = F.layers.find(layer => layer.name === "active price");
    const line = F.periods.map((_, t) => price && values(price, phaseOf.value, t).get(bus));
    Plotly.react("feeder-parts", [...there.map(part => ({type: "bar", name: part.replace(/_/g, " "),
      x: F.periods, y: by.map(p => p[part]), marker: {color: PART[part] || "#7a5195"}})),
      {x: F.periods, y: line, name: "active price", mode: "lines+markers", line: {color: "#1f2933",
        width: 1.5}, marker: {size: 4}}], {font: FONT, barmode: "relative", bargap: .15,
      margin: {l: 62, r: 14, t: 30, b: 8}, hovermode: "x unified",
      xaxis: {title: {text: "hour"}, automargin: true, zeroline: false,
        dtick: Math.ceil(F.periods.length / 8), tick0: F.periods[0]},
      yaxis: {title: {text: `price at ${plain(F.buses[bus])} ($/MWh)`}},
      legend: LEGEND}, CONFIG);
  }
  function draw() {
    const layer = F.layers[quantity.value];
    root.querySelector("output").textContent = F.periods[hour.value];
    drawMap(layer);
    drawProfile(layer);
    drawParts();
  }
  function choose() {  // the phases of the chosen quantity
    const layer = F.layers[quantity.value], before = phaseOf.value;
    const phases = Object.keys(layer.phases).filter(phase => phase);
    const word = {mean: "mean of phases", min: "lowest phase", max: "highest phase"}[layer.how];
    fill(phaseOf, [phases.length ? word : "all", ...phases.map(p => `phase ${p}`)], ["", ...phases]);
    phaseOf.value = phases.includes(before) ? before : "";
    phaseOf.disabled = !phases.length;
    draw();
  }
  quantity.addEventListener("change", choose);
  [caseOf, phaseOf, same].forEach(one => one.addEventListener("change", draw));
  busOf.addEventListener("change", drawParts);
  hour.addEventListener("input", draw);
  choose();
  document.getElementById("feeder-map").on("plotly_click", event => {
    const k = event.points[0].customdata;
    if (k == null || F.layers[quantity.value].of === "branch") return;
    busOf.value = k;
    drawParts();
  });
})();
