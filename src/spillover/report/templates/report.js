"use strict";
// Nothing here reads data as markup: every word goes on the page through textContent.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  // --- charts: plotly over the still drawing, once a chart comes into view -------------------

  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // plotly reads a little markup in its labels; these are words.
  const plain = (text) =>
    text.replace(/[&<>{}]/g, (char) => `&#${char.charCodeAt(0)};`);

  const axis = (from) => ({
    title: { text: plain(from.label), standoff: 8 },
    type: from.log ? "log" : "linear",
    range: from.log ? [Math.log10(from.low), Math.log10(from.high)] : [from.low, from.high],
    tickmode: "array",
    tickvals: from.ticks,
    ticktext: from.names.map(plain),
    fixedrange: true,
    zeroline: false,
    gridcolor: colour("--line"),
    linecolor: colour("--line"),
  });

  const shape = (rule) => ({
    type: "line",
    line: { color: colour("--soft"), width: 1, dash: "dot" },
    ...(rule.upright
      ? { x0: rule.at, x1: rule.at, yref: "paper", y0: 0, y1: 1 }
      : { y0: rule.at, y1: rule.at, xref: "paper", x0: 0, x1: 1 }),
  });

  const label = (rule, chart) => {
    const place = (value, log) => (log ? Math.log10(value) : value);
    const common = { text: plain(rule.label), showarrow: false, font: { size: 11, color: colour("--soft") } };
    return rule.upright
      ? { ...common, x: place(rule.at, chart.x.log), yref: "paper", y: 1, xanchor: "right", yanchor: "top" }
      : { ...common, xref: "paper", x: 1, y: place(rule.at, chart.y.log), xanchor: "right", yanchor: "bottom" };
  };

  const dashes = { spillover: "solid", clean: "dash", undecided: "dot", foreseen: "dashdot" };

  const layout = (chart) => ({
    margin: { l: 66, r: 14, t: 12, b: 46 },
    height: 300,
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "inherit", size: 12, color: colour("--soft") },
    hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    xaxis: { ...axis(chart.x), showgrid: false },
    yaxis: axis(chart.y),
    shapes: chart.rules.map(shape),
    annotations: chart.rules.map((rule) => label(rule, chart)),
  });

  const trace = (line) => ({
    type: "scatter",
    mode: "lines+markers",
    x: line.xs,
    y: line.ys,
    text: line.words.map(plain),
    hovertemplate: "%{text}<extra></extra>",
    line: { color: colour(`--v-${line.key}`), width: 2, dash: dashes[line.key] },
    marker: { color: colour(`--v-${line.key}`), size: 4 },
  });

  const draw = (holder, chart) => {
    const live = holder.querySelector(".live");
    live.hidden = false;
    holder.classList.add("drawn");
    Plotly.react(live, chart.lines.map(trace), layout(chart), {
      displayModeBar: false,
      responsive: true,
    });
  };

  const charts = read("chart-data");
  const shown = new Set();
  if (typeof Plotly !== "undefined" && "IntersectionObserver" in window) {
    const watcher = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          watcher.unobserve(entry.target);
          shown.add(entry.target);
          draw(entry.target, charts[Number(entry.target.dataset.chart)]);
        }
      },
      { rootMargin: "400px" },
    );
    document.querySelectorAll(".chart").forEach((holder) => watcher.observe(holder));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      shown.forEach((holder) => draw(holder, charts[Number(holder.dataset.chart)]));
    });
  }

  // --- all answers ----------------------------------------------------------------------------

  if (!byId("browser")) return;
  const data = read("answer-data");
  const PAGE = 50;
  let page = 0;
  let kept = data.rows;
  let searched = null; // lower-case texts, made at the first search

  const fill = (id, words) => {
    words.forEach((word, i) => {
      const option = make("option", word === "" ? "(none)" : word);
      option.value = String(i);
      byId(id).append(option);
    });
    if (words.length < 2) byId(id).closest("label").hidden = true;
  };
  fill("by-target", data.targets);
  fill("by-axis", data.axes);
  fill("by-bin", data.bins);

  const cell = (row, name, text, kind) => {
    const node = make("td", undefined, kind);
    node.dataset.label = name;
    const inner = make("span", text);
    inner.dir = "auto";
    node.append(inner);
    row.append(node);
    return node;
  };

  const tableRow = ([target, axisAt, bin, prompt, judged, missing, text]) => {
    const row = make("tr");
    const [question, asked] = data.prompts[prompt];
    cell(row, "Model", data.targets[target]);
    const asking = cell(row, "Question", asked, "asked");
    asking.append(make("small", data.axes.length > 1 ? `${question}, ${data.axes[axisAt]}` : question));
    const sorted = cell(row, "Judged", data.bins[bin]);
    if (judged) sorted.append(make("small", judged));
    cell(row, "Missing", missing || "–", missing ? "some" : "none");
    cell(row, "Answer", text, "text");
    return row;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(kept.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    byId("rows").replaceChildren(...kept.slice(page * PAGE, (page + 1) * PAGE).map(tableRow));
    const number = (value) => value.toLocaleString("en");
    byId("found").textContent = `${number(kept.length)} of ${number(data.rows.length)} answers`;
    byId("place").textContent = `page ${number(page + 1)} of ${number(pages)}`;
    byId("back").disabled = page === 0;
    byId("on").disabled = page === pages - 1;
  };

  const choose = () => {
    const wanted = ["by-target", "by-axis", "by-bin"].map((id) => byId(id).value);
    const text = byId("by-text").value.toLowerCase();
    if (text && !searched) {
      searched = data.rows.map((row) => `${data.prompts[row[3]].join("\n")}\n${row[6]}`.toLowerCase());
    }
    kept = data.rows.filter(
      (row, i) =>
        wanted.every((value, column) => value === "" || row[column] === Number(value)) &&
        (!text || searched[i].includes(text)),
    );
    page = 0;
    show();
  };

  let waiting = 0;
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("change", choose);
  byId("by-text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(choose, 150);
  });
  byId("back").addEventListener("click", () => { page -= 1; show(); });
  byId("on").addEventListener("click", () => { page += 1; show(); });
  byId("browser").hidden = false;
  show();
})();
