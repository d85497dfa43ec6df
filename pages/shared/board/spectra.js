// Singular values of each layer, now against the start and, on a cut, against the moment before it.

const LOWEST = 1e-3; // the log scale shows three decades below the top

/** Value number -> size, at most one point a pixel; values that are nought (or below the log scale) end the line. */
function spectrumPoints(values, x, y, width, log, top) {
  const step = Math.max(1, Math.floor(values.length / Math.max(width, 1)));
  const nothing = log ? top * LOWEST : top * 1e-6;
  const points = [];
  for (let i = 0; i < values.length; i += step) points.push(values[i] > nothing ? [x(i + 1), y(values[i])] : null);
  return points;
}

function makeSpectrum(parent) {
  const box = document.createElement("div");
  box.className = "multiple";
  const title = document.createElement("h3");
  const ranks = document.createElement("p");
  const plot = svg("svg", { role: "img" });
  const note = document.createElement("p");
  note.className = "faint";
  box.append(title, ranks, plot, note);
  parent.append(box);
  const axes = plot.appendChild(svg("g"));
  const line = Object.fromEntries(["under", "start", "before", "now"].map((kind) => [kind, plot.appendChild(svg("path", { class: kind }))]));
  const cursor = plot.appendChild(svg("line", { class: "cursor", visibility: "hidden" }));
  let state = null; // what is drawn now
  let pointed = null; // number of the value under the pointer

  function show({ layer, now, start, before, log, theme, ceiling }) {
    const width = plot.clientWidth;
    const height = plot.clientHeight;
    if (!width) return;
    const em = theme.size;
    const [left, right, top, bottom] = [2.6 * em, 0.5 * em, 0.5 * em, 1.5 * em];
    const [w, h] = [width - left - right, height - top - bottom];
    const count = Math.max(now.length, start.length, 2);
    const x = (number) => left + (w * (number - 1)) / (count - 1);
    const down = (v) => (log ? Math.log10(v / ceiling) / Math.log10(LOWEST) : 1 - v / ceiling);
    const y = (v) => top + h * Math.min(1, Math.max(0, down(v)));
    state = { layer, now, start, before, x, left, w, count };

    axes.replaceChildren();
    const mark = (v, words) => axes.append(svg("text", { x: left - 8, y: y(v), dy: "0.34em", "text-anchor": "end" }, words));
    const grades = log ? [ceiling, ceiling / 10, ceiling / 100, ceiling * LOWEST] : [ceiling, ceiling / 2, 0];
    for (const grade of grades) mark(grade, compact(grade));
    axes.append(svg("path", { class: "axis", d: `M${left} ${top}V${top + h}H${left + w}` }));
    const foot = (number, words, anchor) => axes.append(svg("text", { x: x(number), y: top + h, dy: "1.2em", "text-anchor": anchor }, words));
    foot(1, "1", "middle");
    foot(count, `${count}`, "end");
    axes.append(svg("text", { x: left + w / 2, y: top + h, dy: "1.2em", "text-anchor": "middle" }, "number"));
    if (layer.rank > 0 && layer.rank < count) axes.append(svg("line", { class: "rank", x1: x(layer.rank), x2: x(layer.rank), y1: top + h, y2: top + h - 0.9 * em }));

    const path = (values) => spectrumPoints(values, x, y, w, log, ceiling);
    const points = path(now);
    line.now.setAttribute("d", pen(points));
    const filled = points.filter(Boolean);
    line.under.setAttribute("d", filled.length ? `${pen(filled)}V${top + h}H${left}Z` : "");
    line.start.setAttribute("d", pen(path(start)));
    line.before.setAttribute("d", before ? pen(path(before)) : "");
    read();
  }

  function read() {
    const { layer, now, start, before, x } = state;
    const reading = pointed !== null;
    cursor.setAttribute("visibility", reading ? "visible" : "hidden");
    if (reading) {
      const number = Math.min(pointed, state.count);
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(number));
      cursor.setAttribute("y1", 0);
      cursor.setAttribute("y2", plot.clientHeight - 1.5 * parseFloat(getComputedStyle(plot).fontSize));
      const at = (values) => compact(values?.[number - 1]);
      say(note, `no. ${number}: ${at(now)}, start ${at(start)}${before ? `, before ${at(before)}` : ""}`);
    } else say(note, `nuclear norm ${compact(layer.nuclear)}, at start ${compact(layer.start_nuclear)}`);
    say(title, layer.name);
    say(ranks, `rank ${digits(layer.rank, 0)} · live width ${layer.alive} of ${layer.units}`);
    ranks.title = `effective rank ${compact(layer.effective_rank)}, stable rank ${compact(layer.stable_rank)}, rank at the start ${layer.start_rank}`;
    const words = `Singular values of ${layer.name}: rank ${digits(layer.rank, 0)}, at the start ${layer.start_rank}; live width ${layer.alive} of ${layer.units}; `;
    plot.setAttribute("aria-label", `${words}effective rank ${compact(layer.effective_rank)}, stable rank ${compact(layer.stable_rank)}, nuclear norm ${compact(layer.nuclear)}`);
  }

  plot.addEventListener("pointermove", (event) => {
    if (!state) return;
    const across = event.clientX - plot.getBoundingClientRect().left - state.left;
    pointed = Math.min(state.count, Math.max(1, Math.round((across / state.w) * (state.count - 1)) + 1));
    read();
  });
  plot.addEventListener("pointerleave", () => {
    pointed = null;
    if (state) read();
  });
  return { show, box };
}

/** All layers' spectra. A layer's ceiling only grows within a run, so that the curves move and not the axis. */
function makeSpectra(parent) {
  const plots = [];
  let run = null;
  let ceilings = [];
  return function show({ header, arrays, log, theme }) {
    if (run !== header.run) [run, ceilings] = [header.run, []];
    while (plots.length < header.layers.length) plots.push(makeSpectrum(parent));
    while (plots.length > header.layers.length) plots.pop().box.remove();
    plots.forEach((plot, l) => {
      const now = arrays[`values_${l}`] || []; // a diverged network has none
      const start = arrays[`start_values_${l}`];
      const before = arrays[`before_values_${l}`];
      const high = Math.max(now[0] || 0, start[0] || 0, before?.[0] || 0) || 1;
      const power = 10 ** Math.floor(Math.log10(high));
      ceilings[l] = Math.max(ceilings[l] || 0, [1, 2, 4, 6, 8, 10].find((m) => m * power >= high) * power);
      plot.show({ layer: header.layers[l], now, start, before, log, theme, ceiling: ceilings[l] });
      plot.box.classList.toggle("lone", plots.length < 3);
    });
  };
}
