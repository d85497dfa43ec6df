// A run as a film of its singular values: the scrubber, one plot a layer, one chart a layer over time, and the tables.
//
// A moment is a stage of an epoch: as trained, or just after a cut. `state.at` is the one on show; everything follows it in one frame.

const FILM_FIGURES = [
  ["rank", "rank"], ["stable_rank", "stable rank"], ["effective_rank", "effective rank"],
  ["spectral", "spectral norm"], ["frobenius", "Frobenius norm"], ["nuclear", "nuclear norm"],
];
const FILM_SHOWS = [["values", "values"], ["absolute", "absolute change"], ["relative", "relative change"]];
const FILM_SCALES = [["linear", "linear"], ["log", "log"]];
const FILM_AGAINST = [["before", "from before the cut"], ["start", "from the start"]];
const FILM_NUMBERS = [["all", "all values"], ["live", "the living"]];
const FILM_SPEEDS = [[1, "1 moment a second"], [3, "3 a second"], [8, "8 a second"], [20, "20 a second"]];
const FILM_LINES = [
  ["now", "now"], ["start", "at the start"], ["before", "before the cut"], ["random", "random cut of the same size"],
  ["bulk", "Marchenko–Pastur"], ["after", "later"],
];
const FILM_NEXT = 2; // epochs right after a cut that are drawn beside it

// Kept as long as the page is open: one who comes back finds the film as it was left.
const filmMemory = { run: null, at: null, choices: { show: "values", scale: "linear", against: "before", numbers: "all", figure: "rank", table: "ranks", speed: 3 }, off: [] };

const filmWord = (name, value) => (absent(value) ? "–" : name === "rank" ? String(Math.round(value)) : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const filmSigned = (word) => (v) => (absent(v) ? "–" : `${v > 0 ? "+" : v < 0 ? "−" : ""}${word(Math.abs(v))}`);

/** What the blob holds, by moment and layer. */
function filmModel({ header, arrays }) {
  const L = header.layers.length;
  const M = header.moments;
  const empty = new Float32Array(0);
  const slice = (list, places, i) => (places && i + 1 < places.length ? list.subarray(places[i], places[i + 1]) : empty);
  const values = (m, l) => slice(arrays.values, arrays.place, m * L + l);
  const count = (l) => Math.min(header.layers[l].units, header.layers[l].inputs);
  const full = (list, l) => {
    if (list.length === count(l)) return list;
    const padded = new Float32Array(count(l)); // the zeros that were not sent
    padded.set(list.subarray(0, count(l)));
    return padded;
  };
  const figure = (name, m, l) => arrays[name][m * L + l];
  const live = (m, l) => ({ out: arrays.live[2 * (m * L + l)], in: arrays.live[2 * (m * L + l) + 1] });
  const width = (m, l) => Math.min(live(m, l).out, live(m, l).in);
  const bulk = (m, l) => {
    const { out, in: inputs } = live(m, l);
    const scale = out * inputs ? figure("frobenius", m, l) / Math.sqrt(out * inputs) : 0;
    return slice(arrays.bulk, arrays.bulk_place, arrays.bulk_of[m * L + l]).map((v) => v * scale);
  };
  const diverged = (m) => absent(arrays.rank[m * L]);
  /** Random cuts in place of cut c: {mean, least, most}, null while they are not known. */
  const random = (c, l) => {
    if (c === null || !header.cuts[c].random) return null;
    const [mean, least, most] = [0, 1, 2].map((i) => full(slice(arrays.random_values, arrays.random_place, 3 * (c * L + l) + i), l));
    return { mean, least, most };
  };
  const randomFigure = (name, c, l) => {
    const i = FILM_FIGURES.findIndex(([known]) => known === name);
    const [mean, least, most] = [0, 1, 2].map((k) => arrays.random_figures[3 * ((c * L + l) * FILM_FIGURES.length + i) + k]);
    return { mean, least, most };
  };
  const epoch = Array.from({ length: M }, (_, m) => arrays.epoch[m]);
  const stage = (m) => arrays.stage[m];
  /** The last cut made up to moment m, null before the first. */
  const cutAt = (m) => {
    let found = null;
    header.cuts.forEach((cut, c) => cut.after <= m && (found = c));
    return found;
  };
  const inWords = (m) => {
    const cut = header.cuts.find((one) => one.before <= m && m <= one.after);
    if (!cut) return epoch[m] ? `epoch ${epoch[m]}` : "start, epoch 0";
    if (m === cut.before) return `epoch ${epoch[m]}, before ${cut.name}`;
    return `epoch ${epoch[m]}, ${m === cut.after ? "after" : "within"} ${cut.name}`;
  };
  const find = (e, s) => {
    const last = epoch.lastIndexOf(e);
    const first = epoch.indexOf(e);
    return first < 0 ? null : absent(s) ? last : Math.min(last, first + s);
  };
  return { header, L, M, values, full, count, figure, live, width, bulk, diverged, random, randomFigure, epoch, stage, cutAt, inWords, find };
}

function makeFilm(root) {
  const part = parts(root);
  const { choices } = filmMemory;
  const link = filmLink();
  Object.assign(choices, link.choices);
  const off = new Set(filmMemory.off);
  let model = null;
  let text = null; // of the header shown: the same blob again changes nothing
  let theme = null;
  let at = 0;
  let wished = link.at; // of the link: until the moment is there
  let plots = [];
  let charts = [];
  let ranges = new Map(); // axes, which stay while the film runs
  let frame = 0;
  let stale = false; // charts and tables too
  let resting = 0;
  let tableOf = "";

  // ---- choices ----
  const presses = [];
  const choose = (parent, label, options, name) => presses.push(panelSwitch(parent, label, options, () => choices[name], (value) => {
    choices[name] = value;
    presses.forEach((press) => press());
    stale = true;
    schedule();
    rest();
  }));
  choose(part.valueSwitches, "What is drawn", FILM_SHOWS, "show");
  choose(part.valueSwitches, "Change from", FILM_AGAINST, "against");
  choose(part.valueSwitches, "Scale", FILM_SCALES, "scale");
  choose(part.valueSwitches, "Values on the axis", FILM_NUMBERS, "numbers");
  choose(part.figureSwitches, "Figure over time", FILM_FIGURES, "figure");
  choose(part.tableSwitches, "Figures in the tables", [["ranks", "ranks"], ["norms", "norms"]], "table");
  const [, againstSwitch, scaleSwitch] = part.valueSwitches.children;
  const keys = plotKeys(part.keys, "Lines of the plots");
  const chartKeys = plotKeys(part.chartKeys, "Lines of the charts");
  for (const [value, words] of FILM_SPEEDS) part.speed.append(new Option(words, value));
  part.speed.value = String(choices.speed);
  part.speed.addEventListener("change", () => {
    choices.speed = Number(part.speed.value);
    rest();
  });
  const toggle = (kind) => {
    off.has(kind) ? off.delete(kind) : off.add(kind);
    filmMemory.off = [...off];
    schedule();
  };

  // ---- a new blob ----
  function show(blob) {
    const came = unpack(blob);
    const waits = came.header.problem || !(came.header.layers || []).length || !came.header.moments;
    part.wait.hidden = !waits;
    part.main.hidden = Boolean(waits);
    say(part.wait, waits ? came.header.problem || came.header.title || "The first moment of this run is being made." : "");
    theme = plotTheme(root);
    if (waits) {
      model = text = null;
      return;
    }
    if (came.text !== text) {
      const before = model;
      const atEnd = before && at === before.M - 1;
      const was = before && { epoch: before.epoch[at], stage: before.stage(at) };
      text = came.text;
      model = filmModel(came);
      ranges = new Map();
      if (!before || before.header.run !== model.header.run) place();
      else at = atEnd ? model.M - 1 : model.find(was.epoch, was.stage) ?? model.M - 1;
      arrange();
    }
    stale = true;
    schedule();
  }

  /** Where the film stands at first: as the link says, as it was left, else right after the last cut. */
  function place() {
    player.stop();
    const { cuts, run } = model.header;
    const kept = filmMemory.run === run ? filmMemory.at : null;
    const wish = wished && model.find(wished.epoch, wished.stage);
    const back = kept && model.find(kept.epoch, kept.stage);
    const moving = !model.header.finished;
    at = wish ?? back ?? (moving || !cuts.length ? model.M - 1 : cuts.at(-1).after);
    wished = null;
  }

  function arrange() {
    const { layers } = model.header;
    while (plots.length < model.L) plots.push(makeSpectrumPlot(part.multiples, { name: layers[plots.length].name }));
    while (charts.length < model.L) charts.push(newChart());
    for (const list of [plots, charts]) while (list.length > model.L) drop(list.pop());
    for (const box of [part.multiples, part.charts]) box.classList.toggle("few", model.L < 3);
    part.scrubber.setAttribute("aria-valuemax", String(model.M - 1));
    drawTrack();
  }

  const drop = (one) => {
    one.close();
    one.box.remove();
  };

  function newChart() {
    const chart = makeChart(part.charts, { name: model.header.layers[charts.length].name, keys: false });
    chart.onPoint((i, epoch, how) => how !== "hover" && go(model.find(epoch)));
    return chart;
  }

  // ---- the scrubber ----
  const share = (m) => (model.M > 1 ? (100 * m) / (model.M - 1) : 0);

  function drawTrack() {
    const wide = part.track.clientWidth || 800;
    const gap = 1.1 * theme.size;
    let last = -Infinity;
    part.cuts.replaceChildren(...model.header.cuts.map((cut, c) => {
      const x = (share(cut.after) / 100) * wide;
      const narrow = x - last < gap;
      if (!narrow) last = x;
      const button = Object.assign(document.createElement("button"), { type: "button", className: `film-cut${narrow ? " narrow" : ""}`, tabIndex: -1 });
      button.textContent = narrow ? "" : cut.name.replace(/^cut /, "").replace("by hand", "✋");
      button.title = `${cut.name}, epoch ${cut.epoch}`;
      button.setAttribute("aria-label", button.title);
      button.style.left = `${share(cut.after)}%`;
      button.dataset.testid = `film-cut-${c + 1}`;
      button.addEventListener("pointerdown", (event) => event.stopPropagation());
      button.addEventListener("click", () => go(cut.after));
      return button;
    }));
    const every = ticks(0, model.epoch.at(-1), Math.max(2, Math.floor(wide / (4 * theme.size)))).filter((v) => Number.isInteger(v));
    const end = model.epoch.at(-1);
    const seen = [];
    const names = [];
    for (const epoch of [end, ...every]) {
      const m = model.find(epoch, 0);
      const x = m === null ? null : (share(m) / 100) * wide;
      if (x === null || seen.some(([other, room]) => Math.abs(other - x) < room)) continue;
      const words = epoch === end ? `epoch ${epoch}` : String(epoch);
      seen.push([x, (epoch === end ? 4.5 : 2) * theme.size]);
      const name = Object.assign(document.createElement("span"), { textContent: words });
      name.style.left = `${share(m)}%`;
      if (epoch === end) name.style.transform = "translateX(-85%)";
      names.push(name);
    }
    part.ticks.replaceChildren(...names);
  }

  function go(m, { stop = true } = {}) {
    if (!model || m === null) return;
    if (stop) player.stop();
    const next = Math.min(model.M - 1, Math.max(0, m));
    if (next === at) return;
    at = next;
    schedule();
    if (stop) rest();
  }

  const nextCut = (from) => model.header.cuts.find((cut) => cut.after > from)?.after ?? model.M - 1;
  const previousCut = (from) => model.header.cuts.findLast((cut) => cut.after < from)?.after ?? 0;

  // ---- one frame ----
  function schedule() {
    if (!frame) frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (!model) return;
    const words = model.inWords(at);
    part.thumb.style.left = `${share(at)}%`;
    part.gone.style.width = `${share(at)}%`;
    part.scrubber.setAttribute("aria-valuenow", String(at));
    part.scrubber.setAttribute("aria-valuetext", words);
    say(part.now, words);
    say(part.title, [model.header.title, ...model.header.notes].join(" "));
    part.previous.disabled = at === 0;
    part.next.disabled = at === model.M - 1;
    againstSwitch.hidden = choices.show === "values";
    scaleSwitch.hidden = choices.show !== "values";
    drawKeys();
    plots.forEach((plot, l) => plot.show({ theme, ...spectrumOf(l) }));
    if (stale) {
      drawCharts();
      drawTables();
      say(part.about, about());
    } else charts.forEach((chart) => chart.setCursor(model.epoch[at]));
    markRows();
    stale = false;
    Object.assign(root.dataset, { at: String(at), moments: String(model.M), epoch: String(model.epoch[at]), run: model.header.run, randoms: String(model.header.cuts.filter((cut) => cut.random).length) });
  }

  function drawKeys() {
    const cut = model.cutAt(at);
    const values = choices.show === "values";
    const beside = cut !== null && (values || choices.against === "before");
    const now = { before: cut !== null, random: beside && model.header.cuts[cut].random, after: model.header.cuts.some((one) => one.after === at) };
    const idle = new Set(Object.keys(now).filter((kind) => !now[kind]));
    const pruned = model.header.cuts.length > 0;
    const there = { now: true, start: values, bulk: values, before: values && pruned, random: pruned, after: pruned };
    const entries = FILM_LINES.filter(([kind]) => there[kind]).map(([kind, words]) => ({ kind, words, band: kind === "random", title: filmHelp(kind, model.header.draws) }));
    keys.show(entries, { off, toggle, idle });
  }

  /** What changes are counted from now: "before" the last cut, or the "start" where none was made yet. */
  const reference = () => (choices.against === "before" && model.cutAt(at) !== null ? "before" : "start");

  /** Everything that layer l's plot shows at this moment. */
  function spectrumOf(l) {
    const c = model.cutAt(at);
    const cut = c === null ? null : model.header.cuts[c];
    const shownCut = cut && at === cut.after;
    const full = (m) => (model.diverged(m) ? [] : model.full(model.values(m, l), l));
    const random = model.random(c, l);
    const list = [];
    const add = (kind, values, words, more = {}) => !off.has(kind.split(" ")[0]) && values.length && list.push({ kind, values, words, ...more });
    add("start", full(0), "start");
    if (choices.show === "values") add("bulk", model.bulk(at, l), "random matrix", { quiet: true });
    if (cut) add("before", full(cut.before), "before");
    if (shownCut) {
      const end = cut.later ?? at;
      for (let m = at + 1; m <= Math.min(at + FILM_NEXT, end - 1); m++) add("after thin", full(m), "", { quiet: true });
      if (cut.later !== null) add("after", full(cut.later), cut.later === model.M - 1 && !model.header.finished ? "so far" : "later");
    }
    add("now", full(at), "now", { under: choices.show === "values" });
    if (random) add("random", random.mean, "random cut"); // on top: dots on the line where the two are the same
    const bands = random && !off.has("random") ? [{ low: random.least, high: random.most, kind: "random" }] : [];
    const now = { list, bands };
    const shown = choices.show === "values" ? now : changes(l, now, full);
    const [floor, ceiling] = range(l, full);
    const word = choices.show === "values" ? compact : choices.show === "absolute" ? filmSigned(compact) : filmSigned((v) => percent(v, 0));
    return {
      title: model.header.layers[l].name, sub: rankWords(l), note: noteWords(l, c), log: choices.show === "values" && choices.scale === "log",
      lines: shown.list, bands: shown.bands, ceiling, floor, word, count: choices.numbers === "live" ? livingCount(l, cut) : model.count(l), marks: marks(l),
      message: model.diverged(at) ? "diverged: no singular values" : model.figure("spectral", at, l) ? "" : "all values are 0",
    };
  }

  /** How many values live now, or did before the last cut: the part of the axis where something is to be seen. */
  const livingCount = (l, cut) => Math.min(model.count(l), Math.max(4, cut ? model.width(cut.before, l) : model.width(at, l)));

  /** The lines as changes from the reference; relative ones only where the reference is above its tolerance. */
  function changes(l, { list, bands }, full) {
    const from = reference();
    const c = model.cutAt(at);
    const m = from === "start" ? 0 : model.header.cuts[c].before;
    const base = full(m);
    const least = model.figure("tolerance", m, l);
    const relative = choices.show === "relative";
    const change = (values) => Array.from(base, (v, i) => (relative ? (v > least ? (values[i] || 0) / v - 1 : NaN) : (values[i] || 0) - v));
    const compared = list.filter(({ kind }) => kind !== from && kind !== "start" && (from === "before" || !["random", "before"].includes(kind)));
    return {
      list: compared.map((line) => ({ ...line, values: change(line.values) })),
      bands: from === "before" ? bands.map((band) => ({ ...band, low: change(band.low), high: change(band.high) })) : [],
    };
  }

  /** The axis of layer l: the same through the whole film. */
  function range(l, full) {
    const name = `${l} ${choices.show} ${choices.against}`;
    if (!ranges.has(name)) ranges.set(name, choices.show === "values" ? [0, plotCeiling(topOf(l))] : changeRange(l, full));
    return ranges.get(name);
  }

  function topOf(l) {
    let high = 0;
    for (let m = 0; m < model.M; m++) high = Math.max(high, model.values(m, l)[0] || 0, model.bulk(m, l)[0] || 0);
    return high;
  }

  function changeRange(l, full) {
    let [low, high] = [0, 0];
    for (let m = 0; m < model.M; m++) {
      if (model.diverged(m)) continue;
      const c = model.cutAt(m);
      const from = choices.against === "before" && c !== null ? model.header.cuts[c].before : 0;
      const base = full(from);
      const least = model.figure("tolerance", from, l);
      const values = full(m);
      for (let i = 0; i < base.length; i++) {
        const change = choices.show === "absolute" ? values[i] - base[i] : base[i] > least ? values[i] / base[i] - 1 : 0;
        [low, high] = [Math.min(low, change), Math.max(high, change)];
      }
    }
    if (choices.show === "relative") return [low < -0.5 ? -1 : -plotCeiling(-low || 0.01), Math.min(2, plotCeiling(Math.max(high, 0.1)))];
    return [low < 0 ? -plotCeiling(-low) : 0, high > 0 ? plotCeiling(high) : low < 0 ? 0 : 1];
  }

  const rankWords = (l) => {
    const { out, in: inputs } = model.live(at, l);
    return `rank ${filmWord("rank", model.figure("rank", at, l))} · live ${inputs} × ${out}`;
  };

  function noteWords(l, c) {
    const figures = ["stable_rank", "effective_rank"].map((name) => filmWord(name, model.figure(name, at, l)));
    const words = `stable ${figures[0]}, effective ${figures[1]}`;
    if (c === null || at !== model.header.cuts[c].after) return words;
    if (!model.header.cuts[c].random) return `${words} (random: …)`;
    const random = ["stable_rank", "effective_rank"].map((name) => filmWord(name, model.randomFigure(name, c, l).mean));
    return `stable ${figures[0]} (random ${random[0]}), effective ${figures[1]} (${random[1]})`;
  }

  function marks(l) {
    if (model.diverged(at)) return [];
    const rank = model.figure("rank", at, l);
    const width = model.width(at, l);
    const full = model.count(l);
    if (!width || (rank === width && width === full)) return [];
    if (rank === width) return [{ x: width, words: `rank ${rank} = live width`, kind: "strong" }];
    return [{ x: Math.max(1, rank), words: `rank ${rank} < live width ${width}`, kind: "strong" }, { x: width }];
  }

  // ---- over time ----
  function drawCharts() {
    const name = choices.figure;
    const words = FILM_FIGURES.find(([known]) => known === name)[1];
    say(part.chartTitle, `${words[0].toUpperCase()}${words.slice(1)} over the epochs`);
    const cuts = model.header.cuts;
    chartKeys.show([
      { kind: "now", words },
      ...(name === "rank" ? [{ kind: "width", words: "live width: the thinner side of the layer" }] : []),
      ...(cuts.some((cut) => cut.random) ? [{ kind: "random", spot: true, words: `right after a random cut (mean of ${model.header.draws})` }] : []),
    ]);
    charts.forEach((chart, l) => {
      const all = Array.from({ length: model.M }, (_, m) => m);
      const y = all.map((m) => model.figure(name, m, l));
      const width = all.map((m) => model.width(m, l));
      const halo = name === "rank" ? [{ x: model.epoch, y: width, kind: "width", words: "live", halo: true }] : [];
      const series = [...halo, { x: model.epoch, y, kind: "now", words }];
      const spots = cuts.flatMap((cut, c) => (cut.random ? [{ x: cut.epoch, y: model.randomFigure(name, c, l).mean, kind: "random", words: "random" }] : []));
      const seen = [...y, ...(name === "rank" ? width : []), ...spots.map((spot) => spot.y)].filter((v) => !absent(v));
      chart.show({
        theme, title: model.header.layers[l].name, series, spots, xTitle: "epoch", cursor: model.epoch[at], xRange: [0, filmEnd(model)],
        yRange: [0, plotCeiling(Math.max(1e-9, ...seen))], yWord: (v) => (name === "rank" ? String(Math.round(v)) : compact(v)),
        marks: cuts.map((cut) => ({ x: cut.epoch, words: cut.name.replace(/^cut /, "").replace("by hand", "✋"), kind: "cut" })),
      });
    });
  }

  // ---- tables ----
  const inTable = () => (choices.table === "ranks" ? FILM_FIGURES.slice(0, 3) : FILM_FIGURES.slice(3));

  function drawTables() {
    const now = `${text} ${choices.table}`;
    if (now === tableOf) return;
    tableOf = now;
    part.tableFold.hidden = !model.header.cuts.length;
    drawDrop();
    drawTable();
  }

  /** All drops together: what any cut of that size takes, and what comes back. */
  function drawDrop() {
    const { cuts } = model.header;
    if (!cuts.length) {
      filmRows(part.drop, [], [[{ words: "No cut was made so far.", head: true }]]);
      return;
    }
    const end = model.header.finished ? "at the end" : "so far";
    const words = ["all layers together", "at the start", "training before the first cut", "the cuts", "random cuts instead", "training after the cuts", end];
    const head = [words.map((one) => ({ words: one, head: true }))];
    const rows = model.header.drops.filter((drop) => inTable().some(([name]) => name === drop.name)).map((drop) => {
      const word = (v) => (absent(v) ? "–" : filmWord(drop.name, v));
      const signed = (v) => (absent(v) ? "–" : filmSigned((one) => filmWord(drop.name, one))(v));
      const share = (v) => (absent(v) || !(drop.cuts < 0) ? "" : ` (${percent(Math.abs(v / drop.cuts), 0)} of it)`);
      return [
        { words: FILM_FIGURES.find(([name]) => name === drop.name)[1], head: true }, { words: word(drop.start) }, { words: signed(drop.training) },
        { words: signed(drop.cuts), strong: true }, { words: model.header.randoms ? signed(drop.random) + share(drop.random) : "…", kind: "random" },
        { words: signed(drop.back) + (drop.back > 0 ? share(drop.back) : "") }, { words: word(drop.end) },
      ];
    });
    filmRows(part.drop, head, rows);
  }

  function drawTable() {
    const { cuts, layers } = model.header;
    const groups = inTable();
    const columns = ["before", "after", "random", "later"];
    const head = [
      [{ words: "", head: true, span: 3 }, ...groups.map(([, words]) => ({ words, head: true, span: 4, kind: "over group" }))],
      [{ words: "cut", head: true }, { words: "layer", head: true }, { words: "live in × out", head: true }, ...groups.flatMap(() => columns.map((words, i) => ({ words, head: true, kind: i ? "" : "group" })))],
    ];
    const rows = cuts.flatMap((cut, c) => layers.map((layer, l) => {
      const side = (m) => `${model.live(m, l).in} × ${model.live(m, l).out}`;
      const cells = groups.flatMap(([name]) => {
        const of = (m) => (m === null ? "–" : filmWord(name, model.figure(name, m, l)));
        const random = cut.random ? model.randomFigure(name, c, l) : null;
        const range = random ? `${filmWord(name, random.least)} to ${filmWord(name, random.most)} in ${model.header.draws} draws` : "being worked out";
        return [
          { words: of(cut.before), kind: "group" }, { words: of(cut.after), strong: true },
          { words: random ? filmWord(name, random.mean) : "…", kind: "random", title: range }, { words: of(cut.later), title: cut.later_words },
        ];
      });
      return Object.assign([
        { words: l ? "" : `${cut.name}, epoch ${cut.epoch}`, head: true }, { words: layer.name, head: true },
        { words: `${side(cut.before)} → ${side(cut.after)}` }, ...cells,
      ], { first: !l, cut: c });
    }));
    filmRows(part.table, head, rows);
  }

  function markRows() {
    const c = model.cutAt(at);
    for (const row of part.table.tBodies[0]?.rows || []) row.classList.toggle("current", c !== null && Number(row.dataset.cut) === c);
  }

  const about = () => [
    "Rank: singular values above the largest × max(rows, columns) × float32 epsilon.",
    "Stable rank: Frobenius² / spectral². Effective rank: exp of the entropy of the values as shares of their sum.",
    "Live: how many columns (in) × rows (out) of the matrix are not all zero; the rank cannot be above the thinner side.",
    `Random cut: as many neurons (or weights) taken from each layer, but any; mean and range of ${model.header.draws} draws.`,
    "Later: right before the next cut, or at the end: trained on after the cut.",
    "Space plays, arrow keys step, page up and page down go from cut to cut.",
  ].join(" ");

  // ---- play ----
  function signPlaying(on) {
    part.playSign.setAttribute("d", on ? "M5 3H8.6V17H5ZM11.4 3H15V17H11.4Z" : "M5 3L17 10L5 17Z");
    part.play.setAttribute("aria-pressed", String(on));
    part.play.setAttribute("aria-label", on ? "Pause" : "Play the film");
    part.play.title = on ? "Pause (space)" : "Play (space)";
  }

  const player = filmPlayer({
    speed: () => (calm() ? Math.min(1, choices.speed) : choices.speed),
    begin: () => at >= model.M - 1 && go(0, { stop: false }),
    step: () => {
      go(at + 1, { stop: false });
      return at < model.M - 1;
    },
    playing: (on) => {
      signPlaying(on);
      if (!on) rest();
    },
  });

  // ---- the hand ----
  part.play.addEventListener("click", () => model && player.toggle());
  part.previous.addEventListener("click", () => go(previousCut(at)));
  part.next.addEventListener("click", () => go(nextCut(at)));
  let dragging = false;
  const under = (event) => {
    const box = part.track.getBoundingClientRect();
    return Math.round(((event.clientX - box.left) / (box.width || 1)) * (model.M - 1));
  };
  part.scrubber.addEventListener("pointerdown", (event) => {
    if (event.button || !model) return;
    dragging = true;
    part.scrubber.setPointerCapture(event.pointerId);
    part.scrubber.focus({ preventScroll: true });
    go(under(event));
  });
  part.scrubber.addEventListener("pointermove", (event) => dragging && go(under(event)));
  for (const end of ["pointerup", "pointercancel"]) part.scrubber.addEventListener(end, () => (dragging = false));

  function onKey(event) {
    if (!model || !isFree(event, part.scrubber)) return;
    const onScrubber = event.composedPath()[0] === part.scrubber;
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1,
      ...(onScrubber && { ArrowDown: at - 1, ArrowUp: at + 1, Home: 0, End: model.M - 1, PageUp: previousCut(at), PageDown: nextCut(at) }),
    }[event.key];
    if (event.key === " ") player.toggle();
    else if (to !== undefined) go(to);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // ---- at rest: the link, and what is kept ----
  function rest() {
    clearTimeout(resting);
    resting = setTimeout(() => {
      if (!model || player.on()) return;
      Object.assign(filmMemory, { run: model.header.run, at: { epoch: model.epoch[at], stage: model.stage(at) } });
      filmToLink(model, at, choices);
    }, 200);
  }

  const redraw = () => {
    theme = plotTheme(root);
    if (!model) return;
    stale = true;
    drawTrack();
    schedule();
  };
  const closeTheme = followTheme(root, redraw);
  const watch = new ResizeObserver(() => model && (redraw(), 0));
  watch.observe(part.track);
  addEventListener("keydown", onKey, true);
  signPlaying(false);

  function close() {
    player.stop();
    cancelAnimationFrame(frame);
    clearTimeout(resting);
    watch.disconnect();
    closeTheme();
    for (const one of [...plots, ...charts]) one.close();
    removeEventListener("keydown", onKey, true);
  }
  return { show, close };
}

/** Last epoch on the charts: grows in steps, so that the picture stays still while a run goes on. */
function filmEnd(model) {
  const last = Math.max(model.epoch.at(-1), 1);
  if (model.header.finished) return last;
  return [10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500].find((step) => step >= last + 1) ?? Math.ceil(last / 500 + 0.01) * 500;
}

function filmHelp(kind, draws) {
  return {
    now: "the moment on show", start: "the layer at initialisation", before: "right before the last cut",
    random: `as many neurons (or weights) taken from each layer, but any: mean and range of ${draws} draws, right after the cut`,
    bulk: "what to expect of independent entries: a random matrix of the living block's size and variance",
    after: "the next epochs after this cut, thin, and the moment right before the next cut",
  }[kind];
}

function filmRows(table, head, rows) {
  const line = (cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map(({ words, head: isHead, span, kind, title, strong }) => {
      const cell = document.createElement(isHead ? "th" : "td");
      if (span) cell.colSpan = span;
      if (kind) cell.className = kind;
      if (title) cell.title = title;
      cell.append(strong ? Object.assign(document.createElement("b"), { textContent: words }) : words);
      return cell;
    }));
    if (cells.first) row.className = "first";
    if (cells.cut !== undefined) row.dataset.cut = cells.cut;
    return row;
  };
  const [top, body] = [document.createElement("thead"), document.createElement("tbody")];
  top.append(...head.map(line));
  body.append(...rows.map(line));
  table.replaceChildren(top, body);
}

/** Steps at a pace until `step` says that it is over. */
function filmPlayer({ speed, begin, step, playing }) {
  let timer = 0;
  const stop = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    playing(false);
  };
  const tick = () => {
    timer = setTimeout(tick, 1000 / speed());
    if (!step()) stop();
  };
  const start = () => {
    begin();
    timer = setTimeout(tick, 1000 / speed());
    playing(true);
  };
  return { stop, toggle: () => (timer ? stop() : start()), on: () => Boolean(timer) };
}

/** What the address says of the film; what it says wrongly is left out. */
function filmLink() {
  const query = new URLSearchParams(location.search);
  const moment = /^(\d{1,6})(?:\.(\d))?$/.exec(query.get("at") || "");
  const allowed = { show: FILM_SHOWS, scale: FILM_SCALES, against: FILM_AGAINST, numbers: FILM_NUMBERS, figure: FILM_FIGURES };
  const choices = {};
  for (const [name, options] of Object.entries(allowed)) {
    const value = query.get(name);
    if (options.some(([known]) => known === value)) choices[name] = value;
  }
  return { at: moment && { epoch: Number(moment[1]), stage: moment[2] === undefined ? null : Number(moment[2]) }, choices };
}

function filmToLink(model, at, choices) {
  const said = { at: `${model.epoch[at]}.${model.stage(at)}` };
  const usual = { show: "values", scale: "linear", against: "before", numbers: "all", figure: "rank" };
  for (const [name, first] of Object.entries(usual)) said[name] = choices[name] === first ? null : choices[name];
  writeAddress(said);
}

export default keepMounted(".film", (root) => makeFilm(root));
