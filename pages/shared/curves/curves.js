// Accuracy (large) and loss (small) over the epochs, every cut marked. Values are read off in the legend, not in a box over the curve.

const STEPS = [10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 1000, 2000, 5000];

/** Where the two panels lie, in px: side by side where there is room, one above the other where not. */
function curvesFrame(width, height, em) {
  const left = 3.3 * em;
  const top = 2.75 * em; // two lines of words for each cut
  const bottom = 1.5 * em;
  const right = 0.9 * em;
  if (width < 34 * em) {
    const tall = 0.62 * height;
    return {
      accuracy: { x: left, y: top, w: width - left - right, h: tall - top - bottom },
      loss: { x: left, y: tall + 0.6 * em, w: width - left - right, h: height - tall - 0.6 * em - bottom },
    };
  }
  const split = 0.69 * width;
  return {
    accuracy: { x: left, y: top, w: split - left - 1.6 * em, h: height - top - bottom },
    loss: { x: split + 2.2 * em, y: top, w: width - split - 2.2 * em - right, h: height - top - bottom },
  };
}

/** Last epoch on the axis: grows in steps, so that the picture stays still while a run goes on. */
function lastEpoch(header) {
  const last = Math.max(0, ...header.epoch);
  if (header.finished) return Math.max(last, 2);
  const limit = Math.max(header.max_epochs || 200, last);
  return Math.min(STEPS.find((step) => step >= last + 1) || last, limit);
}

function accuracyFloor(header) {
  const seen = [...header.train_accuracy, ...header.valid_accuracy, ...header.cuts.map((cut) => cut.accuracy_after)].filter((x) => !absent(x));
  if (!seen.length) return 0.5; // nothing yet: an axis on which target and thresholds can be read
  const low = Math.min(...seen);
  return [0.9, 0.8, 0.7, 0.6, 0.5].find((floor) => low >= floor + 0.005) ?? 0;
}

/** Top of the loss axis and the step of its ticks. */
function lossAxis(header) {
  const seen = [...header.train_loss, ...header.valid_loss].filter((x) => !absent(x) && Number.isFinite(x));
  const high = Math.max(0.1, ...seen);
  const power = 10 ** Math.floor(Math.log10(high));
  const [top, step] = [[1, 0.5], [1.5, 0.5], [2, 1], [3, 1], [4, 2], [6, 2], [8, 4], [10, 5]].find(([m]) => m * power >= high * 0.999);
  return { ceiling: top * power, step: step * power };
}

/** The validation curve with its falls: at a cut the line stops, and goes on from where the cut left it. */
function validPoints(header, x, y) {
  const after = new Map(header.cuts.map((cut) => [cut.epoch, cut.accuracy_after]));
  return header.epoch.flatMap((epoch, i) => {
    const value = header.valid_accuracy[i];
    const here = absent(value) ? null : [x(epoch), y(value)];
    return after.has(epoch) && !absent(after.get(epoch)) ? [here, null, [x(epoch), y(after.get(epoch))]] : [here];
  });
}

/** Which words fit over the cuts, the newest first: a row of ratios, and under it a row of what each cut cost. */
function cutWords(cuts, x, panel, em) {
  const row = (half, over) => { // over: how far words may reach over the left end, where the axis has its own
    const taken = [];
    return [...cuts].reverse().flatMap((cut) => {
      const centre = Math.min(Math.max(x(cut.epoch), panel.x + half - over), panel.x + panel.w - half + em);
      if (taken.some((other) => Math.abs(other - centre) < 2 * half)) return [];
      taken.push(centre);
      return [{ cut, centre }];
    });
  };
  const crowded = cuts.length > 1 && cuts.length !== row(1.9 * em, 3 * em).length;
  return { ratios: row((crowded ? 1.3 : 1.9) * em, 3 * em), costs: row(3.15 * em, 0), sign: crowded ? "" : "✕ " };
}

function drawPanel(group, panel, { xs, ys, x, y, yWord, xTitle }) {
  for (const v of ys) {
    group.append(svg("line", { class: v === ys[0] ? "axis" : "grid", x1: panel.x, x2: panel.x + panel.w, y1: y(v), y2: y(v) }));
    group.append(svg("text", { x: panel.x - 8, y: y(v), dy: "0.34em", "text-anchor": "end" }, yWord(v)));
  }
  const base = panel.y + panel.h;
  xs.forEach((v, i) => {
    const last = i === xs.length - 1;
    group.append(svg("line", { class: "axis", x1: x(v), x2: x(v), y1: base, y2: base + 5 }));
    const word = last && xTitle ? `${xTitle} ${axisWord(v)}` : axisWord(v);
    group.append(svg("text", { x: x(v), y: base, dy: "1.2em", "text-anchor": last ? "end" : "middle", dx: last ? "0.45em" : 0 }, word));
  });
}

function makeCurves(root) {
  const part = parts(root);
  const plot = part.plot;
  const layer = Object.fromEntries(["axes", "shownRule", "pointedRule", "marks", "lines", "shown", "pointed"].map((name) => [name, plot.appendChild(svg("g", { class: name }))]));
  const line = Object.fromEntries(
    [["loss", "train"], ["loss", "valid"], ["accuracy", "train"], ["accuracy", "valid"]].map(([panel, kind]) => {
      return [`${panel} ${kind}`, layer.lines.appendChild(svg("path", { class: kind }))];
    }),
  );
  let header = null;
  let text = null;
  let theme = null;
  let at = null; // scales of the drawing that is on screen
  let pointed = null; // index of the epoch under the pointer, kept over updates
  let drawn = "";

  function show(blob) {
    const moment = unpack(blob);
    const empty = { epoch: [], train_accuracy: [], valid_accuracy: [], train_loss: [], valid_loss: [], cuts: [], thresholds: [] };
    if (header && header.run !== moment.header.run) pointed = null;
    header = { ...empty, ...moment.header };
    text = moment.text;
    theme = readTheme(root);
    draw();
  }

  function draw() {
    const width = plot.clientWidth;
    const height = plot.clientHeight;
    if (!width || !header) return;
    const now = `${text} ${theme.id} ${width}x${height}`;
    if (now === drawn) return;
    drawn = now;
    const em = theme.size;
    const { accuracy, loss } = curvesFrame(width, height, em);
    const end = lastEpoch(header);
    const floor = accuracyFloor(header);
    const { ceiling, step } = lossAxis(header);
    const losses = Array.from({ length: Math.round(ceiling / step) + 1 }, (_, i) => i * step);
    const across = (panel) => (epoch) => panel.x + (panel.w * epoch) / end;
    at = {
      accuracy, loss, end, em,
      xa: across(accuracy), ya: (v) => accuracy.y + (accuracy.h * (1 - v)) / (1 - floor),
      xl: across(loss), yl: (v) => loss.y + loss.h * (1 - v / ceiling),
    };

    const epochs = (panel) => {
      const list = ticks(0, end, Math.max(2, Math.floor(panel.w / (5 * em)))).filter((v) => Number.isInteger(v) && (v === end || at.xa(end) - at.xa(v) > 4.5 * em || panel === loss));
      const far = list.filter((v) => v !== end && ((end - v) * panel.w) / end > 5.2 * em);
      return [...far, end];
    };
    layer.axes.replaceChildren();
    const grades = ticks(floor, 1, floor < 0.5 ? 4 : 5);
    drawPanel(layer.axes, accuracy, { xs: epochs(accuracy), ys: grades, x: at.xa, y: at.ya, yWord: (v) => percent(v, 0), xTitle: "epoch" });
    drawPanel(layer.axes, loss, { xs: epochs(loss), ys: losses, x: at.xl, y: at.yl, yWord: compact, xTitle: "epoch" });
    drawLevels(floor);
    drawCuts();

    const points = (values, x, y) => header.epoch.map((epoch, i) => (absent(values[i]) ? null : [x(epoch), y(values[i])]));
    line["accuracy train"].setAttribute("d", pen(points(header.train_accuracy, at.xa, at.ya)));
    line["accuracy valid"].setAttribute("d", pen(validPoints(header, at.xa, at.ya)));
    line["loss train"].setAttribute("d", pen(points(header.train_loss, at.xl, at.yl)));
    line["loss valid"].setAttribute("d", pen(points(header.valid_loss, at.xl, at.yl)));
    root.dataset.points = header.epoch.length;
    drawShown();
    read();
  }

  /** The target, and the training accuracies at which the remaining cuts come. */
  function drawLevels(floor) {
    const { accuracy, em } = at;
    const right = accuracy.x + accuracy.w;
    // At the left the curves rise and the first cuts stand; over the target's end there is room unless a late cut says its cost there.
    const roomAtEnd = header.cuts.every((cut) => right - at.xa(cut.epoch) > 9 * em);
    const level = (value, kind, words, from = accuracy.x) => {
      if (absent(value) || value < floor || value > 1) return;
      const y = at.ya(value);
      layer.axes.append(svg("line", { class: kind, x1: from, x2: right, y1: y, y2: y }));
      if (!words) return;
      const place = kind === "target" && roomAtEnd ? { x: right, dy: "-0.35em", "text-anchor": "end" } : { x: accuracy.x + 0.3 * em, dy: "1.05em" };
      layer.axes.append(svg("text", { class: "level", y, ...place }, words));
    };
    const coming = header.finished ? [] : [...header.thresholds].sort((a, b) => a - b);
    coming.slice(1).forEach((value) => level(value, "later", "", right - 1.2 * em));
    const next = coming.length ? `next cut at ${shortPercent(coming[0])}` : "";
    const target = absent(header.target) ? "" : `target ${shortPercent(header.target)}`;
    const close = next && target && Math.abs(at.ya(header.target) - at.ya(coming[0])) < 1.3 * em;
    level(coming[0], "threshold", close && coming[0] < header.target ? `${next}, ${target}` : close ? "" : next);
    level(header.target, "target", close && coming[0] < header.target ? "" : close ? `${target}, ${next}` : target);
  }

  function drawCuts() {
    const { accuracy, loss, em } = at;
    layer.marks.replaceChildren();
    for (const cut of header.cuts) {
      layer.marks.append(svg("line", { class: "mark", x1: at.xl(cut.epoch), x2: at.xl(cut.epoch), y1: loss.y, y2: loss.y + loss.h }));
      const x = at.xa(cut.epoch);
      layer.marks.append(svg("line", { class: "mark", x1: x, x2: x, y1: accuracy.y - 0.25 * em, y2: accuracy.y + accuracy.h }));
      if (absent(cut.accuracy_before) || absent(cut.accuracy_after)) continue;
      const from = at.ya(cut.accuracy_before);
      const to = at.ya(cut.accuracy_after);
      const head = Math.min(0.5 * em, Math.abs(to - from)) * Math.sign(to - from || 1);
      layer.marks.append(svg("line", { class: "fall", x1: x, x2: x, y1: from, y2: to - head }));
      layer.marks.append(svg("path", { class: "tip", d: `M${x} ${to}l${-0.3 * em} ${-head}h${0.6 * em}z` }));
    }
    const { ratios, costs, sign } = cutWords(header.cuts, at.xa, accuracy, em);
    const above = (kind, centre, rise, words) => layer.marks.append(svg("text", { class: kind, x: centre, y: accuracy.y - rise * em, "text-anchor": "middle" }, words));
    for (const { cut, centre } of ratios) above("ratio", centre, 1.55, `${sign}${percent(cut.achieved, 0)}`);
    for (const { cut, centre } of costs) above("cost", centre, 0.45, dropped(cut));
  }

  /** The scrubber's position; the last epoch needs no line, its dots say it. */
  function drawShown() {
    for (const group of [layer.shown, layer.shownRule]) group.replaceChildren();
    const i = header.epoch.indexOf(header.shown_epoch);
    if (i < 0) return;
    if (i < header.epoch.length - 1) {
      marker(layer.shownRule, i);
      chip(layer.shown, i);
    }
    dots(layer.shown, i);
  }

  /** A line through both panels. */
  function marker(group, i) {
    for (const [panel, x] of [[at.accuracy, at.xa], [at.loss, at.xl]]) {
      const here = x(header.epoch[i]);
      group.append(svg("line", { class: "shown", x1: here, x2: here, y1: panel.y, y2: panel.y + panel.h }));
      const flag = 0.32 * at.em;
      group.append(svg("path", { class: "flag", d: `M${here - flag} ${panel.y + panel.h + flag * 1.5}h${2 * flag}l${-flag} ${-flag * 1.5}z` }));
    }
  }

  function chip(group, i) {
    const half = 2.2 * at.em;
    const x = Math.min(Math.max(at.xa(header.epoch[i]), at.accuracy.x + half), at.accuracy.x + at.accuracy.w - half);
    group.append(svg("text", { class: "chip", x, y: at.accuracy.y + at.accuracy.h - 0.5 * at.em, "text-anchor": "middle" }, `epoch ${header.epoch[i]}`));
  }

  function dots(group, i) {
    const rows = [["train", header.train_accuracy, at.xa, at.ya], ["valid", header.valid_accuracy, at.xa, at.ya], ["train", header.train_loss, at.xl, at.yl], ["valid", header.valid_loss, at.xl, at.yl]];
    for (const [kind, values, x, y] of rows) {
      if (!absent(values[i])) group.append(svg("circle", { class: `dot ${kind}`, cx: x(header.epoch[i]), cy: y(values[i]), r: 0.34 * at.em }));
    }
  }

  /** Values of the pointed epoch, else of the shown one, else of the last. */
  function read() {
    if (!at) return;
    for (const group of [layer.pointed, layer.pointedRule]) group.replaceChildren();
    const shown = header.epoch.indexOf(header.shown_epoch);
    const pointing = pointed !== null && pointed < header.epoch.length;
    const i = pointing ? pointed : shown >= 0 ? shown : header.epoch.length - 1;
    say(part.train, percent(header.train_accuracy[i]));
    say(part.valid, percent(header.valid_accuracy[i]));
    say(part.trainLoss, digits(header.train_loss[i], 3));
    say(part.validLoss, digits(header.valid_loss[i], 3));
    const cuts = header.cuts.filter((cut) => cut.epoch === header.epoch[i]);
    const told = pointing && cuts.length ? `Epoch ${header.epoch[i]}, ${cuts.map(cutInWords).join("; ")}` : header.title || "";
    say(part.title, told || "The curves begin with the first epoch.");
    part.title.title = told;
    if (pointing) {
      marker(layer.pointedRule, i);
      chip(layer.pointed, i);
      dots(layer.pointed, i);
    }
    for (const group of [layer.shown, layer.shownRule]) group.setAttribute("visibility", pointing ? "hidden" : "visible");
    plot.setAttribute("aria-label", inWords(i));
  }

  function inWords(i) {
    if (i < 0) return `Accuracy and loss over the epochs. ${header.title || "No epoch yet."}`;
    const values = `epoch ${header.epoch[i]}: training accuracy ${percent(header.train_accuracy[i])}, validation ${percent(header.valid_accuracy[i])}`;
    return `Accuracy and loss over ${header.epoch.length} epochs; ${values}. ${header.cuts.map((cut) => `At epoch ${cut.epoch}, ${cutInWords(cut)}.`).join(" ")}`;
  }

  function point(i) {
    const next = i === null || !header?.epoch.length ? null : Math.min(Math.max(i, 0), header.epoch.length - 1);
    if (next === pointed) return;
    pointed = next;
    read();
  }

  plot.addEventListener("pointermove", (event) => {
    if (!at || !header.epoch.length) return;
    const box = plot.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const stacked = at.loss.x === at.accuracy.x;
    const panel = (stacked ? py < at.loss.y - at.em : px < at.loss.x - 3 * at.em) ? at.accuracy : at.loss;
    const epoch = ((px - panel.x) / panel.w) * at.end;
    const near = header.epoch.reduce((best, e, i) => (Math.abs(e - epoch) < Math.abs(header.epoch[best] - epoch) ? i : best), 0);
    point(near);
  });
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("blur", () => point(null));
  plot.addEventListener("keydown", (event) => {
    if (!isPlain(event)) return;
    const last = (header?.epoch.length || 0) - 1;
    const from = pointed ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });

  const watch = new ResizeObserver(() => {
    if (header) theme = readTheme(root);
    draw();
  });
  watch.observe(plot);
  return { show, close: () => watch.disconnect() };
}

export default keepMounted(".curves", (root) => makeCurves(root));
