// How often the neurons fire, layer by layer, and where the cut stands: for a neuron criterion its score lies along the axis, and the
// cut is a line that can be taken by the hand: it moves the slider.

// What a neuron criterion's score is, as an axis. `counted`: a count, shown as a share of the images counted; `share`: 0..1, in percent.
const HISTOGRAM_AXES = {
  "activation-frequency": { counted: true, words: "share of counted images on which the neuron fires" },
  inactivity: { counted: true, words: "share of counted images on which the neuron does not fire" },
  "random-matched": { counted: true, words: "score dealt out: the share that some neuron of its layer fires on" },
  apoz: { share: true, words: "share of training images on which the neuron fires, measured for this cut" },
  "random-neurons": { words: "score: a draw from 0 to 1" },
};
const HISTOGRAM_BINS = 30; // about so many bars
const HISTOGRAM_SIGMAS = [3, 2, 1];
const HISTOGRAM_LOW = 4.5; // of the hall's plots, in em: lower ones show nothing any more
const HISTOGRAM_NEVER = 255; // in goes_l: no percent of the slider empties it

/** What lies along the axis: {values(l), words, word(v), cuts: whether a cut line makes sense, factor from score to axis}. */
function histogramAxis({ header, arrays }) {
  const asPercent = (v, places = 0) => percent(v, places);
  const fires = (l) => Float32Array.from(arrays[`fired_${l}`], (n) => n / header.seen);
  const words = "share of counted images on which the neuron fires";
  if (header.per !== "neuron") return { values: fires, words, word: asPercent, cuts: false, counted: true };
  const kind = HISTOGRAM_AXES[header.criterion] || { words: `score: ${header.criterion_label || header.criterion}` };
  const factor = kind.counted ? 1 / header.seen : 1;
  const values = (l) => Float32Array.from(arrays[`score_${l}`], (score) => score * factor);
  return { values, words: kind.words, word: kind.counted || kind.share ? asPercent : compact, cuts: true, counted: kind.counted, factor };
}

/** Round bar edges around what there is: {low, high, width, bins}. */
function histogramBins(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (!(high >= low)) [low, high] = [0, 1];
  if (low > 0 && low < 0.35 * high) low = 0; // an axis that nearly starts at nought starts there
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) [low, high] = [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)];
  const edges = ticks(low, high, HISTOGRAM_BINS);
  const width = edges.length > 1 ? edges[1] - edges[0] : high - low;
  const from = Math.floor(low / width + 1e-6) * width;
  const bins = Math.max(1, Math.ceil((high - from) / width - 1e-6));
  return { low: from, high: from + bins * width, width, bins };
}

/**
 * The cut line at each percent: the score of the next to go, of one queue or of each layer's own. Null: nobody is left who ever goes.
 * A neuron emptied with its sources has left the queue too, so this is the least score among those that still stand in it.
 * No neuron is protected from an atlas's cuts: whoever stays at 100 % is merely behind the last weight that had to go.
 */
function histogramThresholds(values, goes, together) {
  const own = values.map((list, l) => {
    const least = new Float64Array(257).fill(Infinity); // by the percent at which they go
    list.forEach((v, unit) => (least[goes[l][unit]] = Math.min(least[goes[l][unit]], v)));
    const line = new Float64Array(101);
    let best = least[HISTOGRAM_NEVER]; // those that even 100 % leaves are still in the queue
    for (let p = 100; p >= 0; p--) {
      line[p] = best;
      best = Math.min(best, least[p]);
    }
    return line;
  });
  if (!together) return own;
  const one = Float64Array.from({ length: 101 }, (_, p) => Math.min(...own.map((line) => line[p])));
  return own.map(() => one);
}

/** The percent at which the line stands nearest to `value`; of several, the one nearest to where the slider is. */
function histogramPercentAt(line, value, start, now) {
  let best = start;
  for (let p = start; p <= 100; p++) {
    const off = Math.abs((Number.isFinite(line[p]) ? line[p] : histogramEnd(line)) - value);
    const least = Math.abs((Number.isFinite(line[best]) ? line[best] : histogramEnd(line)) - value);
    if (off < least || (off === least && Math.abs(p - now) < Math.abs(best - now))) best = p;
  }
  return best;
}

/** Where the line stands when nobody is left: a little beyond the last that went. */
function histogramEnd(line) {
  const last = line.findLast((v) => Number.isFinite(v)) ?? 1;
  return last + Math.abs(last) * 0.02 + 1e-9;
}

/** Diagonal strokes in the cut's colour on the ground of the gone: told from full bars without colour. */
function histogramHatch(ctx, theme, dpr) {
  const side = Math.max(5, Math.round(6 * dpr));
  const one = document.createElement("canvas");
  one.width = one.height = side;
  const pencil = one.getContext("2d");
  pencil.fillStyle = theme.dead;
  pencil.fillRect(0, 0, side, side);
  pencil.strokeStyle = theme.cut;
  pencil.lineWidth = Math.max(1, 1.3 * dpr);
  for (const shift of [-side, 0, side]) {
    pencil.beginPath();
    pencil.moveTo(shift, side);
    pencil.lineTo(shift + side, 0);
    pencil.stroke();
  }
  return ctx.createPattern(one, "repeat");
}

const HISTOGRAM_HTML = `
  <div class="top">
    <h3>How often they fire</h3>
    <p class="keys" data-part="keys">
      <span><i class="key stays"></i>stay</span>
      <span><i class="key gone"></i>gone</span>
      <span data-part="lineKey"><i class="key line"></i><span data-part="lineWords"></span></span>
      <span data-part="sigmaKey"><i class="key sigma"></i>mean − k·σ<span class="whose">of the layer</span></span>
    </p>
  </div>
  <p data-part="missing" hidden></p>
  <div class="multiples" data-part="multiples"></div>
  <p class="faint" data-part="words"></p>`;

function makeHistogram(box, stage) {
  box.innerHTML = HISTOGRAM_HTML;
  const part = parts(box);
  let model = null;
  let axis = null;
  let layers = []; // per layer: values, goes, rate, bin of each unit, scale of the axis, what is drawn
  let lines = null; // per layer the cut line at each percent; null for weight criteria
  let palette = null;
  let hatch = null;
  let dragged = null; // {layer, offset} while a line is held
  let crowded = false; // in the hall: not all layers have room, so the one chosen in the bar is shown
  let looked = null; // that one

  function setModel(next) {
    model = next;
    const { header, arrays } = model;
    axis = histogramAxis(model);
    part.multiples.replaceChildren();
    layers = [];
    lines = null;
    const missing = histogramMissing(header, axis);
    part.missing.hidden = !missing;
    part.keys.hidden = Boolean(missing);
    part.multiples.hidden = Boolean(missing);
    say(part.missing, missing);
    part.lineKey.hidden = part.sigmaKey.hidden = !axis.cuts;
    say(part.words, missing ? "" : histogramWords(header, axis, stage.state.lecture));
    if (missing) return;
    const values = header.layers.map((_, l) => axis.values(l));
    const goes = header.layers.map((_, l) => arrays[`goes_${l}`]);
    const living = (l) => values[l].filter((_, unit) => goes[l][unit] > 0);
    const together = header.scope !== "layer"; // one queue: one axis for all, so that one threshold is one place
    const shared = together ? histogramBins(values.flatMap((_, l) => [...living(l)])) : null;
    if (axis.cuts) lines = histogramThresholds(values, goes, together);
    layers = header.layers.map((about, l) => {
      const scale = shared || histogramBins(living(l));
      const within = (i) => Math.max(0, Math.min(scale.bins - 1, i)); // those gone before may lie outside
      const bin = Uint8Array.from(values[l], (v) => within(Math.floor((v - scale.low) / scale.width + 1e-6)));
      const { rate } = whoRates(model, l);
      const totals = histogramTotals(bin, goes[l], rate, scale.bins);
      const one = { about, values: values[l], goes: goes[l], bin, scale, ...totals, ...panel(about, l) };
      part.multiples.append(one.root);
      return one;
    });
    resize();
  }

  /** A layer's elements, built once for a model. */
  function panel(about, l) {
    const root = document.createElement("div");
    root.className = "multiple";
    root.innerHTML = `<p><b></b> <span class="count"></span></p>
      <div class="plot"><canvas></canvas><svg aria-hidden="true"></svg>
        <div class="grip" role="slider" aria-orientation="horizontal" data-testid="histogram-line-${l}"><i></i></div></div>`;
    const [canvas, lineart, grip, count] = ["canvas", "svg", ".grip", ".count"].map((name) => root.querySelector(name));
    say(root.querySelector("b"), about.name);
    grip.hidden = !axis.cuts;
    const first = l === 0 || model.header.scope === "layer"; // one queue has one line: one stop for the Tab key
    grip.tabIndex = first ? 0 : -1;
    grip.setAttribute("aria-label", `Cut line of ${about.name}`);
    grip.setAttribute("aria-valuemin", model.header.start || 0);
    grip.setAttribute("aria-valuemax", 100);
    listen(root.querySelector(".plot"), grip, l);
    root.classList.toggle("alone", axis.cuts && model.header.scope === "layer"); // more words over it: two lines
    const ctx = canvas.getContext("2d", { willReadFrequently: true });
    return { root, canvas, lineart, grip, count, ctx, gone: new Uint16Array(0), line: NaN };
  }

  // ---- layout ----

  function resize() {
    if (!model || !layers.length || !part.multiples.clientWidth) return;
    const { theme } = stage;
    const em = theme.size;
    const dpr = stage.dpr || devicePixelRatio;
    palette = firingPalette(theme);
    box.style.setProperty("--ramp", `linear-gradient(90deg, ${palette.full.filter((_, i) => i % 15 === 0).join(", ")})`);
    const height = plotHeight(em);
    for (const one of layers) {
      const plot = one.canvas.parentElement;
      plot.style.height = `${height}px`;
      one.width = plot.clientWidth;
    }
    for (const one of layers) {
      if (one.root.hidden) continue;
      one.height = height;
      one.at = { left: 2.1 * em, right: one.width - 1.9 * em, top: (axis.cuts ? 1.75 : 0.7) * em, base: height - 1.5 * em };
      one.x = (v) => one.at.left + ((one.at.right - one.at.left) * (v - one.scale.low)) / (one.scale.high - one.scale.low);
      one.most = Math.max(1, ...one.totals);
      one.canvas.width = Math.round(one.width * dpr);
      one.canvas.height = Math.round(height * dpr);
      one.grip.style.top = `${one.at.top - 0.25 * em}px`;
      one.grip.style.height = `${one.at.base - one.at.top + 0.25 * em}px`;
      one.gone = new Uint16Array(0);
      one.line = NaN;
      axes(one, em);
    }
    hatch = histogramHatch(layers[0].ctx, theme, dpr);
  }

  /**
   * In a lecture the view has a height of its own, shared by the rows of panels; on the page they are as tall as they look well.
   * Where not even low plots of all layers have room, one layer is shown; then the axis goes unnamed, it is in words and table, too.
   */
  function plotHeight(em) {
    const { lecture, layer } = stage.state;
    for (const one of layers) one.root.hidden = false;
    part.words.hidden = crowded = false;
    looked = null;
    box.classList.remove("tight");
    if (!lecture) return 9.5 * em;
    const plots = layers.map((one) => one.canvas.parentElement);
    for (const plot of plots) plot.style.height = "0";
    for (const one of layers) say(one.count, `${one.living} of ${one.living} gone${ownLine(Infinity)}`); // their longest words
    sayLine(Infinity);
    const free = () => {
      const shown = layers.filter((one) => !one.root.hidden);
      const rows = new Set(shown.map((one) => one.root.offsetTop)).size;
      const words = part.words.hidden ? 0 : part.words.offsetHeight;
      return (box.clientHeight - part.multiples.offsetTop - part.multiples.offsetHeight - words - 0.2 * em) / rows;
    };
    if (free() < 6 * em) part.words.hidden = true;
    if (free() < HISTOGRAM_LOW * em) {
      crowded = layers.length > 1;
      looked = Math.min(layer || 0, layers.length - 1);
      layers.forEach((one, l) => (one.root.hidden = l !== looked));
      box.classList.add("tight");
      part.words.hidden = false;
      if (free() < HISTOGRAM_LOW * em) part.words.hidden = true;
    }
    return Math.max(3.5 * em, Math.min(12 * em, free()));
  }

  function axes(one, em) {
    const { at, scale, lineart, x } = one;
    lineart.setAttribute("viewBox", `0 0 ${one.width} ${one.height}`);
    lineart.replaceChildren(svg("line", { class: "axis", x1: at.left, x2: at.right, y1: at.base, y2: at.base }));
    const list = ticks(scale.low, scale.high, Math.max(2, Math.floor((at.right - at.left) / (2.9 * em))));
    list.forEach((v, i) => {
      lineart.append(svg("line", { class: "axis", x1: x(v), x2: x(v), y1: at.base, y2: at.base + 4 }));
      const last = i === list.length - 1;
      const share = axis.word !== compact;
      const places = histogramPlaces(scale);
      const word = !share ? compact(v) : last ? axis.word(v, places) : digits(100 * v, places);
      const dx = last && share ? "0.4em" : 0;
      lineart.append(svg("text", { x: x(v), y: at.base, dy: "1.2em", "text-anchor": "middle", dx }, word));
    });
    lineart.append(svg("line", { class: "axis", x1: at.left - 4, x2: at.left, y1: at.top, y2: at.top }));
    lineart.append(svg("line", { class: "axis", x1: at.left, x2: at.left, y1: at.top, y2: at.base }));
    lineart.append(svg("text", { x: at.left - 7, y: at.top, dy: "0.35em", "text-anchor": "end" }, `${one.most}`));
    lineart.append(svg("text", { x: at.left - 7, y: at.base, dy: "0.1em", "text-anchor": "end" }, "0"));
    if (axis.cuts) sigmas(one, em);
  }

  /** The paper's thresholds, mean − k standard deviations of the layer's living neurons; those left of the axis are none. */
  function sigmas({ about, at, scale, lineart, x }, em) {
    if (absent(about.mean) || absent(about.std) || !(about.std > 0)) return;
    let free = -Infinity;
    for (const k of HISTOGRAM_SIGMAS) {
      const v = (about.mean - k * about.std) * axis.factor;
      if (v < scale.low || v > scale.high) continue;
      const d = `M${x(v) - 0.24 * em} ${at.top - 0.62 * em}h${0.48 * em}L${x(v)} ${at.top - 0.1 * em}z`;
      lineart.append(svg("path", { class: "sigma", d }));
      lineart.append(svg("line", { class: "sigma", x1: x(v), x2: x(v), y1: at.top - 0.1 * em, y2: at.base }));
      if (x(v) - free < 1.9 * em) continue; // words that would run into one another are left out, the sign stands
      lineart.append(svg("text", { x: x(v), y: at.top - 0.8 * em, "text-anchor": "middle" }, `−${k}σ`));
      free = x(v);
    }
  }

  // ---- drawing ----

  function draw(state) {
    if (!model || !layers.length) return;
    if (looked !== null && looked !== state.layer) resize();
    if (!layers.some((one) => one.at)) return;
    const { percent: p, hand } = state;
    const byHand = whoByHand(hand) && model.exact;
    layers.forEach((one, l) => {
      if (one.root.hidden) return;
      const gone = new Uint16Array(one.scale.bins);
      let count = 0;
      for (let unit = 0; unit < one.goes.length; unit++) {
        if (one.goes[unit] === 0 || (byHand ? model.alive(l, unit, p, hand) : one.goes[unit] > p)) continue;
        gone[one.bin[unit]]++;
        count++;
      }
      if (gone.length !== one.gone.length || gone.some((n, i) => n !== one.gone[i])) bars(one, gone);
      const line = lines ? lines[l][p] : null;
      say(one.count, `${count} of ${one.living} gone${ownLine(line)}`);
      if (lines) moveLine(one, line, l, p);
    });
    if (lines) sayLine(lines[0][p]);
  }

  const lineInWords = (line) => (Number.isFinite(line) ? `at ${axis.word(line, 1)}` : "past the last");
  const ownLine = (line) => (lines && model.header.scope === "layer" ? `, line ${lineInWords(line)}` : "");
  const sayLine = (line) => say(part.lineWords, model.header.scope === "layer" ? "cut line, drag it" : `cut line ${lineInWords(line)}, drag it`);

  function bars(one, gone) {
    const { ctx, canvas, totals, rates, at, most, x, scale } = one;
    const dpr = stage.dpr || devicePixelRatio;
    one.gone = gone;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    const base = Math.round(at.base * dpr);
    const tall = (n) => Math.max(n ? 2 : 0, Math.round((n / most) * (at.base - at.top) * dpr));
    for (let b = 0; b < totals.length; b++) {
      if (!totals[b]) continue;
      const left = Math.round(x(scale.low + b * scale.width) * dpr) + 1;
      const wide = Math.max(1, Math.round(x(scale.low + (b + 1) * scale.width) * dpr) - left);
      const whole = tall(totals[b]);
      const stays = gone[b] < totals[b] ? (gone[b] ? Math.min(whole - 2, tall(totals[b] - gone[b])) : whole) : 0;
      ctx.fillStyle = palette.full[rates[b]];
      ctx.fillRect(left, base - stays, wide, stays);
      if (!gone[b]) continue;
      ctx.fillStyle = hatch;
      ctx.fillRect(left, base - whole, wide, whole - stays);
    }
  }

  function moveLine(one, line, l, p) {
    const v = Number.isFinite(line) ? line : Math.max(histogramEnd(lines[l]), one.scale.low);
    const x = Math.max(one.at.left, Math.min(one.at.right, one.x(v))); // one queue: a layer may lie wholly on one side of the line
    if (one.line !== x) one.grip.style.transform = `translateX(${x.toFixed(2)}px)`;
    one.line = x;
    one.grip.setAttribute("aria-valuenow", p);
    one.grip.setAttribute("aria-valuetext", `${p} percent, line ${lineInWords(line)}`);
  }

  // ---- the line under the hand ----

  function listen(plot, grip, l) {
    const to = (event, bounds) => {
      const one = layers[l];
      const x = event.clientX - bounds.left - dragged.offset;
      const value = one.scale.low + ((x - one.at.left) / (one.at.right - one.at.left)) * (one.scale.high - one.scale.low);
      const p = histogramPercentAt(lines[l], value, model.header.start || 0, stage.state.percent);
      if (p !== stage.state.percent) stage.set({ percent: p });
    };
    plot.addEventListener("pointerdown", (event) => {
      if (!lines || event.button !== 0) return;
      event.preventDefault();
      const bounds = plot.getBoundingClientRect();
      const from = event.clientX - bounds.left;
      const held = Math.abs(from - layers[l].line) < 0.9 * stage.theme.size; // taken where it stands, it does not jump
      dragged = { layer: l, offset: held ? from - layers[l].line : 0, bounds };
      plot.setPointerCapture(event.pointerId);
      grip.focus({ preventScroll: true });
      if (!held) to(event, bounds);
    });
    plot.addEventListener("pointermove", (event) => dragged?.layer === l && to(event, dragged.bounds));
    const drop = () => (dragged = null);
    plot.addEventListener("pointerup", drop);
    plot.addEventListener("pointercancel", drop);
    grip.addEventListener("keydown", (event) => {
      const { percent: p } = stage.state;
      const start = model.header.start || 0;
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -100, End: 100 };
      if (!(event.key in steps) || !isPlain(event)) return;
      const next = p + steps[event.key];
      event.preventDefault();
      event.stopPropagation();
      stage.set({ percent: Math.max(start, Math.min(100, next)) });
    });
  }

  // ---- for those who can't see it ----

  const goneOf = (one, l, { percent: p, hand }) => one.goes.filter((g, unit) => g > 0 && !model.alive(l, unit, p, hand)).length;
  const where = (l, p) => (lines ? (Number.isFinite(lines[l][p]) ? axis.word(lines[l][p], 1) : "past the last") : "none");

  function text(state) {
    if (!model || !layers.length) return part.missing.textContent;
    const line = (l) => (lines ? `, cut line at ${where(l, state.percent)}` : "");
    const counts = layers.map((one, l) => `${one.about.name}: ${goneOf(one, l, state)} of ${one.living} gone${line(l)}`);
    return `Histogram of ${axis.words}, at ${state.percent}${NARROW}%. ${counts.join("; ")}.`;
  }

  function table(state) {
    if (!model || !layers.length) return null;
    const marks = axis.cuts ? HISTOGRAM_SIGMAS.flatMap((k) => [`mean − ${k}σ`, `below mean − ${k}σ`]) : [];
    const head = ["Layer", "Living at the start", "Gone", ...(axis.cuts ? ["Cut line", "Mean"] : []), ...marks];
    const rows = layers.map((one, l) => {
      const { mean, std } = one.about;
      const cells = [one.about.name, one.living, goneOf(one, l, state)];
      if (!axis.cuts) return cells;
      const below = (v) => one.values.filter((value, unit) => one.goes[unit] > 0 && value < v).length;
      const sigma = HISTOGRAM_SIGMAS.flatMap((k) => {
        if (absent(mean) || absent(std)) return ["–", "–"];
        const v = (mean - k * std) * axis.factor;
        return [axis.word(v, 1), below(v)];
      });
      return [...cells, where(l, state.percent), absent(mean) ? "–" : axis.word(mean * axis.factor, 1), ...sigma];
    });
    return { head, rows };
  }

  return { setModel, resize, draw, text, table, oneLayer: () => crowded };
}

/** Digits after the point that the ticks of a percent axis need. */
const histogramPlaces = ({ low, high }) => (high - low < 0.02 ? 2 : high - low < 0.06 ? 1 : 0);

function histogramMissing(header, axis) {
  if (!header.layers?.length) return "This network has no hidden layer, so there is nothing to count.";
  if (axis.counted && !header.seen) return "Nothing was counted yet for this network, so no firing frequency is known.";
  return "";
}

function histogramWords(header, axis, brief) {
  if (brief) return `Across: ${axis.words}; up: neurons.${axis.cuts ? "" : " Weights are ranked here: no cut line."}`;
  const ground = axis.counted ? ` (${header.seen.toLocaleString("en")} images counted while training)` : "";
  const colour = axis.words === HISTOGRAM_AXES["activation-frequency"].words ? "" : " Colour: how often they fire, as on the board.";
  const own = header.scope === "layer";
  const queue = own ? "Each layer has its own queue and its own line." : "One queue: the line is the same in every layer.";
  const cut = axis.cuts ? queue : "This criterion ranks weights, not neurons: there is no line to draw.";
  return `Across: ${axis.words}${ground}; up: neurons.${colour} ${cut}`;
}

/** Per bar: neurons living at the start and how often they fire on the layer's scale, as a byte. */
function histogramTotals(bin, goes, rate, bins) {
  const totals = new Uint16Array(bins);
  const sums = new Float64Array(bins);
  let living = 0;
  bin.forEach((b, unit) => {
    if (goes[unit] === 0) return; // gone before: in no queue
    totals[b]++;
    sums[b] += rate[unit];
    living++;
  });
  return { totals, living, rates: Array.from(sums, (sum, b) => (totals[b] ? Math.round(sum / totals[b]) : 0)) };
}
