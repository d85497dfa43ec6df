// Accuracy against achieved sparsity: a line an arm, with its band, and its name at its end; requested against achieved beside it.
// `core.views.sparsity` packs the blob. Read after plots.js and judge.js, whose scales, colours and words these are.

const LADDER_LEAST = 0.05; // %: less than this being left is drawn at the end of the axis
const LADDER_SHAPES = ["circle", "square", "up", "down", "diamond", "cross", "plus", "star"];
const LADDER_OWN = { "activation-frequency": "circle", inactivity: "square", magnitude: "up", "fresh-small, same target": "circle", "fresh-small, same epochs": "square" }; // arms with a colour of their own; the others share one, and take a shape each
const ladderMemory = { off: new Set() }; // arms that are hidden, by name

/** A share of zeros in % -> how often what is left was halved; the axes are even in this. */
const ladderRung = (share) => Math.log2(100 / Math.max(LADDER_LEAST, 100 - share));
const ladderTimes = (times) => (absent(times) ? "∞" : times >= 9.95 ? times.toFixed(0) : compact(Number(times.toFixed(1))));
const ladderShare = (share) => `${Number(share.toFixed(3))}`;

/** The path of an arm's mark, so that arms of one colour differ. */
function ladderMark(shape, x, y, r) {
  const [a, b] = [0.88 * r, 0.36 * r];
  const paths = {
    square: `M${x - a} ${y - a}H${x + a}V${y + a}H${x - a}Z`,
    up: `M${x} ${y - r}L${x + r} ${y + a}H${x - r}Z`,
    down: `M${x} ${y + r}L${x - r} ${y - a}H${x + r}Z`,
    diamond: judgeDiamond(x, y, 1.15 * r),
    plus: `M${x - b} ${y - r}H${x + b}V${y - b}H${x + r}V${y + b}H${x + b}V${y + r}H${x - b}V${y + b}H${x - r}V${y - b}H${x - b}Z`,
    cross: `M${x - r} ${y - a}L${x - a} ${y - r}L${x} ${y - b}L${x + a} ${y - r}L${x + r} ${y - a}L${x + b} ${y}L${x + r} ${y + a}L${x + a} ${y + r}L${x} ${y + b}L${x - a} ${y + r}L${x - r} ${y + a}L${x - b} ${y}Z`,
    star: `M${x} ${y - 1.2 * r}L${x + b} ${y - b}L${x + 1.2 * r} ${y}L${x + b} ${y + b}L${x} ${y + 1.2 * r}L${x - b} ${y + b}L${x - 1.2 * r} ${y}L${x - b} ${y - b}Z`,
  };
  return paths[shape] || `M${x - r} ${y}A${r} ${r} 0 1 1 ${x + r} ${y}A${r} ${r} 0 1 1 ${x - r} ${y}Z`;
}

/** Places wanted, ascending -> places at least `gap` apart, within top..base where they fit. */
function ladderSpread(wanted, gap, top, base) {
  const places = [];
  for (const place of wanted) places.push(Math.max(place, top, places.length ? places.at(-1) + gap : top));
  let most = base;
  for (let i = places.length - 1; i >= 0; i -= 1, most -= gap) places[i] = Math.min(places[i], most);
  return places;
}

function makeLadder(root) {
  const part = parts(root);
  const table = panelNode(part.table, "table");
  let [header, text, theme] = [{}, null, null];
  let pointed = null; // {name, ratio}; ratio null: the whole arm
  let spots = { curves: [], asked: [] }; // where the means are, in px
  let labels = new Map();
  const closeAll = [followTheme(root, draw), plotWatch(part.curves, drawPlots), plotWatch(part.asked, drawPlots)];

  function show(blob) {
    const came = unpack(blob);
    if (came.text !== text) {
      ({ header, text } = came);
      pointed = null;
      makeLabels();
    }
    draw();
  }

  /** All that has a label: the arms, and the line without pruning. */
  const named = () => [...header.arms, ...(header.baseline ? [header.baseline] : [])];
  const shown = () => header.arms.filter((arm) => !ladderMemory.off.has(arm.name));
  const baseline = () => (header.baseline && !ladderMemory.off.has(header.baseline.name) ? header.baseline : null);
  const shape = (name) => LADDER_OWN[name] || LADDER_SHAPES[header.arms.filter((arm) => !LADDER_OWN[arm.name]).findIndex((arm) => arm.name === name) % LADDER_SHAPES.length];
  /** Where an arm's line ends; a single seed has no mean, so its own value. */
  const end = (arm) => {
    const last = arm.points ? arm.points.at(-1) : arm;
    return last.mean ?? last.seeds.reduce((sum, seed) => sum + seed[2], 0) / last.seeds.length;
  };

  function draw() {
    if (!header.arms || !root.clientWidth) return;
    theme = plotTheme(root);
    const something = named().length > 0;
    Object.assign(root.dataset, { key: header.key, arms: header.arms.length, ratios: header.ratios.length });
    say(part.title, `Accuracy against what is zero: ${header.title}`);
    say(part.sentence, header.sentence);
    say(part.overshoot, header.overshoot);
    for (const one of [part.two, part.bar, part.figures]) one.hidden = !something;
    panelList(part.notes, header.notes);
    panelList(part.failed, header.failed);
    drawTable();
    drawPlots();
  }

  function panelList(box, sentences) {
    const words = JSON.stringify(sentences);
    if (box.dataset.words === words) return;
    box.dataset.words = words;
    box.replaceChildren();
    sentences.forEach((sentence) => panelNode(box, "li", "", sentence));
  }

  // ---- the labels, which hide and show ----
  function makeLabels() {
    part.labels.replaceChildren();
    const order = header.arms ? named().sort((a, b) => end(b) - end(a)) : [];
    labels = new Map(order.map((arm) => [arm.name, makeLabel(arm)]));
  }

  function makeLabel({ name, short }) {
    const button = panelNode(part.labels, "button");
    button.type = "button";
    button.dataset.arm = name;
    const sample = button.appendChild(svg("svg", { viewBox: "0 0 34 20", "aria-hidden": "true" }));
    sample.append(svg("path", { class: `curve ${judgeKind(name)}`, d: "M0 10H34" }));
    if (name !== header.baseline?.name) sample.append(svg("path", { class: `spot ${judgeKind(name)}`, d: ladderMark(shape(name), 17, 10, 6.5) }));
    button.append(short);
    button.addEventListener("click", () => {
      if (!ladderMemory.off.delete(name)) ladderMemory.off.add(name);
      if (ladderMemory.off.has(name)) pointed = null;
      drawPlots();
    });
    const whole = () => point(ladderMemory.off.has(name) ? null : { name, ratio: null });
    button.addEventListener("pointerenter", whole);
    button.addEventListener("focus", whole);
    for (const left of ["pointerleave", "blur"]) button.addEventListener(left, () => point(null));
    return button;
  }

  part.all.addEventListener("click", () => {
    ladderMemory.off.clear();
    drawPlots();
    labels.values().next().value?.focus();
  });

  // ---- the plots ----
  function drawPlots() {
    if (!theme || !header.arms || !part.curves.clientWidth) return;
    const hidden = named().filter((arm) => ladderMemory.off.has(arm.name)).length;
    part.all.style.visibility = hidden ? "" : "hidden";
    root.dataset.hidden = hidden;
    for (const [name, button] of labels) button.setAttribute("aria-pressed", String(!ladderMemory.off.has(name)));
    drawCurves();
    drawAsked();
    read();
  }

  function frame(plot, tall) {
    plot.style.height = `${tall}px`;
    plot.setAttribute("viewBox", `0 0 ${plot.clientWidth} ${tall}`);
  }

  /** The rungs that there is room to write, whole halvings first. `room`: how far from the next one a label needs to be. */
  function written(scale, room) {
    const halved = ({ times }) => Number(!Number.isInteger(Math.log2(times)));
    const found = [];
    for (const one of [...header.ratios].sort((a, b) => halved(a) - halved(b))) {
      const far = (other) => Math.abs(scale.at(ladderRung(one.share)) - scale.at(ladderRung(other.share)));
      if (found.every((other) => far(other) >= room([ladderShare(one.share), ladderShare(other.share)]))) found.push(one);
    }
    return found;
  }

  function drawCurves() {
    const [em, wide] = [theme.size, part.curves.clientWidth];
    const beside = Math.max(6 * em, ...[...labels.values()].map((button) => button.offsetWidth)) + 2.6 * em;
    const under = wide - beside < 18 * em; // the labels then stand under the plot, and what the axis says under the axis
    root.classList.toggle("under", under);
    const column = under ? 1.2 * em : beside;
    const tall = under ? 20 * em : Math.max(23 * em, 1.2 * em * (labels.size + 3));
    frame(part.curves, tall);
    const [left, right, top, base] = [3 * em, wide - column, 0.7 * em, tall - (under ? 3.9 : 2.7) * em];
    const [arms, flat] = [shown(), baseline()];
    const alone = header.ratios.length === 1; // one ratio: arms stand side by side
    const strips = [...arms.flatMap((arm) => arm.points), ...(flat ? [flat] : [])];
    const y = judgeShareScale(judgeSpan(strips.map((one) => ({ ...one, points: one.seeds.map((seed) => [seed[0], seed[2]]) })), { shares: true }), base, top);
    const shares = header.arms.flatMap((arm) => arm.points.flatMap((one) => one.seeds.map((seed) => seed[1]).filter((share) => !absent(share))));
    const x = judgeScale([...shares, ...header.ratios.map((one) => one.share)].map(ladderRung), left, right, 0.03);
    const columns = [...labels.keys()].filter((name) => arms.some((arm) => arm.name === name)); // in the labels' order
    const places = new Map(columns.map((name, i) => [name, left + ((i + 0.5) * (right - left)) / columns.length]));
    const at = (arm, share) => (alone ? places.get(arm.name) : x.at(ladderRung(share)));
    const nodes = [];

    for (const v of y.ticks(8)) {
      nodes.push(svg("line", { class: "grid", x1: left, x2: right, y1: y.at(v), y2: y.at(v) }));
      nodes.push(svg("text", { x: left - 0.4 * em, y: y.at(v), dy: "0.34em", "text-anchor": "end" }, axisWord(Number(v.toFixed(3)))));
    }
    if (alone) {
      const { share, times } = header.ratios[0];
      nodes.push(svg("text", { class: "strong", x: (left + right) / 2, y: base, dy: "1.15em", "text-anchor": "middle" }, ladderShare(share)));
      nodes.push(svg("text", { x: (left + right) / 2, y: base, dy: "2.35em", "text-anchor": "middle" }, `${ladderTimes(times)}×`));
    } else {
      for (const { share, times } of written(x, (words) => plotWide(words, em) + 0.7 * em)) {
        const here = x.at(ladderRung(share));
        nodes.push(svg("line", { class: "grid", x1: here, x2: here, y1: top, y2: base }));
        nodes.push(svg("text", { class: "strong", x: here, y: base, dy: "1.15em", "text-anchor": "middle" }, ladderShare(share)));
        nodes.push(svg("text", { x: here, y: base, dy: "2.35em", "text-anchor": "middle" }, `${ladderTimes(times)}×`));
      }
    }
    nodes.push(svg("path", { class: "axis", d: `M${left} ${top}V${base}H${right}` }));
    if (under) nodes.push(svg("text", { class: "strong", x: (left + right) / 2, y: base, dy: "3.55em", "text-anchor": "middle" }, "% of weights zero; times smaller"));
    else {
      nodes.push(svg("text", { class: "strong", x: right + 2.4 * em, y: base, dy: "1.15em" }, `${NARROW}% of weights zero`));
      nodes.push(svg("text", { x: right + 2.4 * em, y: base, dy: "2.35em" }, "times smaller"));
    }

    spots.curves = [];
    const ends = new Map();
    if (flat) nodes.push(drawFlat(flat, { left, right, y }));
    if (flat) ends.set(flat.name, [right, y.at(end(flat))]);
    for (const arm of [...arms].reverse()) { // the paper's method, first of all, lies on top
      const group = svg("g", { "data-group": arm.name });
      const there = arm.points.filter((one) => one.mean !== null && one.x);
      const along = (value) => there.map((one) => [at(arm, one.x.share), y.at(value(one))]);
      if (there.length > 1) {
        group.classList.add("banded");
        group.append(svg("path", { class: `band ${judgeKind(arm.name)}`, d: `${pen([...along((one) => one.low), ...along((one) => one.high).reverse()])}Z` }));
        group.append(svg("path", { class: `curve ${judgeKind(arm.name)}`, d: pen(along((one) => one.mean)) }));
      }
      for (const one of arm.points) {
        for (const [seed, share, value] of one.seeds) {
          const own = share ?? one.x?.share;
          if (absent(own)) continue;
          const dot = svg("circle", { class: `dot ${one.mean === null ? "lone " : ""}${judgeKind(arm.name)}`, cx: at(arm, own), cy: y.at(value), r: (one.mean === null ? 0.2 : 0.13) * em, "data-seed": seed, "data-arm": arm.name, "data-ratio": one.ratio, "data-value": value });
          group.append(dot);
        }
        if (!one.x) continue;
        const px = at(arm, one.x.share);
        if (one.mean === null) {
          spots.curves.push({ name: arm.name, ratio: one.ratio, px, py: y.at(one.seeds[0][2]) });
          continue;
        }
        const py = y.at(one.mean);
        group.append(svg("line", { class: `reach ${judgeKind(arm.name)}`, x1: px, x2: px, y1: y.at(one.low), y2: y.at(one.high) }));
        for (const end of [one.low, one.high]) { // a bar that goes on beyond the axis ends in an arrow
          const [way, ay, r] = [y.beyond(end), y.at(end), 0.25 * em];
          if (way) group.append(svg("path", { class: `arrow ${judgeKind(arm.name)}`, d: `M${px} ${ay - way * r}L${px - r} ${ay + way * r}H${px + r}Z` }));
        }
        group.append(svg("path", { class: `spot ${judgeKind(arm.name)}`, d: ladderMark(shape(arm.name), px, py, 0.28 * em), "data-arm": arm.name, "data-ratio": one.ratio, "data-mean": one.mean, "data-share": one.x.share }));
        spots.curves.push({ name: arm.name, ratio: one.ratio, px, py });
      }
      const last = arm.points.findLast((one) => one.x);
      if (last) ends.set(arm.name, [at(arm, last.x.share), y.at(end(arm))]);
      nodes.push(group);
    }
    nodes.push(...place(ends, y, { right, top, base, em, alone }));
    if (!arms.length && !flat) nodes.push(svg("text", { class: "strong", x: (left + right) / 2, y: (top + base) / 2, "text-anchor": "middle" }, "every arm is hidden"));
    part.curves.replaceChildren(...nodes);
  }

  function drawFlat(flat, { left, right, y }) {
    const group = svg("g", { "data-group": flat.name });
    if (flat.mean === null) return group;
    group.append(svg("rect", { class: `band ${judgeKind(flat.name)}`, x: left, width: right - left, y: y.at(flat.high), height: y.at(flat.low) - y.at(flat.high) }));
    group.append(svg("line", { class: `curve ${judgeKind(flat.name)}`, x1: left, x2: right, y1: y.at(flat.mean), y2: y.at(flat.mean) }));
    return group;
  }

  /** Puts every label beside the end of its line, none on another, and joins it by a thin line. */
  function place(ends, y, { right, top, base, em, alone }) {
    const order = [...labels.keys()];
    const arms = named();
    const wanted = order.map((name) => ends.get(name)?.[1] ?? y.at(end(arms.find((arm) => arm.name === name))));
    const places = ladderSpread(wanted, 1.2 * em, top, base - 0.6 * em);
    return order.flatMap((name, i) => {
      const button = labels.get(name);
      button.style.left = `${right + 2.3 * em}px`;
      button.style.top = `${places[i]}px`;
      if (root.classList.contains("under") || !ends.has(name) || (alone && name !== header.baseline?.name)) return [];
      const [px, py] = ends.get(name);
      return [svg("path", { class: `leader ${judgeKind(name)}`, "data-group": name, d: pen([[px, py], [Math.max(px, right), py], [right + 2.3 * em, places[i]]]) })];
    });
  }

  function drawAsked() {
    const [em, wide] = [theme.size, part.asked.clientWidth];
    const arms = shown().filter((arm) => !arm.whole);
    const tall = Math.min(wide, 15.5 * em) + 2.7 * em;
    frame(part.asked, tall);
    const [left, right, top, base] = [3.4 * em, wide - 0.6 * em, 0.7 * em, tall - 2.7 * em];
    const cut = header.arms.filter((arm) => !arm.whole).flatMap((arm) => arm.points);
    const rungs = [...cut.flatMap((one) => [...one.requested, ...one.zero]), ...header.ratios.map((one) => one.share)].map(ladderRung);
    if (rungs.length && Math.max(...rungs) - Math.min(...rungs) < 0.2) rungs.push(Math.min(...rungs) - 0.1, Math.max(...rungs) + 0.1);
    const x = judgeScale(rungs, left, right, 0.06);
    const y = judgeScale(rungs, base, top, 0.06);
    const nodes = [];
    for (const { share } of written(x, (words) => plotWide(words, em) + 0.7 * em)) {
      const here = x.at(ladderRung(share));
      nodes.push(svg("line", { class: "grid", x1: here, x2: here, y1: top, y2: base }));
      nodes.push(svg("text", { x: here, y: base, dy: "1.15em", "text-anchor": "middle" }, ladderShare(share)));
    }
    for (const { share } of written(y, () => 1.2 * em)) {
      const here = y.at(ladderRung(share));
      nodes.push(svg("line", { class: "grid", x1: left, x2: right, y1: here, y2: here }));
      nodes.push(svg("text", { x: left - 0.4 * em, y: here, dy: "0.34em", "text-anchor": "end" }, ladderShare(share)));
    }
    nodes.push(svg("path", { class: "axis", d: `M${left} ${top}V${base}H${right}` }));
    nodes.push(svg("line", { class: "diagonal", x1: left, x2: right, y1: base, y2: top }));
    nodes.push(svg("text", { x: left + 0.5 * em, y: top + 0.45 * (base - top) }, "more"));
    // Below the line, in the half in which no arm has its name.
    const furthest = arms.find((arm) => arm.name === header.furthest?.name)?.points.find((one) => one.ratio === header.furthest.ratio);
    const low = furthest && y.at(ladderRung(furthest.zero[1])) > (top + base) / 2;
    nodes.push(svg("text", { x: right - 0.2 * em, y: low ? top + 0.35 * (base - top) : base - 0.5 * em, "text-anchor": "end" }, "less"));
    nodes.push(svg("text", { x: (left + right) / 2, y: base, dy: "2.35em", "text-anchor": "middle" }, `${NARROW}% of weights zero`));
    spots.asked = [];
    for (const arm of [...arms].reverse()) {
      const group = svg("g", { "data-group": arm.name });
      for (const one of arm.points) {
        const [px, py] = [x.at(ladderRung(one.requested[1])), y.at(ladderRung(one.zero[1]))];
        const [low, high] = [y.at(ladderRung(one.zero[0])), y.at(ladderRung(one.zero[2]))];
        const [from, to] = [x.at(ladderRung(one.requested[0])), x.at(ladderRung(one.requested[2]))];
        group.append(svg("path", { class: `reach ${judgeKind(arm.name)}`, d: `M${px} ${low}V${high}M${from} ${py}H${to}` }));
        group.append(svg("path", { class: `spot ${judgeKind(arm.name)}`, d: ladderMark(shape(arm.name), px, py, 0.24 * em), "data-arm": arm.name, "data-ratio": one.ratio, "data-zero": one.zero[1] }));
        spots.asked.push({ name: arm.name, ratio: one.ratio, px, py });
        if (header.furthest?.name === arm.name && header.furthest.ratio === one.ratio) {
          const room = px - 0.5 * em - plotWide([arm.short], em) > left; // to its left, else above it
          nodes.push(svg("text", { class: "strong", x: room ? px - 0.5 * em : left + 0.4 * em, y: room ? py : py - 0.9 * em, dy: "0.34em", "text-anchor": room ? "end" : "start" }, arm.short));
        }
      }
      nodes.push(group);
    }
    part.asked.replaceChildren(...nodes);
    part.asked.setAttribute("aria-label", `Achieved against requested. ${header.overshoot}`);
  }

  // ---- reading ----
  const between = (low, high, places = 2) => (low.toFixed(places) === high.toFixed(places) ? low.toFixed(places) : `${low.toFixed(places)} to ${high.toFixed(places)}`);
  const interval = (one) => (one.mean === null ? "no mean of so few seeds" : `${digits(one.mean, 2)}${NARROW}% right (${digits(one.low, 2)} to ${digits(one.high, 2)})`);
  const own = (one) => between(...[Math.min, Math.max].map((pick) => pick(...one.seeds.map((seed) => seed[2]))));
  const failed = (one) => (one.failed ? `; ${one.failed} failed` : "");

  function inWords({ name, ratio }) {
    const arm = named().find((one) => one.name === name);
    if (!arm.points) return `${judgeCapital(arm.short)}: ${interval(arm)}, n = ${arm.n} (seeds: ${own(arm)}).`;
    if (ratio === null) {
      const counts = new Set(arm.points.map((one) => one.n));
      const n = (one) => (counts.size > 1 ? `, n = ${one.n}` : "");
      const said = arm.points.map((one) => `${one.x ? digits(one.x.share, 2) : "–"}${NARROW}% zero: ${interval(one)}${n(one)}`);
      return `${judgeCapital(arm.short)}${counts.size > 1 ? "" : `, n = ${[...counts][0]}`}. ${said.join("; ")}.`;
    }
    const one = arm.points.find((each) => each.ratio === ratio);
    const asked = between(one.requested[0], one.requested[2], 3).replace(/\.?0+(?= |$)/g, "");
    const zero = arm.whole ? `whole, drawn at ${one.x ? digits(one.x.share, 2) : "–"}${NARROW}%` : `asked ${asked}${NARROW}%, achieved ${between(one.zero[0], one.zero[2])}${NARROW}% (mean ${digits(one.zero[1], 2)}, ${ladderTimes(one.x?.times)} times smaller)`;
    return `${judgeCapital(arm.short)}, ${zero}: ${interval(one)}, n = ${one.n} (seeds: ${own(one)})${failed(one)}.`;
  }

  function read() {
    const lit = pointed && named().some((arm) => arm.name === pointed.name) ? pointed : null;
    for (const plot of [part.curves, part.asked]) {
      for (const node of plot.querySelectorAll("[data-group]")) {
        node.classList.toggle("front", lit !== null && node.dataset.group === lit.name);
        node.classList.toggle("back", lit !== null && node.dataset.group !== lit.name);
      }
      for (const node of plot.querySelectorAll(".spot")) node.classList.toggle("here", lit !== null && node.dataset.arm === lit.name && Number(node.dataset.ratio) === lit.ratio);
    }
    for (const [name, button] of labels) button.classList.toggle("here", lit?.name === name);
    const n = named().flatMap((arm) => (arm.points || [arm]).map((one) => one.n));
    const counts = n.length ? between(Math.min(...n), Math.max(...n), 0) : "0";
    const marks = `n = ${counts} seeds. Small dots: seeds. Marks: means; ${header.ratios.length > 1 ? "bands" : "bars"}: ${header.interval} of the mean, each arm by itself, unpaired. Press a name to hide or show it; point at a mark, or use the arrow keys, to read it.`;
    say(part.reading, lit ? inWords(lit) : marks);
    part.curves.setAttribute("aria-label", [part.title.textContent, lit ? inWords(lit) : header.sentence].join(". "));
  }

  function point(where) {
    if (where?.name === pointed?.name && where?.ratio === pointed?.ratio) return;
    pointed = where;
    read();
  }

  for (const name of ["curves", "asked"]) {
    const plot = part[name];
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const far = (spot) => Math.hypot(spot.px - (event.clientX - box.left), spot.py - (event.clientY - box.top));
      const nearest = spots[name].reduce((best, spot) => (!best || far(spot) < far(best) ? spot : best), null);
      point(nearest && far(nearest) < 2.5 * theme.size ? nearest : null);
    });
    for (const left of ["pointerleave", "blur"]) plot.addEventListener(left, () => point(null));
    plot.addEventListener("keydown", (event) => {
      const to = isPlain(event) ? stepped(event.key, spots[name], name === "curves") : undefined;
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      point(to);
    });
  }

  /** Left and right go along the arm, up and down to the arm that comes next at this ratio; the line without pruning is one. */
  function stepped(key, all, withFlat) {
    if (key === "Escape") return null;
    const [along, across] = [{ ArrowLeft: -1, ArrowRight: 1 }[key], { ArrowUp: -1, ArrowDown: 1 }[key]];
    if (!along && !across) return undefined;
    if (!all.length) return null;
    const here = all.find((spot) => spot.name === pointed?.name && spot.ratio === pointed?.ratio);
    if (!here && pointed?.name !== header.baseline?.name) return all[0];
    if (along) {
      if (!here) return undefined;
      const own = all.filter((spot) => spot.name === here.name);
      return own[Math.min(Math.max(own.indexOf(here) + along, 0), own.length - 1)];
    }
    const ratio = here?.ratio ?? all.at(-1).ratio;
    const column = all.filter((spot) => spot.ratio === ratio).sort((a, b) => a.py - b.py);
    if (withFlat && baseline()) column.unshift({ name: header.baseline.name, ratio: null });
    const now = column.findIndex((spot) => spot.name === pointed.name);
    return column[Math.min(Math.max(now + across, 0), column.length - 1)];
  }

  // ---- in figures ----
  function drawTable() {
    if (table.dataset.content === text) return;
    table.dataset.content = text;
    table.replaceChildren();
    const line = panelNode(panelNode(table, "thead"), "tr");
    for (const words of ["asked, %", "arm", "n", "failed", "achieved, % zero", "mean of it", "times smaller", "mean % right", `its interval`, "seeds from to"]) panelNode(line, "th", "", words);
    const body = panelNode(table, "tbody");
    const row = (cells) => {
      const one = panelNode(body, "tr");
      cells.forEach((cell, i) => panelNode(one, i ? "td" : "th", i === 1 ? "word" : "", cell));
    };
    const right = (one) => [digits(one.mean, 2), one.mean === null ? "too few seeds" : `${digits(one.low, 2)} to ${digits(one.high, 2)}`, own(one)];
    const flat = header.baseline;
    if (flat) row(["–", flat.short, String(flat.n), "", "0", "0", "1", ...right(flat)]);
    for (const ratio of header.ratios.map((one) => one.share)) {
      for (const arm of header.arms) {
        const one = arm.points.find((each) => each.ratio === ratio);
        if (!one) continue;
        const x = one.x ? digits(one.x.share, 2) : "–";
        const zero = arm.whole ? ["whole", `drawn at ${x}`, "–"] : [between(one.zero[0], one.zero[2]), x, ladderTimes(one.x?.times)];
        const asked = one.requested.every((value) => value === ratio) ? "" : ` (${between(one.requested[0], one.requested[2])})`;
        row([`${ladderShare(ratio)}${asked}`, arm.short, String(one.n), one.failed ? String(one.failed) : "", ...zero, ...right(one)]);
      }
    }
  }

  return { show, close: () => closeAll.forEach((stop) => stop()) };
}

export default keepMounted("[data-testid=ladder]", (root) => makeLadder(root));
