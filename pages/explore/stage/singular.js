// Singular values of each hidden layer at the slider's percent against the stored network's, and ranks and norms in figures.
// Axes and the stored network's line are drawn once; while the slider moves only one path and the figures change.

const SINGULAR_DECADES = 4; // what 16 bits on the log scale carry
const SINGULAR_FIGURES = [
  ["rank", "rank"], ["width", "live width"], ["stable", "stable rank"], ["effective", "effective rank"], ["nuclear", "nuclear norm"],
];
const SINGULAR_TOLERANCE = "rank: values above largest × max(rows, columns) × float32 epsilon";

/** The first round number not below `high`. */
function singularCeiling(high) {
  if (!(high > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(high));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].find((m) => m * power >= high * 0.9999) * power;
}

/** Values as path data, one point a value; nought ends the line, and so does what lies below the log scale. */
function singularPath(values, scale, log) {
  const { left, step, top, tall, ceiling } = scale;
  const floor = log ? ceiling * 10 ** -SINGULAR_DECADES : 0;
  let path = "";
  for (let i = 0; i < values.length && values[i] > floor; i++) {
    const down = log ? -Math.log10(values[i] / ceiling) / SINGULAR_DECADES : 1 - values[i] / ceiling;
    path += `${i ? "L" : "M"}${Math.round((left + i * step) * 10) / 10} ${Math.round((top + tall * down) * 10) / 10}`;
  }
  return path;
}

/** Ranks, norms and live width of every layer at one percent: [{rank, width, stable, effective, nuclear}]. */
function singularFigures(model, p) {
  const all = model.figures(p);
  return model.header.layers.map((layer, l) => ({
    rank: all.rank[l],
    width: Math.min(l ? all.alive[l - 1] : layer.inputs, all.alive[l]),
    stable: all.stable[l],
    effective: all.effective[l],
    nuclear: all.nuclear[l],
  }));
}

function singularWord(name, value) {
  if (absent(value)) return "–";
  return name === "rank" || name === "width" ? String(value) : value.toFixed(value >= 100 ? 0 : 1);
}

/** One layer: its plot with the static part apart from the moving one, and its figures. */
function makeSingularPlot(parent) {
  const box = panelNode(parent, "div", "multiple");
  const title = panelNode(box, "h4");
  const plot = box.appendChild(svg("svg", { role: "img" }));
  const axes = plot.appendChild(svg("g"));
  const under = plot.appendChild(svg("path", { class: "under" }));
  const uncut = plot.appendChild(svg("path", { class: "uncut" }));
  const now = plot.appendChild(svg("path", { class: "now" }));
  const none = plot.appendChild(svg("text", { class: "none", "text-anchor": "middle" }));
  const list = panelNode(box, "dl");
  const cells = Object.fromEntries(SINGULAR_FIGURES.map(([name, words]) => {
    const row = panelNode(list, "div");
    panelNode(row, "dt", "", words);
    const value = panelNode(row, "dd");
    return [name, { now: panelNode(value, "b"), uncut: panelNode(value, "span", "faint") }];
  }));
  let size = { width: 0, height: 0 };
  let scale = null;
  const paths = new Map(); // percent -> path data, of this scale

  function measure() {
    size = { width: plot.clientWidth, height: plot.clientHeight };
    scale = null;
  }

  /** Axes with their words, and the stored network's line. */
  function frame({ layer, values, log, em }) {
    const ceiling = singularCeiling(Math.max(layer.top || 0, values[0] || 0));
    const [left, right, top, bottom] = [(log ? 4.4 : 3) * em, 0.6 * em, 0.6 * em, 1.5 * em];
    const [wide, tall] = [Math.max(1, size.width - left - right), Math.max(1, size.height - top - bottom)];
    const count = Math.max(2, values.length);
    scale = { left, top, wide, tall, ceiling, step: wide / (count - 1), base: top + tall };
    paths.clear();
    axes.replaceChildren();
    const decades = [0, 1, 2, 3, 4].map((n) => ceiling * 10 ** -n);
    const grades = log ? (tall < 6.2 * em ? [decades[0], decades[2], decades[4]] : decades) : [ceiling, ceiling / 2, 0];
    grades.forEach((grade) => {
      const down = log ? -Math.log10(grade / ceiling) / SINGULAR_DECADES : 1 - grade / ceiling;
      const y = top + tall * down;
      axes.append(svg("line", { class: "grid", x1: left, x2: left + wide, y1: y, y2: y }));
      axes.append(svg("text", { x: left - 0.35 * em, y, dy: "0.34em", "text-anchor": "end" }, compact(grade)));
    });
    axes.append(svg("path", { class: "axis", d: `M${left} ${top}V${top + tall}H${left + wide}` }));
    const foot = (x, words, anchor) => axes.append(svg("text", { x, y: top + tall, dy: "1.2em", "text-anchor": anchor }, words));
    foot(left, "1", "middle");
    foot(left + wide, String(count), "end");
    if (wide > 8 * em) foot(left + wide / 2, "number", "middle");
    uncut.setAttribute("d", singularPath(values, scale, log));
    none.setAttribute("x", left + wide / 2);
    none.setAttribute("y", top + tall / 2);
  }

  function draw({ model, l, p, log, em, figures, before }) {
    if (!size.width) return;
    if (!scale) frame({ layer: model.header.layers[l], values: model.uncutSpectrum(l), log, em });
    if (!paths.has(p)) paths.set(p, singularPath(model.spectrum(l, p), scale, log));
    const path = paths.get(p);
    now.setAttribute("d", path);
    under.setAttribute("d", path ? `${path}V${scale.base}H${scale.left}Z` : "");
    none.textContent = path ? "" : "all values are 0";
    for (const [name] of SINGULAR_FIGURES) {
      say(cells[name].now, singularWord(name, figures[name]));
      say(cells[name].uncut, ` / ${singularWord(name, before[name])}`);
    }
  }

  const label = (words) => plot.setAttribute("aria-label", words);
  const name = (words, tolerance) => {
    say(title, words);
    box.title = absent(tolerance) ? "" : `rank tolerance of the uncut layer: ${tolerance.toPrecision(2)}`;
  };
  return { box, measure, draw, label, name, forget: () => (scale = null) };
}

function makeSingular(box, stage) {
  const choices = stage.choices;
  choices.singularScale ||= "linear";
  const head = panelNode(box, "div", "head");
  const title = panelNode(head, "h3", "", "Singular values ");
  panelNode(title, "span", "faint", "of each hidden layer, largest first");
  const keys = panelNode(head, "p", "keys");
  const key = (kind, words) => {
    const entry = panelNode(keys, "span");
    const sample = entry.appendChild(svg("svg", { class: "sample", viewBox: "0 0 36 12" }));
    sample.append(svg("path", { class: kind, d: "M1 6H35" }));
    return panelNode(entry, "span", "", words);
  };
  const nowKey = key("now", "now");
  const uncutKey = key("uncut", "uncut");
  const scales = [["linear", "linear"], ["log", "log"]];
  const press = panelSwitch(head, "Scale of the singular values", scales, () => choices.singularScale, (value) => {
    choices.singularScale = value;
    press();
    plots.forEach((plot) => plot.forget());
    draw(stage.state);
  });
  const multiples = panelNode(box, "div", "multiples");
  const note = panelNode(box, "p", "faint");
  let plots = [];
  let model = null;
  let before = []; // figures of the stored network
  let theme = "";
  let looked = null; // the only layer on show, null for all

  const stored = () => (model.header.start ? "as stored" : "uncut");

  function setModel(next) {
    model = next;
    while (plots.length < model.L) plots.push(makeSingularPlot(multiples));
    while (plots.length > model.L) plots.pop().box.remove();
    before = singularFigures(model, model.header.start);
    plots.forEach((plot, l) => plot.name(model.header.layers[l].name, model.header.layers[l].tolerance));
    say(uncutKey, stored());
    resize();
  }

  function resize() {
    const only = stage.state?.lecture ? stage.state.layer || 0 : null; // in the hall one layer, large, chosen in the bar
    plots.forEach((plot, l) => (plot.box.hidden = only !== null && l !== only));
    panelTighten(box, stage);
    plots.forEach((plot) => plot.measure());
    looked = only;
    theme = stage.theme?.id;
  }

  function draw(state) {
    if (!model || !stage.theme) return;
    if (theme !== stage.theme.id || (state.lecture && looked !== state.layer)) resize();
    const log = choices.singularScale === "log";
    const p = state.percent;
    const figures = singularFigures(model, p);
    say(nowKey, `at ${p}${NARROW}%`);
    const range = log ? ` The log scale shows ${SINGULAR_DECADES} decades.` : "";
    const hand = panelHandEmpty(state.hand) ? "" : " Without what is set by hand.";
    const words = `Figures: now / ${stored()}; ${SINGULAR_TOLERANCE}.${range}${hand}`;
    if (words !== note.textContent) {
      say(note, words);
      if (state.lecture) resize(); // the note may have got or lost a line
    }
    const em = stage.theme.size;
    plots.forEach((plot, l) => plot.box.hidden || plot.draw({ model, l, p, log, em, figures: figures[l], before: before[l] }));
  }

  function text(state) {
    if (!model) return "";
    const words = singularFigures(model, state.percent).map((now, l) => {
      const of = (name) => `${singularWord(name, now[name])} of ${singularWord(name, before[l][name])}`;
      const each = SINGULAR_FIGURES.map(([name, word]) => `${word} ${of(name)}`);
      return `${model.header.layers[l].name}: ${each.join(", ")}`;
    });
    return `Singular values at ${state.percent}${NARROW}%, each against the network ${stored()}. ${words.join(". ")}.`;
  }

  function table(state) {
    if (!model) return null;
    const rows = singularFigures(model, state.percent).map((now, l) => {
      const values = SINGULAR_FIGURES.map(([name]) => `${singularWord(name, now[name])} / ${singularWord(name, before[l][name])}`);
      return [model.header.layers[l].name, ...values];
    });
    return { head: [`layer (now / ${stored()})`, ...SINGULAR_FIGURES.map(([, words]) => words)], rows };
  }
  return { setModel, resize, draw, text, table };
}
