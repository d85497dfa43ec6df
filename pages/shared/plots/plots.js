// Plots that the pages on claims share; read after shared.js (elements._register). Colours and dashes: plots.css, by `kind`.
//
//   const theme = plotTheme(root);                         // readTheme, and .dark on the root for plots.css
//   const close = followTheme(root, draw);                 // draw again when the page's theme changes; close() at the end
//   const keys = plotKeys(parent, "Lines");                // a legend; with `toggle` its entries are buttons
//   keys.show([{ kind: "now", words: "now" }, { kind: "random", words: "random cut", band: true }, { kind, words, spot: true }], { off: new Set(), toggle: (kind) => ... });
//
//   const plot = makeSpectrumPlot(parent, { name: "Hidden 1" });
//   plot.show({ theme, title, note, sub, log, ceiling, floor: 0, word: compact, empty: "all values are 0",
//     lines: [{ values, kind: "now", words: "now", under: true, quiet: false }],   // values: array or typed array, largest first
//     bands: [{ low, high, kind: "random" }],                                      // arrays like values
//     marks: [{ x: 41, words: "rank 41", kind: "strong" }] });                     // value numbers from 1
//   `empty` is written where there is no line at all, `message` always. `count`: how many values the axis has room for (all of them unless given).
//   Log shows PLOT_DECADES decades below `ceiling`; `floor` below 0 (changes) is for the linear scale. `note` stands under the plot
//   until somebody reads: pointer over it, or arrow keys when focused; `sub` stands under the title. plot.box is the element.
//
//   const chart = makeChart(parent, { name: "Rank", keys: true });
//   chart.show({ theme, title, note, xTitle: "epoch", yTitle, xRange: [0, 46], yRange: [0, 300], log: false, cursor: 18, xWord, yWord,
//     series: [{ x, y, kind: "now", words: "rank", points: true, quiet: false, halo: false }],   // halo: read last; y may hold null: a gap
//     bands: [{ x, low, high, kind: "random" }], spots: [{ x, y, kind: "pruned", words: "the pruned network" }],
//     marks: [{ x: 18, words: "cut 5", kind: "cut" }] });
//   chart.setCursor(x)                                      // moves only the cursor
//   chart.onPoint((index, x, how) => ...)                   // how: "hover" (index null when left), "click" or "key"; index into chart.xs()
//   Ranges, bands, spots, marks, words may be left out. A plot redraws itself when its size changes; close() stops that.

const PLOT_DECADES = 4;

function plotTheme(root) {
  const theme = readTheme(root);
  root.classList.toggle("dark", theme.dark);
  return theme;
}

/** Calls `draw` when the page's theme changes, however that is done: the root's own background then moves. */
function followTheme(root, draw) {
  root.style.transition = "background-color 10ms";
  const heard = (event) => event.target === root && draw();
  root.addEventListener("transitionend", heard);
  return () => root.removeEventListener("transitionend", heard);
}

/** The first round number not below `high`. */
function plotCeiling(high) {
  if (!(high > 0) || !Number.isFinite(high)) return 1;
  const power = 10 ** Math.floor(Math.log10(high));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((m) => m * power >= high * 0.9999) * power;
}

/** A short stroke of a kind, for keys and tables. */
function plotSample(kind, { band = false, spot = false } = {}) {
  const sample = svg("svg", { class: "plot-sample", viewBox: "0 0 40 12", "aria-hidden": "true", preserveAspectRatio: "none" });
  if (band) sample.append(svg("path", { class: `area ${kind}`, d: "M0 0H40V12H0Z" }));
  const own = spot ? { class: `spot ${kind}`, d: "M20 0L26 6L20 12L14 6Z" } : { class: `line ${kind}`, d: "M1 6H39" };
  sample.append(svg("path", { ...own, "vector-effect": "non-scaling-stroke" }));
  return sample;
}

function plotKeys(parent, label = "Lines") {
  const box = panelNode(parent, "div", "plot-keys");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  let shown = "";
  let nodes = [];
  /** `idle`: kinds that have nothing to show just now. */
  function show(entries, { off = new Set(), toggle = null, idle = new Set() } = {}) {
    const now = JSON.stringify([entries, Boolean(toggle)]);
    if (now !== shown) {
      shown = now;
      nodes = entries.map(({ kind, words, band, spot, title }) => {
        const node = document.createElement(toggle ? "button" : "span");
        node.dataset.kind = kind;
        if (title) node.title = title;
        if (toggle) {
          node.type = "button";
          node.addEventListener("click", () => toggle(kind));
        }
        node.append(plotSample(kind, { band, spot }), document.createTextNode(words));
        return node;
      });
      box.replaceChildren(...nodes);
    }
    nodes.forEach((node) => node.classList.toggle("idle", idle.has(node.dataset.kind)));
    if (toggle) nodes.forEach((node) => node.setAttribute("aria-pressed", String(!off.has(node.dataset.kind))));
  }
  return { box, show };
}

/** Draws again when the plot's size changes. */
function plotWatch(plot, draw) {
  let size = "";
  const watch = new ResizeObserver(() => {
    const now = `${plot.clientWidth}x${plot.clientHeight}`;
    if (now !== size) draw();
    size = now;
  });
  watch.observe(plot);
  return () => watch.disconnect();
}

/** Ticks of a value axis: [{at: 0 (bottom)..1 (top), words}], and the scale itself. */
function plotScale({ low, high, log, tall, em, word }) {
  if (log) {
    const decades = Math.log10(high / low);
    const share = (v) => (v > 0 ? Math.log10(v / low) / decades : -1);
    const every = Math.max(1, Math.ceil((decades * 1.5 * em) / Math.max(tall, em)));
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    const grades = [];
    for (let power = last; power >= first; power -= every) grades.push(10 ** power);
    if (!grades.length) grades.push(high);
    return { share, grades: grades.map((v) => ({ v, words: word(v) })) };
  }
  const share = (v) => (v - low) / (high - low || 1);
  const grades = ticks(low, high, Math.max(1, Math.min(5, Math.floor(tall / (1.7 * em)))));
  return { share, grades: grades.map((v) => ({ v, words: word(v) })) };
}

const plotWide = (words, em) => 0.53 * em * Math.max(0, ...words.map((text) => text.length));

/** Words along the top at x, each in the first row where it has room; what finds none is left out. */
function plotWords(group, marks, { x, left, right, top, em, rows = 2 }) {
  const taken = Array.from({ length: rows }, () => []);
  for (const mark of marks) {
    const half = plotWide([mark.words], em) / 2 + 0.2 * em;
    const centre = Math.min(Math.max(x(mark.x), left + half), right - half);
    const row = taken.findIndex((list) => list.every(([other, wide]) => Math.abs(other - centre) > wide + half));
    if (row < 0) continue;
    taken[row].push([centre, half]);
    group.append(svg("text", { class: mark.kind || "", x: centre, y: top + (row + 0.8) * 1.15 * em, "text-anchor": "middle" }, mark.words));
  }
}

function makePlotBox(parent, name, kind) {
  const box = panelNode(parent, "div", `plot-box ${kind}`);
  const title = panelNode(box, "h3");
  const sub = panelNode(box, "p");
  const plot = box.appendChild(svg("svg", { role: "img", tabindex: 0, "aria-label": name }));
  const note = panelNode(box, "p", "faint");
  const group = Object.fromEntries(["axes", "areas", "marks", "lines", "spots", "words", "cursor"].map((part) => [part, plot.appendChild(svg("g"))]));
  return { box, title, sub, plot, note, group };
}

// ---- one layer's singular values ----
function makeSpectrumPlot(parent, { name = "" } = {}) {
  const { box, title, sub, plot, note, group } = makePlotBox(parent, name, "spectrum");
  let shown = null;
  let at = null; // scales of what is on the screen
  let pointed = null; // number of the value that is read

  function show(what) {
    shown = { lines: [], bands: [], marks: [], floor: 0, word: compact, title: name, note: "", sub: "", ...what };
    draw();
  }

  function draw() {
    const width = plot.clientWidth;
    const height = plot.clientHeight;
    if (!shown || !width) return;
    const em = shown.theme.size;
    const { lines, log, floor, word } = shown;
    const count = Math.max(2, shown.count ?? Math.max(0, ...lines.map((line) => line.values.length)));
    const top = Math.max(0, ...lines.map((line) => line.values[0] || 0));
    const high = shown.ceiling ?? plotCeiling(top);
    const low = log ? high * 10 ** -PLOT_DECADES : floor;
    const [above, below, right] = [(shown.marks.some((mark) => mark.words) ? 1.35 : 0.5) * em, 1.5 * em, 0.6 * em];
    const tall = Math.max(1, height - above - below);
    const { share, grades } = plotScale({ low, high, log, tall, em, word });
    const left = plotWide(grades.map((grade) => grade.words), em) + 0.7 * em;
    const wide = Math.max(1, width - left - right);
    const x = (number) => left + (wide * (number - 1)) / (count - 1);
    const y = (v) => above + tall * (1 - Math.min(1, Math.max(0, share(v))));
    at = { count, left, wide, x, base: above + tall, above };

    for (const part of ["axes", "areas", "lines", "marks", "words"]) group[part].replaceChildren();
    for (const { v, words } of grades) {
      group.axes.append(svg("line", { class: v === 0 && floor < 0 ? "plot-zero" : "plot-grid", x1: left, x2: left + wide, y1: y(v), y2: y(v) }));
      group.axes.append(svg("text", { x: left - 0.35 * em, y: y(v), dy: "0.34em", "text-anchor": "end" }, words));
    }
    group.axes.append(svg("path", { class: "plot-axis", d: `M${left} ${above}V${at.base}H${left + wide}` }));
    const foot = (number, words, anchor) => group.axes.append(svg("text", { x: x(number), y: at.base, dy: "1.2em", "text-anchor": anchor }, words));
    foot(1, "1", "middle");
    foot(count, `${count}`, "end");
    if (wide > 13 * em) group.axes.append(svg("text", { x: left + wide / 2, y: at.base, dy: "1.2em", "text-anchor": "middle" }, "number of the value"));

    const step = Math.max(1, Math.floor(count / wide));
    const nothing = log ? low : floor < 0 ? -Infinity : high * 1e-6;
    const points = (values) => {
      const list = [];
      for (let i = 0; i < Math.min(count, values.length); i += step) list.push(values[i] > nothing ? [x(i + 1), y(values[i])] : null);
      return list;
    };
    const zero = floor < 0 ? y(0) : at.base;
    for (const { low: least, high: most, kind } of shown.bands) {
      const up = [];
      const down = [];
      for (let i = 0; i < Math.min(count, most.length) && most[i] > nothing; i += step) {
        up.push([x(i + 1), y(most[i])]);
        down.push([x(i + 1), y(Math.max(least[i], log ? low : least[i]))]);
      }
      if (up.length > 1) group.areas.append(svg("path", { class: `area ${kind}`, d: `${pen([...up, ...down.reverse()])}Z` }));
    }
    for (const { values, kind, under } of lines) {
      const list = points(values);
      const path = pen(list);
      if (!path) continue;
      const filled = list.filter(Boolean);
      if (under) group.areas.append(svg("path", { class: `area ${kind}`, d: `${pen(filled)}V${zero}H${filled[0][0]}Z` }));
      group.lines.append(svg("path", { class: `line ${kind}`, d: path, "data-kind": kind.split(" ")[0] }));
    }
    for (const mark of shown.marks) {
      const here = x(Math.min(count, Math.max(1, mark.x)));
      group.marks.append(svg("line", { class: `plot-mark ${mark.kind || ""}`, x1: here, x2: here, y1: above, y2: at.base }));
    }
    plotWords(group.words, shown.marks.filter((mark) => mark.words), { x, left, right: left + wide, top: 0, em, rows: 1 });
    const words = shown.message || (group.lines.childNodes.length ? "" : shown.empty);
    if (words) {
      const middle = { x: left + wide / 2, y: above + tall / 2, "text-anchor": "middle", class: "plot-empty" };
      group.words.append(svg("text", middle, words));
    }
    read();
  }

  function read() {
    say(title, shown.title);
    say(sub, shown.sub);
    sub.hidden = !shown.sub;
    group.cursor.replaceChildren();
    const readable = shown.lines.filter((line) => !line.quiet);
    if (pointed === null || !at) {
      say(note, shown.note);
      plot.setAttribute("aria-label", [`Singular values of ${name || shown.title}`, shown.sub, shown.note].filter(Boolean).join(". "));
      return;
    }
    const number = Math.min(Math.max(1, pointed), at.count);
    group.cursor.append(svg("line", { class: "plot-cursor", x1: at.x(number), x2: at.x(number), y1: at.above, y2: at.base }));
    const words = readable.filter((line) => number <= line.values.length).map((line) => `${line.words} ${shown.word(line.values[number - 1])}`);
    say(note, `no. ${number}: ${words.join(", ")}`);
    plot.setAttribute("aria-label", note.textContent);
  }

  const point = (number) => {
    pointed = number;
    if (shown) read();
  };
  plot.addEventListener("pointermove", (event) => {
    if (!at) return;
    const across = event.clientX - plot.getBoundingClientRect().left - at.left;
    point(Math.min(at.count, Math.max(1, Math.round((across / at.wide) * (at.count - 1)) + 1)));
  });
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("blur", () => point(null));
  plot.addEventListener("keydown", (event) => {
    if (!at || !isPlain(event)) return;
    const from = pointed ?? 0;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 1, End: at.count, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    point(to === null ? null : Math.min(at.count, Math.max(1, to)));
  });
  return { show, box, plot, close: plotWatch(plot, draw) };
}

// ---- lines over time, or over rank ----
function makeChart(parent, { name = "", keys = true } = {}) {
  const { box, title, sub, plot, note, group } = makePlotBox(parent, name, "chart");
  const legend = keys ? plotKeys(box, `Lines of ${name}`) : null;
  if (legend) box.insertBefore(legend.box, plot);
  const callbacks = [];
  let shown = null;
  let at = null;
  let xs = []; // every x of any series, in order
  let pointed = null; // index into xs of what the pointer or the keys read; null: the cursor's

  function show(what) {
    const empty = { series: [], bands: [], marks: [], spots: [], title: name, sub: "", note: "", xTitle: "", yTitle: "", cursor: null };
    shown = { ...empty, xWord: axisWord, yWord: compact, ...what };
    const all = shown.series.flatMap((one) => Array.from(one.x));
    xs = [...new Set([...all, ...shown.spots.map((spot) => spot.x)])].sort((a, b) => a - b);
    if (pointed !== null && pointed >= xs.length) pointed = null;
    draw();
  }

  function extent(read, given) {
    if (given) return given;
    const values = shown.series.flatMap((one) => Array.from(one[read])).concat(shown.spots.map((spot) => spot[read]));
    if (read === "y") values.push(...shown.bands.flatMap((band) => [...Array.from(band.low), ...Array.from(band.high)]));
    const seen = values.filter((v) => !absent(v) && Number.isFinite(v) && !(shown.log && read === "y" && v <= 0));
    if (!seen.length) return [0, 1];
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    if (read === "x") return low === high ? [low - 1, high + 1] : [low, high];
    if (shown.log) return [10 ** Math.floor(Math.log10(low) + 1e-9), 10 ** Math.ceil(Math.log10(high) - 1e-9 + (low === high ? 1e-6 : 0))];
    return low >= 0 ? [0, plotCeiling(high)] : [low, Math.max(0, high)];
  }

  function draw() {
    const width = plot.clientWidth;
    const height = plot.clientHeight;
    if (!shown || !width) return;
    const em = shown.theme.size;
    const { log, series } = shown;
    const [x0, x1] = extent("x", shown.xRange);
    const [low, high] = extent("y", shown.yRange);
    const worded = shown.marks.some((mark) => mark.words);
    const [above, below, right] = [(worded ? 1.3 : 0.5) * em, 1.5 * em, 0.9 * em];
    const tall = Math.max(1, height - above - below);
    const { share, grades } = plotScale({ low, high: high === low ? low + 1 : high, log, tall, em, word: shown.yWord });
    const left = plotWide(grades.map((grade) => grade.words), em) + 0.7 * em;
    const wide = Math.max(1, width - left - right);
    const x = (v) => left + (wide * (v - x0)) / (x1 - x0 || 1);
    const y = (v) => above + tall * (1 - Math.min(1, Math.max(0, share(v))));
    at = { x, y, left, wide, above, base: above + tall };

    for (const part of ["axes", "areas", "lines", "marks", "spots", "words"]) group[part].replaceChildren();
    for (const { v, words } of grades) {
      group.axes.append(svg("line", { class: v === 0 && low < 0 ? "plot-zero" : "plot-grid", x1: left, x2: left + wide, y1: y(v), y2: y(v) }));
      group.axes.append(svg("text", { x: left - 0.35 * em, y: y(v), dy: "0.34em", "text-anchor": "end" }, words));
    }
    group.axes.append(svg("path", { class: "plot-axis", d: `M${left} ${above}V${at.base}H${left + wide}` }));
    const feet = ticks(x0, x1, Math.max(1, Math.floor(wide / (4.5 * em)))).filter((v) => v === x1 || x(x1) - x(v) > plotWide([`${shown.xTitle} ${shown.xWord(x1)}`], em) + em);
    if (!feet.includes(x1)) feet.push(x1);
    for (const v of feet) {
      const last = v === x1;
      const words = last && shown.xTitle ? `${shown.xTitle} ${shown.xWord(v)}` : shown.xWord(v);
      group.axes.append(svg("line", { class: "plot-axis", x1: x(v), x2: x(v), y1: at.base, y2: at.base + 5 }));
      group.axes.append(svg("text", { x: x(v), y: at.base, dy: "1.2em", dx: last ? "0.4em" : 0, "text-anchor": last ? "end" : "middle" }, words));
    }

    const nothing = log ? low * 0.9999 : -Infinity;
    const drawn = (v) => !absent(v) && Number.isFinite(v) && v > nothing;
    for (const { x: bx, low: least, high: most, kind } of shown.bands) {
      const up = [];
      const down = [];
      bx.forEach((v, i) => {
        if (!drawn(most[i])) return;
        up.push([x(v), y(most[i])]);
        down.push([x(v), y(log ? Math.max(low, least[i]) : least[i])]);
      });
      if (up.length > 1) group.areas.append(svg("path", { class: `area ${kind}`, d: `${pen([...up, ...down.reverse()])}Z` }));
    }
    for (const { x: sx, y: sy, kind, points } of series) {
      const list = Array.from(sx, (v, i) => (drawn(sy[i]) ? [x(v), y(sy[i])] : null));
      group.lines.append(svg("path", { class: `line ${kind}`, d: pen(list), "data-kind": kind.split(" ")[0] }));
      if (points) for (const point of list.filter(Boolean)) group.lines.append(svg("circle", { class: `line dot ${kind}`, cx: point[0], cy: point[1], r: 0.26 * em }));
    }
    for (const mark of shown.marks) group.marks.append(svg("line", { class: `plot-mark ${mark.kind || ""}`, x1: x(mark.x), x2: x(mark.x), y1: above, y2: at.base }));
    plotWords(group.words, shown.marks.filter((mark) => mark.words), { x, left, right: left + wide, top: 0, em, rows: 1 });
    for (const spot of shown.spots) {
      if (!drawn(spot.y)) continue;
      const [px, py, r] = [x(spot.x), y(spot.y), 0.42 * em];
      const mark = group.spots.appendChild(svg("path", { class: `line spot ${spot.kind}`, d: `M${px} ${py - r}L${px + r} ${py}L${px} ${py + r}L${px - r} ${py}Z` }));
      if (spot.words) mark.append(svg("title", {}, spot.words));
    }
    legend?.show(series.filter((one) => one.words && !one.quiet).map(({ kind, words }) => ({ kind, words })));
    read();
  }

  function read() {
    say(title, shown.title);
    say(sub, shown.sub);
    title.hidden = !shown.title;
    sub.hidden = !shown.sub;
    group.cursor.replaceChildren();
    const here = pointed !== null ? xs[pointed] : shown.cursor;
    const inside = !absent(here) && at;
    const told = inside ? shown.series.filter((one) => !one.quiet).flatMap((one) => {
      const there = []; // at a cut a line has two values: before and after
      for (let i = one.x.indexOf(here); i >= 0; i = one.x.indexOf(here, i + 1)) if (!absent(one.y[i])) there.push(one.y[i]);
      return there.length ? [{ ...one, value: there.at(-1), words: one.words, told: [...new Set(there)] }] : [];
    }).sort((a, b) => Boolean(a.halo) - Boolean(b.halo)) : [];
    if (inside) {
      const px = at.x(here);
      group.cursor.append(svg("line", { class: "plot-cursor", x1: px, x2: px, y1: at.above, y2: at.base }));
      for (const one of [...told].reverse()) group.cursor.append(svg("circle", { class: `line dot ${one.kind}`, cx: px, cy: at.y(one.value), r: 0.32 * shown.theme.size }));
    }
    const spots = inside ? shown.spots.filter((spot) => spot.x === here && spot.words) : [];
    const words = [...told.map((one) => `${one.words} ${one.told.map(shown.yWord).join(" → ")}`), ...spots.map((spot) => `${spot.words} ${shown.yWord(spot.y)}`)];
    const reading = words.length ? `${shown.xTitle} ${shown.xWord(here)}: ${words.join(", ")}` : "";
    say(note, (pointed !== null && reading) || shown.note || reading);
    plot.setAttribute("aria-label", [name || shown.title, reading, shown.note].filter(Boolean).join(". "));
  }

  function point(i, how) {
    if (!shown || !xs.length) return;
    pointed = i === null ? null : Math.min(Math.max(i, 0), xs.length - 1);
    read();
    for (const callback of callbacks) callback(pointed, pointed === null ? null : xs[pointed], how);
  }
  const nearest = (event) => {
    const v = event.clientX - plot.getBoundingClientRect().left;
    return xs.reduce((best, one, i) => (Math.abs(at.x(one) - v) < Math.abs(at.x(xs[best]) - v) ? i : best), 0);
  };
  plot.addEventListener("pointermove", (event) => at && xs.length && point(nearest(event), "hover"));
  plot.addEventListener("pointerleave", () => point(null, "hover"));
  plot.addEventListener("blur", () => point(null, "hover"));
  plot.addEventListener("click", (event) => at && xs.length && point(nearest(event), "click"));
  plot.addEventListener("keydown", (event) => {
    if (!shown || !xs.length || !isPlain(event)) return;
    const kept = xs.indexOf(shown.cursor);
    const from = pointed ?? (kept >= 0 ? kept : xs.length - 1);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: xs.length - 1 }[event.key];
    if (event.key === "Escape") point(null, "hover");
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    point(to, "key");
  });
  function setCursor(x) {
    if (!shown || shown.cursor === x) return;
    shown.cursor = x;
    read();
  }
  return { show, box, plot, setCursor, xs: () => xs, onPoint: (callback) => callbacks.push(callback), close: plotWatch(plot, draw) };
}
