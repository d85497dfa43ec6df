// What it costs: test accuracy against the ratio, cut once and not retrained, with everything it may be compared to, and figures.
//
// Curves, names and marks are drawn when something new comes (a model, a feed, the veil lifts, another size); while the slider moves,
// one line, one dot and the figures do. Nothing of an outcome is in the document while the veil is down: it is removed, not hidden.

const COST_POINTS = [1, 5, 10]; // points of accuracy lost
const COST_LINES = ["random-matched", "svd", "pca", "magnitude", "own"]; // from back to front
const COST_COUNT = new Intl.NumberFormat("en-US");
const COST_SAMPLE = { band: "M1 2H35V10H1Z", line: "M1 6H35", circle: "M1 6H12M24 6H35M23.5 6A5.5 5.5 0 1 1 12.5 6A5.5 5.5 0 1 1 23.5 6",
  triangle: "M18 0L25 11H11Z", diamond: "M18 0L25 6L18 12L11 6Z", square: "M12 1H24V11H12Z", cross: "M12 1L24 11M24 1L12 11" };

const costCount = (n) => (absent(n) ? "–" : COST_COUNT.format(n));
const costEpochs = (n) => `${n} epoch${n === 1 ? "" : "s"}`;
const costPoints = (n) => `${n} point${n === 1 ? "" : "s"}`;

/** Bytes in words, by thousands: 1,254,400 -> "1.25 MB". */
function costBytes(n) {
  if (absent(n)) return "–";
  const [unit, power] = n >= 1e6 ? ["MB", 1e6] : n >= 1e3 ? ["kB", 1e3] : ["bytes", 1];
  return `${power === 1 ? n : Number((n / power).toPrecision(3))}${NARROW}${unit}`;
}

/** The value of a curve between its whole percents. */
function costAt(values, ratio) {
  const p = Math.min(100, Math.max(0, 100 * ratio));
  const low = Math.floor(p);
  return low >= 100 ? values[100] : values[low] + (values[low + 1] - values[low]) * (p - low);
}

/** Lowest, mean and highest of several draws at each percent. */
function costSpread(draws) {
  const over = (fold) => Float32Array.from(draws[0], (_, p) => fold(draws.map((draw) => draw[p])));
  return {
    low: over((values) => Math.min(...values)),
    mean: over((values) => values.reduce((sum, v) => sum + v, 0) / values.length),
    high: over((values) => Math.max(...values)),
  };
}

/** Moves wanted positions along a line apart so that each has its room: [{at, room}] -> positions, in the same order. */
function costApart(wanted, from, to) {
  const places = wanted.map(({ at }) => at);
  for (let i = 0; i < wanted.length; i++) {
    const least = i ? places[i - 1] + (wanted[i - 1].room + wanted[i].room) / 2 : from + wanted[0].room / 2;
    places[i] = Math.max(places[i], least);
  }
  for (let i = wanted.length - 1; i >= 0; i--) {
    const most = i < wanted.length - 1 ? places[i + 1] - (wanted[i].room + wanted[i + 1].room) / 2 : to - wanted[i].room / 2;
    places[i] = Math.min(places[i], most);
  }
  return places;
}

const costMeet = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** The candidate box that lies within `frame`, on no taken one and over the fewest points of the curves; null: there is none. */
function costPlace(candidates, frame, taken, points, most) {
  let best = null;
  let least = most + 0.999;
  for (const box of candidates) {
    if (box.x < frame.x || box.y < frame.y || box.x + box.w > frame.x + frame.w || box.y + box.h > frame.y + frame.h) continue;
    if (taken.some((other) => costMeet(box, other))) continue;
    let under = box.dislike || 0;
    for (const [x, y] of points) if (x > box.x && x < box.x + box.w && y > box.y && y < box.y + box.h && ++under > least) break;
    if (under < least) [best, least] = [box, under];
  }
  return best;
}

/** Short words beside a point: above, below, right or left of it. */
function costAround(x, y, words, em, away) {
  const [w, h] = [costWidth(words, em), 1.2 * em];
  const [above, below, right, left] = [y - away - h, y + away, x + away, x - away - w];
  const slant = 0.4 * away;
  const spots = [
    [x - w / 2, above, 0], [right, y - h / 2, 0.1], [left, y - h / 2, 0.1], [x - w / 2, below, 0.2],
    [right - slant, above, 0.2], [left + slant, above, 0.2], [right - slant, below, 0.3], [left + slant, below, 0.3],
  ];
  return spots.map(([at, top, dislike]) => ({ x: at, y: top, w, h, words, dislike }));
}
const costPen = document.createElement("canvas").getContext("2d"); // knows how wide words are; has the plot's bold font
const costWidth = (words, em) => costPen.measureText(words).width + 0.3 * em;

/** Where the axis of ratios begins: at 0, or close before the start of a network that is cut already, if nothing lies further left. */
function costFrom(start, others) {
  const near = 10 * Math.floor((start - 4) / 10);
  return start < 30 ? 0 : Math.max(0, Math.min(near, ...others.map((p) => 10 * Math.floor(p / 10))));
}

/** What is drawn in the plot that is an outcome: one list of lines, made anew with each model. */
function costCurves(model, lowRank) {
  const all = model.curves();
  if (!all) return [];
  const list = [{ kind: "own", name: model.header.criterion_label, values: all.accuracy }];
  for (const { name, label, draws } of all.controls) {
    const spread = draws.length > 1 ? costSpread(draws) : null;
    const kind = COST_LINES.includes(name) ? name : "other";
    list.push({ kind, name: label || name, values: spread ? spread.mean : draws[0], spread, draws: draws.length });
  }
  if (lowRank && all.pca) list.push({ kind: "pca", name: "PCA", values: all.pca });
  if (lowRank && all.svd) list.push({ kind: "svd", name: "SVD", values: all.svd });
  return list.sort((a, b) => COST_LINES.indexOf(a.kind) - COST_LINES.indexOf(b.kind));
}

/** The plot: axes, curves, marks and the marker that goes with the slider. */
function makeCostPlot(parent, stage) {
  const plot = parent.appendChild(svg("svg", { class: "plot", "data-testid": "cost-plot", role: "img" }));
  const order = ["axes", "veil", "bands", "lines", "lost", "retrained", "arrows", "marks", "names", "marker", "word"]; // from back to front
  const layer = Object.fromEntries(order.map((name) => [name, plot.appendChild(svg("g", { class: name }))]));
  const rule = layer.marker.appendChild(svg("line", { class: "rule" }));
  const dot = layer.marker.appendChild(svg("circle", { class: "dot" }));
  const value = layer.marker.appendChild(svg("text", { class: "value" }));
  const pattern = `veil-${Math.random().toString(36).slice(2)}`;
  let width = 0;
  let height = 0;
  let at = null; // scales: {x, y, left, top, wide, tall, base}
  let own = null; // the criterion's curve, null behind the veil

  function measure() {
    [width, height] = [plot.clientWidth, plot.clientHeight];
    const style = getComputedStyle(plot);
    costPen.font = `650 ${style.fontSize} ${style.fontFamily}`;
  }

  /** Axes, and, unless veiled, all that stays while the slider moves. */
  function frame({ model, curves, veiled, feed, guesses, hand, tight }) {
    for (const name of Object.keys(layer)) if (name !== "marker") layer[name].replaceChildren();
    own = null;
    at = null;
    if (!width) return;
    const em = stage.theme.size;
    const [left, right, top, bottom] = [3.5 * em, 1.7 * em, (veiled ? 0.6 : 2.4) * em, 2.75 * em];
    const [wide, tall] = [Math.max(1, width - left - right), Math.max(1, height - top - bottom)];
    const marked = [...(feed?.marks || []), ...(hand ? [hand] : [])].map(({ achieved }) => 100 * achieved);
    const from = costFrom(model.header.start || 0, [...marked, ...guesses.map((guess) => guess.percent)]);
    at = { em, left, top, wide, tall, from, base: top + tall,
      x: (p) => left + (wide * (p - from)) / (100 - from),
      y: (v) => top + tall * (1 - v),
      percent: (px) => from + ((px - left) / wide) * (100 - from), taken: [], points: [], leaders: [], named: new Set() };
    axes(model.header);
    if (veiled) return veil();
    for (const curve of curves) line(curve);
    own = curves.find((curve) => curve.kind === "own")?.values;
    if (!own) return;
    lost(model);
    const pending = drawRetrained(feed?.retrained);
    drawMarks(feed?.marks || [], hand, guesses);
    names(curves, pending, tight ? 60 : 0);
  }

  function axes(header) {
    const { em, left, top, wide, tall, base, from, x, y } = at;
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
      layer.axes.append(svg("line", { class: v ? "grid" : "axis", x1: left, x2: left + wide, y1: y(v), y2: y(v) }));
      layer.axes.append(svg("text", { x: left - 0.4 * em, y: y(v), dy: "0.34em", "text-anchor": "end" }, percent(v, 0)));
    }
    for (const p of ticks(from, 100, wide < 26 * em ? 5 : 10)) {
      layer.axes.append(svg("line", { class: "axis", x1: x(p), x2: x(p), y1: base, y2: base + 5 }));
      layer.axes.append(svg("text", { x: x(p), y: base, dy: "1.2em", "text-anchor": "middle" }, p === 100 ? `100${NARROW}%` : axisWord(p)));
    }
    const what = header.scope === "layer" ? "of each hidden matrix" : "of all weights";
    const titles = [`requested ratio: share ${what} that is zero`, `requested share ${what} that is zero`, "requested share that is zero"];
    const title = titles[wide > 24 * em ? 0 : wide > 17 * em ? 1 : 2];
    layer.axes.append(svg("text", { x: left + wide / 2, y: base, dy: "2.4em", "text-anchor": "middle" }, title));
    if (!header.start) return;
    layer.axes.append(svg("rect", { class: "before", x: left, y: top, width: x(header.start) - left, height: tall }));
    layer.axes.append(svg("line", { class: "stored", x1: x(header.start), x2: x(header.start), y1: top, y2: base }));
    const right = x(header.start) + 0.4 * em;
    const most = Math.max(right - 0.8 * em - left, left + wide - right);
    const wordings = ["stored network: already ", "already ", ""].map((words) => `${words}${percent(header.start_achieved)} zero`);
    const words = wordings.find((one) => costWidth(one, em) < most) || "";
    const wideWords = costWidth(words, em);
    const after = right + wideWords < left + wide;
    const [where, anchor] = after ? [right, "start"] : [right - 0.8 * em, "end"];
    layer.axes.append(svg("text", { x: where, y: base - 0.5 * em, "text-anchor": anchor }, words));
    at.taken.push({ x: after ? right : right - wideWords, y: base - 1.6 * em, w: wideWords, h: 1.4 * em });
  }

  /** A field of question marks over the plot: nobody shall take an empty plot for an answer. */
  function veil() {
    const { em, left, top, wide, tall } = at;
    const side = 2.6 * em;
    const tile = svg("pattern", { id: pattern, width: side, height: side, patternUnits: "userSpaceOnUse" });
    tile.setAttribute("patternTransform", "rotate(-14)");
    tile.append(svg("text", { x: 0.3 * em, y: 1.3 * em }, "?"), svg("text", { x: 1.6 * em, y: 2.5 * em }, "?"));
    layer.veil.append(tile, svg("rect", { x: left, y: top, width: wide, height: tall, fill: `url(#${pattern})` }));
    const middle = { x: left + wide / 2, y: top + tall / 2, dy: "0.34em", "text-anchor": "middle" };
    layer.word.append(svg("text", { class: "word", ...middle }, "veiled"));
  }

  function line({ kind, values, spread }) {
    const from = stage.model.header.start || 0;
    const along = (list) => Array.from({ length: 101 - from }, (_, i) => [at.x(from + i), at.y(list[from + i])]);
    const band = spread && `${pen(along(spread.low))}L${pen(along(spread.high).reverse()).slice(1)}Z`;
    if (spread) layer.bands.append(svg("path", { class: kind, d: band }));
    layer.lines.append(svg("path", { class: kind, d: pen(along(values)) }));
    for (let p = from; p < 100; p += 0.25) at.points.push([at.x(p), at.y(costAt(values, p / 100))]);
  }

  /** Where the first points are lost: a drop line from the words above the plot to the curve. */
  function lost(model) {
    const found = COST_POINTS.map((n) => ({ n, p: model.lost(n) })).filter(({ p }) => p !== null);
    const { em, left, wide, x, y } = at;
    const long = found.map(({ n, p }) => `−${costPoints(n)}: ${p}${NARROW}%`);
    const short = found.map(({ n, p }) => `−${n}: ${p}${NARROW}%`);
    const words = long.reduce((sum, word) => sum + costWidth(word, em), 0) < wide ? long : short;
    const rooms = words.map((word) => costWidth(word, em) + 0.8 * em);
    const places = costApart(found.map(({ p }, i) => ({ at: x(p), room: rooms[i] })), left, left + wide + 1.6 * em);
    found.forEach(({ p }, i) => {
      layer.lost.append(svg("path", { class: "drop", d: `M${places[i]} ${1.15 * em}L${x(p)} ${1.8 * em}V${y(own[p])}` }));
      layer.lost.append(svg("text", { x: places[i], y: 0.9 * em, "text-anchor": "middle" }, words[i]));
      at.taken.push({ x: places[i] - rooms[i] / 2, y: 0, w: rooms[i], h: 1.3 * em });
      for (let t = 0; t < 1; t += 0.05) at.leaders.push([places[i] + t * (x(p) - places[i]), (1.15 + 0.65 * t) * em]);
      for (let v = 1.8 * em; v < y(own[p]); v += 0.2 * em) at.leaders.push([x(p), v]);
    });
    at.points.push(...at.leaders);
  }

  /** The second curve, as far as it is known; what is still to come stands as dots on the axis. */
  function drawRetrained(retrained) {
    if (!retrained) return [];
    const { em, base, x, y, taken } = at;
    const done = [...(retrained.points || [])].sort((a, b) => a.percent - b.percent);
    const known = new Set(done.map((point) => point.percent));
    const points = done.map((point) => [x(point.percent), y(point.accuracy)]);
    layer.retrained.append(svg("path", { class: "after", d: pen(points) }));
    for (const [cx, cy] of points) {
      layer.retrained.append(svg("circle", { class: "after", cx, cy, r: 0.3 * em }));
      at.points.push([cx, cy]);
    }
    for (const p of retrained.percents || []) {
      if (known.has(p) || p < at.from) continue;
      layer.retrained.append(svg("text", { class: "pending", x: x(p), y: base - 0.3 * em, "text-anchor": "middle" }, "…"));
      taken.push({ x: x(p) - 0.5 * em, y: base - 0.6 * em, w: em, h: 0.6 * em });
    }
    return points;
  }

  /** Stored runs, branches, the set by hand and the guesses; each run is joined to the curve at its own ratio by an arrow. */
  function drawMarks(marks, hand, guesses) {
    const { em, x, y, taken } = at;
    const shape = { rounds: "diamond", branch: "square", hand: "triangle" };
    const all = hand ? [...marks, { kind: "hand", achieved: hand.achieved, accuracy: hand.accuracy, label: "by hand", note: "" }] : marks;
    const size = 0.42 * em;
    const told = new Set();
    const known = all.filter((mark) => !absent(mark.accuracy) && !absent(mark.achieved));
    const spots = known.map((mark) => ({ mark, cx: x(100 * mark.achieved), cy: y(mark.accuracy) }));
    for (const { cx, cy } of spots) taken.push({ x: cx - size, y: cy - size, w: 2 * size, h: 2 * size });
    for (const { mark, cx, cy } of spots) {
      const from = y(costAt(own, mark.achieved));
      const way = Math.sign(cy - from);
      const end = cy - way * size;
      if (Math.abs(cy - from) > 1.6 * size) {
        const [half, back] = [0.25 * em, end - way * 0.4 * em];
        layer.arrows.append(svg("path", { d: `M${cx} ${from}V${end}M${cx - half} ${back}L${cx} ${end}L${cx + half} ${back}` }));
        for (let v = Math.min(from, cy); v < Math.max(from, cy); v += 0.5 * em) at.points.push([cx, v]);
      }
      const group = layer.marks.appendChild(svg("g", { class: mark.kind }));
      group.append(svg("title", {}, `${mark.label}: ${percent(mark.accuracy)} at ${percent(mark.achieved)}. ${mark.note || ""}`));
      group.append(svg("path", { class: shape[mark.kind] || "square", d: costShape(shape[mark.kind], cx, cy, size) }));
    }
    for (const guess of guesses) {
      const [cx, cy, r] = [x(guess.percent), y(guess.accuracy), 0.32 * em];
      const path = `M${cx - r} ${cy - r}L${cx + r} ${cy + r}M${cx + r} ${cy - r}L${cx - r} ${cy + r}`;
      layer.marks.append(svg("path", { class: "guess", d: path }));
      at.points.push([cx, cy]);
    }
    for (const { mark, cx, cy } of spots) {
      const figure = percent(mark.accuracy);
      const kind = { rounds: "cut in rounds and trained on", branch: "branch", hand: "by hand" }[mark.kind] || mark.kind;
      const wordings = told.has(mark.kind) ? [figure] : [`${kind} ${figure}`, figure];
      for (const words of wordings) {
        const room = { x: at.left, y: 1.2 * em, w: at.wide + 1.4 * em, h: at.base - 1.2 * em };
        const box = costPlace(costAround(cx, cy, words, em, 0.6 * em), room, taken, at.points, 12);
        if (!box) continue;
        word(layer.names, mark.kind, box);
        if (words !== figure) told.add(mark.kind);
        break;
      }
    }
  }

  function word(group, kind, box) {
    at.taken.push(box);
    group.append(svg("text", { class: kind, x: box.x + box.w / 2, y: box.y + 0.9 * at.em, "text-anchor": "middle" }, box.words));
  }

  /** Each curve's name where it stands apart from the others; gives the kinds of those that found a free place. */
  function names(curves, retrained, most) {
    const { em, left, top, wide, tall, x, y, taken, points } = at;
    for (let i = 1; i < retrained.length; i++) points.push(retrained[i].map((v, k) => (v + retrained[i - 1][k]) / 2));
    const frameBox = { x: left + 0.2 * em, y: top, w: wide - 0.2 * em, h: tall };
    for (const curve of [...curves].reverse()) {
      const [w, h] = [costWidth(curve.name, em), 1.25 * em];
      const candidates = [];
      for (let p = (stage.model.header.start || 0) + 2; p <= 98; p += 2) {
        const here = y(curve.values[p]);
        const steep = Math.abs(y(curve.values[Math.min(100, p + 2)]) - y(curve.values[Math.max(0, p - 2)])) / (x(4) - x(0));
        const [near, beside] = [0.3 * em, 0.45 * em];
        if (steep < 1) candidates.push({ x: x(p) - w / 2, y: here - near - h, w, h }, { x: x(p) - w / 2, y: here + near, w, h });
        candidates.push({ x: x(p) + beside, y: here - h / 2, w, h }, { x: x(p) - beside - w, y: here - h / 2, w, h });
      }
      const others = curves.filter((other) => other !== curve);
      for (const box of candidates) {
        const p = Math.min(100, Math.max(0, Math.round(at.percent(box.x + w / 2))));
        const mine = Math.abs(y(curve.values[p]) - box.y - h / 2);
        const next = Math.min(tall, ...others.map((other) => Math.abs(y(other.values[p]) - box.y - h / 2)));
        box.words = curve.name;
        box.dislike = 0.9 * Math.max(0, 1 - (next - mine) / (4 * em)); // far from others: nobody shall wonder whose name it is
      }
      const box = costPlace(candidates, frameBox, taken, points, curve.kind === "own" ? Math.max(8, most) : most);
      if (!box) continue;
      word(layer.names, curve.kind, box);
      at.named.add(curve.kind);
    }
  }

  /** The only thing that moves with the slider. */
  function draw(p) {
    if (!at) return;
    const x = at.x(p);
    rule.setAttribute("x1", x);
    rule.setAttribute("x2", x);
    rule.setAttribute("y1", at.top);
    rule.setAttribute("y2", at.base);
    const seen = own !== null;
    dot.setAttribute("visibility", seen ? "visible" : "hidden");
    const y = seen ? at.y(own[p]) : at.top + 1.4 * at.em;
    const words = percent(seen ? own[p] : p / 100, seen ? 1 : 0);
    if (seen) {
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      dot.setAttribute("r", 0.4 * at.em);
    }
    const spot = figureSpot(x, y, words);
    value.setAttribute("x", spot.side < 0 ? spot.x + spot.w : spot.x);
    value.setAttribute("y", spot.y + 1.15 * at.em);
    value.setAttribute("text-anchor", spot.side < 0 ? "end" : "start");
    say(value, words);
  }

  /** Where the marker's figure covers least: other words and marks count most, then the drop lines, then the curves. */
  function figureSpot(x, y, words) {
    const { em, left, wide, base, taken, points, leaders } = at;
    const [w, h] = [1.3 * costWidth(words, em), 1.45 * em]; // it is larger than the other words
    const high = Math.max(1.3 * em, y - 0.25 * em - h);
    const low = Math.min(base - h, y + 0.35 * em);
    let best = null;
    const beside = y - h / 2;
    const spots = [[1, high, 0], [-1, high, 8], [1, beside, 8], [1, low, 8], [-1, low, 12], [-1, beside, 12]];
    for (const [side, top, dislike] of spots) {
      const from = side > 0 ? x + 0.6 * em : Math.max(left - 0.3 * em, x - 0.6 * em - w);
      const box = { x: from, y: Math.min(base - h, top), w, h, side, cost: dislike };
      if (side < 0 ? from + w > x - 0.3 * em : from + w > left + wide + 1.7 * em) box.cost += 1e4; // no room on that side
      const halo = { x: box.x - 0.2 * em, y: box.y - 0.1 * em, w: w + 0.4 * em, h: h + 0.2 * em };
      for (const other of taken) if (costMeet(halo, other)) box.cost += 500;
      const under = (list) => list.reduce((n, [px, py]) => n + (px > box.x && px < box.x + w && py > box.y && py < box.y + h ? 1 : 0), 0);
      if (!best || box.cost < best.cost) box.cost += under(points) + 20 * under(leaders);
      if (!best || box.cost < best.cost) best = box;
    }
    return best;
  }

  // ---- the plot is a slider, too ----
  let dragged = null; // the plot's left edge and width on the screen while dragging
  const move = (event) => {
    stage.set({ percent: Math.min(100, Math.max(0, Math.round(at.percent(event.clientX - dragged.left)))) });
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !at) return;
    dragged = plot.getBoundingClientRect();
    plot.setPointerCapture(event.pointerId);
    move(event);
  });
  plot.addEventListener("pointermove", (event) => dragged && move(event));
  for (const end of ["pointerup", "pointercancel"]) plot.addEventListener(end, () => (dragged = null));
  return { plot, measure, frame, draw, height: () => height, named: () => at?.named || new Set() };
}

function costShape(name, x, y, r) {
  if (name === "diamond") return `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;
  if (name === "triangle") return `M${x} ${y - r}L${x + r} ${y + 0.8 * r}H${x - r}Z`;
  return `M${x - 0.85 * r} ${y - 0.85 * r}h${1.7 * r}v${1.7 * r}h${-1.7 * r}Z`;
}

/** Groups of figures under the plot, each a title and rows of [key, words]. */
const COST_GROUPS = [
  {
    name: "accuracy", title: "Cut once, not retrained",
    rows: [["test", "test accuracy"], ["valid", "validation accuracy"], ["loss", "test loss, nats"]],
  },
  { name: "lowrank", title: "Uncut network at the cut layers' ranks, not retrained", rows: [["pca", "PCA"], ["svd", "SVD"]] },
  {
    name: "adds", title: "Multiply-adds an image",
    rows: [["addsDense", "dense"], ["adds", "nonzero weights"], ["addsShrunk", "after shrink()"]],
  },
  { name: "bytes", title: "Bytes", rows: [["bytesDense", "dense"], ["bytesShrunk", "after shrink()"], ["bytesSparse", "sparse (CSR)"]] },
  { name: "time", title: "One batch", rows: [["msDense", "dense"], ["msShrunk", "after shrink()"]] },
];

function makeCostFigures(parent) {
  const box = panelNode(parent, "div", "figures");
  const groups = Object.fromEntries(COST_GROUPS.map(({ name, title, rows }) => {
    const group = panelNode(box, "div", `group ${name}`);
    const heading = panelNode(group, "p", "faint", title);
    const list = panelNode(group, "dl");
    const values = Object.fromEntries(rows.map(([key, words]) => {
      const row = panelNode(list, "div");
      panelNode(row, "dt", "", words);
      const value = panelNode(row, "dd");
      value.dataset.testid = `cost-${key}`;
      return [key, value];
    }));
    return [name, { group, heading, values }];
  }));
  return { box, groups, cells: Object.assign({}, ...Object.values(groups).map(({ values }) => values)) };
}

function makeCost(box, stage) {
  const choices = stage.choices;
  const head = panelNode(box, "div", "head");
  const title = panelNode(head, "h3");
  panelNode(title, "span", "name", "What it costs ");
  const about = panelNode(title, "span", "faint");
  const toggle = panelNode(panelNode(head, "span", "switch"), "button", "", "PCA, SVD");
  toggle.type = "button";
  toggle.title = "Curves of the uncut network at the cut layers' ranks, not retrained";
  const lowRank = () => choices.lowRank ?? !stage.state.lecture; // in the hall only where asked for
  toggle.addEventListener("click", () => {
    choices.lowRank = !lowRank();
    drawn = null;
    draw(stage.state);
  });
  const legend = panelNode(box, "ul", "legend");
  const plot = makeCostPlot(box, stage);
  const brief = panelNode(box, "p", "brief"); // in the lecture hall instead of the figures
  const figures = makeCostFigures(box);
  const machine = panelNode(figures.box, "p", "faint machine");
  let model = null;
  let drawn = null; // what the static part shows, as references and words
  let feed = null;
  let feedWords = "";

  function setModel(next) {
    model = next;
    drawn = null;
    const { header } = model;
    say(figures.groups.time.heading, `One batch of ${costCount(header.batch)}`);
    say(machine, header.machine ? `Times: median on ${header.machine}; measured at every tenth percent.` : "");
    resize();
  }

  function resize() {
    plot.measure();
    drawn = null;
  }

  /** The feed, if it is about what is on show; `feedWords` changes only where something in it did. */
  function takeFeed(state) {
    const now = state.feed;
    if (now === feed) return;
    feed = now;
    feedWords = now ? JSON.stringify([now.marks, now.retrained, now.hand]) : "";
  }
  const same = (key) => feed[key] === undefined || feed[key] === model.header[key];
  const belongs = () => feed && ["run", "epoch", "criterion", "scope"].every(same);

  function draw(state) {
    if (!model || !stage.theme) return;
    takeFeed(state);
    const veiled = Boolean(state.veiled || model.veiled);
    const asShare = (guess) => ({ percent: guess.percent, accuracy: guess.accuracy ?? guess.value / 100 });
    const guesses = veiled ? [] : (state.guesses || []).map(asShare);
    const hand = !veiled && belongs() && !panelHandEmpty(state.hand) ? feed.hand : null;
    const now = `${veiled} ${stage.theme.id} ${feedWords} ${guesses.map((g) => `${g.percent}:${g.accuracy}`)} ${hand?.id}`;
    if (now !== drawn) {
      drawn = now;
      const shown = veiled || !belongs() ? null : feed;
      const curves = veiled ? [] : costCurves(model, lowRank());
      toggle.setAttribute("aria-pressed", String(lowRank()));
      box.classList.toggle("dark", stage.theme.dark);
      words(state, veiled);
      // In the hall the plot gets the room of the legend's lines for the curves that carry their names themselves.
      let named = new Set(state.lecture ? curves.map(({ kind }) => kind) : []);
      box.classList.remove("tight");
      for (let tries = 0; tries < 3; tries++) {
        read(state.percent, veiled);
        entries({ curves: curves.filter(({ kind }) => !named.has(kind)), shown, guesses, hand, veiled, brief: state.lecture });
        plot.measure();
        // On a very small screen there is no room for words beside the plot: then the names may stand on other curves.
        const tight = state.lecture && plot.height() > 0 && plot.height() < 9 * stage.theme.size;
        if (tight) {
          box.classList.add("tight");
          plot.measure();
        }
        plot.frame({ model, curves, veiled, feed: shown, guesses, hand, tight });
        if (tight) break;
        const lost = [...named].filter((kind) => !plot.named().has(kind));
        if (veiled || !lost.length) break;
        named = new Set([...named].filter((kind) => !lost.includes(kind)));
      }
    }
    plot.draw(state.percent);
    read(state.percent, veiled);
  }

  function words(state, veiled) {
    const { header } = model;
    say(about, state.lecture ? "Accuracy, cut once, not retrained" : `test accuracy, ${costCount(header.test_images)} images`);
    const label = veiled ? ": veiled." : `, cut once, not retrained. ${lostInWords()}`;
    plot.plot.setAttribute("aria-label", `Test accuracy against ratio${label}`);
  }

  function lostInWords() {
    const found = COST_POINTS.map((n) => [n, model.lost(n)]);
    const said = found.filter(([, p]) => p !== null).map(([n, p], i) => `${i ? n : costPoints(n)} at ${p}${NARROW}%`);
    const never = found.filter(([, p]) => p === null).map(([n]) => n);
    const rest = never.length ? `${never.join(" and ")} points are never lost` : "";
    return `Test accuracy lost first: ${[said.join(", "), rest].filter(Boolean).join("; ")}.`;
  }

  /** The legend names every shape that is in the plot, and none that is not; one line for each way of getting there. */
  function entries({ curves, shown, guesses, hand, veiled, brief: short }) {
    legend.replaceChildren();
    legend.hidden = veiled;
    const group = (title) => {
      const item = panelNode(legend, "li");
      if (title) panelNode(item, "span", "faint", title);
      return (kind, shape, text, band) => {
        const one = panelNode(item, "span", "entry");
        const sample = one.appendChild(svg("svg", { class: "sample", viewBox: "0 0 36 12", "aria-hidden": "true" }));
        if (band) sample.append(svg("path", { class: `band ${kind}`, d: COST_SAMPLE.band }));
        sample.append(svg("path", { class: kind, d: COST_SAMPLE[shape] }));
        one.append(text);
      };
    };
    const isLow = ({ kind }) => kind === "pca" || kind === "svd";
    const once = [...curves].reverse().filter((curve) => !isLow(curve));
    const add = once.length && group(short ? "" : "cut once, not retrained:");
    for (const { kind, name, spread, draws } of once) {
      add(kind, "line", spread ? `${name} (${draws} draws${short ? "" : ": mean, range"})` : name, Boolean(spread));
    }
    const low = curves.filter(isLow);
    const uncut = "uncut network at the cut layers' ranks, not retrained";
    const lowNamed = short && lowRank() && !veiled; // their names stand in the plot, but not what they are
    const addLow = (low.length || lowNamed) && group(low.length ? `${uncut}:` : `PCA, SVD: ${uncut}`);
    for (const { kind, name } of [...low].reverse()) addLow(kind, "line", name);
    const kinds = new Set((shown?.marks || []).map(({ kind }) => kind));
    if (shown?.retrained) {
      const { epochs, busy } = shown.retrained;
      const waits = short ? " …" : " (… under way)";
      group("")("after", "circle", `${short ? "then" : "cut once, then"} ${costEpochs(epochs)} of training${busy ? waits : ""}`);
    }
    if (kinds.has("rounds")) group("")("rounds", "diamond", short ? "in rounds and trained on" : "cut in rounds and trained on");
    if (kinds.has("branch")) group("")("branch", "square", short ? "branch" : "branch: pruned here, trained on");
    if (hand) group("")("hand", "triangle", "set by hand, not retrained");
    if (guesses.length) group("")("guess", "cross", "guesses");
  }

  function read(p, veiled) {
    const now = figuresAt(p, veiled);
    for (const [key, value] of Object.entries(figures.cells)) say(value, now[key]);
    say(figures.groups.time.heading, now.timeTitle);
    const alone = panelHandEmpty(stage.state.hand) ? "" : "By the slider alone: "; // what is set by hand is not in these figures
    say(figures.groups.accuracy.heading, alone ? `${alone}cut once, not retrained` : "Cut once, not retrained");
    const low = veiled || !lowRank() ? "" : `PCA ${now.pca}, SVD ${now.svd}; `;
    say(brief, `${alone}${low}${now.adds} of ${now.addsDense} multiply-adds, ${now.bytesShrunk} of ${now.bytesDense} after shrink()`);
  }

  /** Every figure in words; an outcome behind the veil is "veiled". */
  function figuresAt(p, veiled) {
    const { header, arrays } = model;
    const all = model.figures(p);
    const outcome = veiled ? null : model.outcome(p);
    const seen = (value, write) => (outcome ? write(value(outcome)) : "veiled");
    const coarse = header.coarse || [];
    const i = coarse.reduce((best, at, k) => (Math.abs(at - p) < Math.abs(coarse[best] - p) ? k : best), 0);
    const ms = (list) => (absent(list?.[i]) ? "–" : `${list[i].toPrecision(3)}${NARROW}ms`);
    return {
      test: seen((o) => o.accuracy, percent), valid: seen((o) => o.validAccuracy, percent), loss: seen((o) => o.loss, (x) => digits(x, 3)),
      pca: seen((o) => o.pca, percent), svd: seen((o) => o.svd, percent),
      addsDense: costCount(header.dense_multiply_adds), adds: costCount(all.multiplyAdds), addsShrunk: costCount(all.shrunkMultiplyAdds),
      bytesDense: costBytes(header.dense_bytes), bytesShrunk: costBytes(all.shrunkBytes), bytesSparse: costBytes(all.sparseBytes),
      msDense: ms(arrays.dense_ms), msShrunk: ms(arrays.shrunk_ms),
      timeTitle: coarse.length ? `One batch of ${costCount(header.batch)}, at ${coarse[i]}${NARROW}%` : "One batch: not timed",
    };
  }

  function text(state) {
    if (!model) return "";
    const veiled = Boolean(state.veiled || model.veiled);
    const now = figuresAt(state.percent, veiled);
    const costs = `${now.adds} multiply-adds an image of ${now.addsDense}, ${now.bytesShrunk} after shrink() of ${now.bytesDense}`;
    if (veiled) return `What it costs at ${state.percent}${NARROW}%: accuracy veiled; ${costs}.`;
    const low = `uncut network at the same ranks: PCA ${now.pca}, SVD ${now.svd}`;
    const once = `cut once, not retrained: test accuracy ${now.test}`;
    return `What it costs at ${state.percent}${NARROW}%, ${once}; ${low}; ${costs}. ${lostInWords()}`;
  }

  function table(state) {
    if (!model) return null;
    const veiled = Boolean(state.veiled || model.veiled);
    const now = figuresAt(state.percent, veiled);
    const rows = COST_GROUPS.flatMap(({ name, title: group, rows: list }) => {
      return list.map(([key, words]) => [`${name === "time" ? now.timeTitle : group}: ${words}`, now[key]]);
    });
    return { head: ["figure", `at ${state.percent}${NARROW}%`], rows: [...rows, ...comparisons(state, veiled)] };
  }

  /** Controls at this ratio, and every mark of the plot. */
  function comparisons(state, veiled) {
    if (veiled) return [["controls, stored runs and retrained points", "veiled"]];
    const controls = model.curves().controls.map(({ label, draws }) => {
      const values = draws.map((draw) => draw[state.percent]);
      const mean = percent(values.reduce((sum, v) => sum + v, 0) / values.length);
      const range = values.length > 1 ? ` (${percent(Math.min(...values))} to ${percent(Math.max(...values))})` : "";
      return [`${label}, cut once, not retrained`, mean + range];
    });
    takeFeed(state);
    if (!belongs()) return controls;
    const kinds = { rounds: "cut in rounds and trained on", branch: "branch" };
    const named = (mark) => `${kinds[mark.kind] || mark.kind}: ${mark.label}, ${percent(mark.achieved)} zero`;
    const marks = (feed.marks || []).map((mark) => [named(mark), percent(mark.accuracy)]);
    const { points = [], epochs } = feed.retrained || {};
    const then = (point) => `cut once at ${point.percent}${NARROW}%, then ${costEpochs(epochs)} of training`;
    const trained = points.map((point) => [then(point), percent(point.accuracy)]);
    return [...controls, ...marks, ...trained];
  }
  return { setModel, resize, draw, text, table };
}
