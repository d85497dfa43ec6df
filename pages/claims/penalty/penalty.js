// Every cut beside four models of it: spectra per layer, figures, and all distances at a glance. `core.claims.penalty` packs the blob.

// Kept as long as the page is open, so that one who leaves the page and comes back finds it as it was.
const penaltyMemory = { run: null, cut: null, off: new Set(), log: false, drop: true };
const PENALTY_SHORT = { before: "before", now: "real" };
const PENALTY_FAR = 2; // the dot plot's axis ends here at the latest

/** The path of a model's mark, so that it can be told apart without colour: disc, square, diamond, triangle; on its point for others. */
function penaltyMark(name, x, y, r) {
  const [a, b] = [r * 0.9, r * 1.25];
  return {
    soft: `M${x - r} ${y}A${r} ${r} 0 1 0 ${x + r} ${y}A${r} ${r} 0 1 0 ${x - r} ${y}Z`,
    hard: `M${x - a} ${y - a}H${x + a}V${y + a}H${x - a}Z`,
    scaling: `M${x} ${y - b}L${x + b} ${y}L${x} ${y + b}L${x - b} ${y}Z`,
    random: `M${x} ${y - b}L${x + b} ${y + a}H${x - b}Z`,
  }[name] || `M${x} ${y + b}L${x + b} ${y - a}H${x - b}Z`;
}

function penaltySample(name) {
  const sample = svg("svg", { class: "mark-sample", viewBox: "0 0 20 20", "aria-hidden": "true" });
  sample.append(svg("path", { class: `spot ${name} line`, d: penaltyMark(name, 10, 10, 7) }));
  return sample;
}

/** The cut that the address names, as a place from 0; undefined where it says nothing or nonsense. */
function penaltyFromLink() {
  const text = new URLSearchParams(location.search).get("cut");
  return text !== null && /^[1-9]\d{0,3}$/.test(text) ? Number(text) - 1 : undefined;
}

const penaltyToLink = (place) => writeAddress({ cut: place + 1 });

function makePenalty(root) {
  const part = parts(root);
  const keys = plotKeys(part.bar, "Lines of the plots");
  const memory = penaltyMemory;
  const pressWhat = panelSwitch(part.bar, "What is drawn", [[true, "drop"], [false, "values"]], () => memory.drop, (value) => set({ drop: value }));
  const scale = panelNode(part.bar, "span");
  const pressScale = panelSwitch(scale, "Scale", [[false, "linear"], [true, "log"]], () => memory.log, (value) => set({ log: value }));
  const table = panelNode(part.table, "table");
  let header = { cuts: [], models: [] };
  let arrays = {};
  let text = null;
  let theme = null;
  let tabs = [];
  let plots = [];
  const closeTheme = followTheme(root, draw);
  const closeDots = plotWatch(part.dots, drawDots);

  function set(changes) {
    Object.assign(memory, changes);
    draw();
  }

  function show(blob) {
    const came = unpack(blob);
    if (text === came.text) return draw();
    ({ header, text, arrays } = came);
    const cuts = header.cuts || [];
    part.wait.hidden = cuts.length > 0;
    part.body.hidden = !cuts.length;
    say(part.wait, header.problem || header.title || "");
    if (!cuts.length) return;
    if (memory.run !== header.run) Object.assign(memory, { run: header.run, cut: penaltyFromLink() ?? null, followed: false });
    memory.followed ||= Boolean(header.moving);
    while (plots.length < cuts[0].layers.length) plots.push(makeSpectrumPlot(part.multiples, { name: cuts[0].layers[plots.length].name }));
    while (plots.length > cuts[0].layers.length) {
      const gone = plots.pop();
      gone.close();
      gone.box.remove();
    }
    makeTabs(cuts);
    draw();
  }

  /** The cut on show: what was chosen, else the newest of a run that was seen under way and the first, largest one of another. */
  function place() {
    const last = header.cuts.length - 1;
    return Math.min(last, memory.cut ?? (memory.followed ? last : 0));
  }

  function makeTabs(cuts) {
    while (tabs.length > cuts.length) tabs.pop().remove();
    while (tabs.length < cuts.length) {
      const index = tabs.length;
      const tab = panelNode(part.steps, "button");
      tab.type = "button";
      tab.setAttribute("role", "tab");
      tab.addEventListener("click", () => choose(index));
      tab.addEventListener("keydown", stepped);
      panelNode(tab, "b");
      panelNode(tab, "span", "faint");
      tabs.push(tab);
    }
    cuts.forEach((cut, i) => {
      const [name, rest] = tabs[i].children;
      say(name, cut.name[0].toUpperCase() + cut.name.slice(1).replace(/ of \d+$/, ""));
      say(rest, `epoch ${cut.epoch} · ${percent(cut.zero[1], 0)} zero`);
    });
  }

  function choose(index, focus = false) {
    set({ cut: Math.min(header.cuts.length - 1, Math.max(0, index)) });
    penaltyToLink(memory.cut);
    if (focus) tabs[memory.cut].focus();
  }

  function stepped(event) {
    const last = header.cuts.length - 1;
    const to = { ArrowLeft: place() - 1, ArrowRight: place() + 1, ArrowUp: place() - 1, ArrowDown: place() + 1, Home: 0, End: last }[event.key];
    if (to === undefined || !isPlain(event)) return;
    event.preventDefault();
    choose(to, event.currentTarget !== part.dots);
  }
  part.dots.addEventListener("keydown", stepped);

  // ---- drawing ----
  function draw() {
    if (!(header.cuts || []).length || !root.clientWidth) return;
    theme = plotTheme(root);
    const here = place();
    const cut = header.cuts[here];
    Object.assign(root.dataset, { run: header.run, cut: here + 1, cuts: header.cuts.length, moving: Boolean(header.moving) });
    root.dataset.drawn = header.cuts.filter((one) => one.drawn).length;
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === here));
      tab.tabIndex = i === here ? 0 : -1;
    });
    say(part.sees, cut.said);
    const models = header.models.map(({ name, words, help }) => ({ kind: name, words, title: help }));
    const real = { kind: "now", words: memory.drop ? "the real cut" : "after the real cut" };
    const before = memory.drop ? [] : [{ kind: "before", words: "before" }];
    keys.show([real, ...before, ...models], { off: memory.off, toggle });
    scale.hidden = memory.drop; // a fall may be 0 or less
    say(part.what, memory.drop
      ? "How far each singular value fell in the cut. A penalty lowers all by the same τ: a flat line, down to where nothing is left."
      : "Singular values, largest first.");
    pressWhat();
    pressScale();
    cut.layers.forEach((layer, l) => drawLayer(layer, here, l));
    drawTable(cut);
    const waits = header.cuts.every((one) => one.drawn) ? "" : "Random cuts are being drawn. ";
    say(part.all, `${header.said || waits}${header.said ? " " : ""}Each mark: the share of the change that the model leaves unexplained. Left is near: 0 is exact, 100${NARROW}% no better than “nothing happened”.`);
    say(part.which, `${cut.name[0].toUpperCase()}${cut.name.slice(1)} in figures: share of the change left unexplained (▸ nearest)`);
    drawDots();
  }

  function toggle(kind) {
    const off = new Set(memory.off);
    if (!off.delete(kind)) off.add(kind);
    set({ off });
  }

  function drawLayer(layer, c, l) {
    const before = arrays[`before_${c}_${l}`];
    const values = { before, now: arrays[`after_${c}_${l}`] };
    const short = { ...PENALTY_SHORT, ...Object.fromEntries(header.models.map((model) => [model.name, model.short])) };
    for (const { name } of header.models) values[name] = arrays[`${name}_${c}_${l}`];
    const drop = (list) => Float32Array.from(before, (value, i) => value - list[i]);
    const lines = Object.entries(values)
      .filter(([kind, list]) => list && !memory.off.has(kind) && !(memory.drop && kind === "before"))
      .map(([kind, list]) => ({ kind, words: short[kind], values: memory.drop ? drop(list) : list, under: kind === "now" }));
    const all = lines.flatMap((line) => Array.from(line.values));
    const top = memory.drop ? Math.max(0, ...all) : before[0];
    // Below 0 by a hair: a drop of 0 is drawn too, as what a model says of the values that it leaves alone.
    const least = memory.drop ? Math.min(-1e-9 * top, ...all) : 0;
    const nearest = header.models.find((model) => model.name === layer.nearest);
    plots[l].show({
      theme, lines, log: memory.log && !memory.drop, ceiling: plotCeiling(top), floor: least < -0.01 * top ? -plotCeiling(-least) : least,
      title: layer.name, note: `nuclear norm ${layer.nuclear.map((v) => digits(v, 1)).join(" → ")}`,
      sub: layer.models ? `τ ${compact(layer.models.soft.parameter)}${nearest ? `, nearest: ${nearest.words}` : ""}` : "left as it was",
      empty: "all values are 0",
    });
  }

  function drawTable(cut) {
    const head = ["layer", "τ", ...header.models.map((model) => model.words), "nuclear norm", "live neurons"];
    const rows = cut.layers.map((layer) => {
      const tail = [layer.nuclear, layer.alive].map((pair, i) => pair.map((v) => (i ? String(v) : digits(v, 1))).join(" → "));
      if (!layer.models) return [layer.name, "–", ...header.models.map(() => "–"), ...tail];
      const distances = header.models.map(({ name }) => (layer.models[name] ? percent(layer.models[name].distance, 0) : "…"));
      return [layer.name, compact(layer.models.soft.parameter), ...distances, ...tail];
    });
    const content = JSON.stringify([head, rows]);
    if (table.dataset.content === content) return;
    table.dataset.content = content;
    const line = (cells, tag) => {
      const row = document.createElement("tr");
      cells.forEach((cell, i) => panelNode(row, i ? tag : "th", "", cell));
      return row;
    };
    const top = document.createElement("thead");
    top.append(line(head, "th"));
    header.models.forEach(({ name }, i) => top.rows[0].cells[i + 2].prepend(penaltySample(name)));
    const body = document.createElement("tbody");
    cut.layers.forEach((layer, l) => {
      const row = line(rows[l], "td");
      const nearest = header.models.findIndex((one) => one.name === layer.nearest);
      if (nearest >= 0) row.cells[nearest + 2].className = "nearest";
      header.models.forEach(({ name, parameter }, i) => {
        const model = layer.models?.[name];
        if (model && parameter) row.cells[i + 2].title = `${parameter} ${Number.isInteger(model.parameter) ? model.parameter : compact(model.parameter)}`;
      });
      body.append(row);
    });
    table.replaceChildren(top, body);
  }

  /** One panel a layer, one row a cut, one mark a model: how far it is from the real cut. */
  function drawDots() {
    const wide = part.dots.clientWidth;
    if (!wide || !theme || !(header.cuts || []).length) return;
    const em = theme.size;
    const { cuts, models } = header;
    const layers = cuts[0].layers.length;
    const row = Math.max(0.5, Math.min(1.5, 15 / cuts.length)) * em;
    const share = "share left unexplained;";
    const limit = `dotted: ${percent(header.like, 0)}, the most that counts as like a penalty`;
    const left = plotWide(["cut 10"], em);
    const lines = left + plotWide([`${share} ${limit}`], em) > wide ? [share, limit] : [`${share} ${limit}`];
    const [top, foot] = [1.4 * em, (1.5 + 1.2 * lines.length) * em];
    const tall = top + row * cuts.length + foot;
    part.dots.style.height = `${tall}px`;
    const each = (wide - left) / layers;
    const room = each - 2.3 * em;
    const distances = cuts.flatMap((cut) => cut.layers.flatMap((layer) => Object.values(layer.models || {}).map((model) => model.distance)));
    const far = Math.min(PENALTY_FAR, Math.max(1, Math.ceil(2 * Math.max(0, ...distances)) / 2));
    const nodes = [];
    const base = top + row * cuts.length;
    const y = (c) => top + row * (c + 0.5);
    nodes.push(svg("rect", { class: "here", x: 0, width: wide, y: y(place()) - row / 2, height: row }));
    const every = Math.ceil((1.15 * em) / row);
    cuts.forEach((cut, c) => {
      if (c % every === 0) nodes.push(svg("text", { x: 0, y: y(c), dy: "0.34em", class: c === place() ? "strong" : "" }, `cut ${c + 1}`));
    });
    for (let l = 0; l < layers; l++) {
      const x0 = left + l * each + 0.55 * em;
      const x = (share) => x0 + (room * Math.min(far, share)) / far;
      nodes.push(svg("text", { x: x0, y: 0.95 * em, class: "strong" }, cuts[0].layers[l].name));
      const grades = (room < 6 * em ? [0, Math.min(2, Math.floor(far))] : room < 11 * em ? [0, 1, 2] : [0, 0.5, 1, 1.5, 2]).filter((one) => one <= far);
      for (const grade of grades) {
        nodes.push(svg("line", { class: "plot-grid", x1: x(grade), x2: x(grade), y1: top, y2: base }));
        nodes.push(svg("text", { x: x(grade), y: base, dy: "1.2em", "text-anchor": "middle" }, `${100 * grade}${grade === grades.at(-1) ? `${NARROW}%` : ""}`));
      }
      nodes.push(svg("line", { class: "limit", x1: x(header.like), x2: x(header.like), y1: top, y2: base }));
      cuts.forEach((cut, c) => {
        const found = cut.layers[l].models;
        if (!found) return;
        for (const { name, words } of models) {
          if (!found[name]) continue;
          const { distance } = found[name];
          const d = penaltyMark(name, x(distance), y(c), Math.min(0.34 * em, 0.42 * row));
          const mark = svg("path", { class: `spot ${name} line${distance > far ? " beyond" : ""}`, d, "data-at": `${name} ${c} ${l}`, "data-distance": distance });
          mark.append(svg("title", {}, `${cut.name}, ${cut.layers[l].name}: ${words} leaves ${percent(distance, 0)} unexplained`));
          nodes.push(mark);
        }
      });
    }
    lines.forEach((words, i) => nodes.push(svg("text", { x: lines.length > 1 ? 0 : left + 0.55 * em, y: base, dy: `${2.4 + 1.2 * i}em` }, words)));
    part.dots.replaceChildren(...nodes);
    part.dots.setAttribute("aria-label", `Distances of the models, cut by cut. ${header.said}`);
  }
  part.dots.addEventListener("click", (event) => {
    if (!theme) return;
    const rows = header.cuts.length;
    const row = Math.max(0.5, Math.min(1.5, 15 / rows)) * theme.size;
    const index = Math.floor((event.clientY - part.dots.getBoundingClientRect().top - 1.4 * theme.size) / row);
    if (index >= 0 && index < rows) choose(index);
  });

  function close() {
    closeTheme();
    closeDots();
    plots.forEach((plot) => plot.close());
  }
  return { show, close };
}

export default keepMounted("[data-testid=penalty]", (root) => makePenalty(root));
