// The search for the penalty that ends with the pruned network's nuclear norm, try by try, and the networks side by side.
// `core.views.penalised` packs the blob.

const STRENGTH_WORDS = { pruned: "pruned", penalty: "penalised", standard: "neither" };
const strengthMemory = { log: false, off: new Set() };

/** 0.003 -> 0.003, 0.00003 -> 3·10⁻⁵ */
function strengthPower(v) {
  const power = Math.floor(Math.log10(v) + 1e-9);
  if (power >= -4 && power <= 3) return axisWord(Number(v.toPrecision(1)));
  const raised = String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  const times = Math.round(v / 10 ** power);
  return times === 1 ? `10${raised}` : `${times}·10${raised}`;
}

function makeStrength(root) {
  const part = parts(root);
  const keys = plotKeys(part.bar, "Networks");
  const press = panelSwitch(part.bar, "Scale", [[false, "linear"], [true, "log"]], () => strengthMemory.log, (value) => {
    strengthMemory.log = value;
    draw();
  });
  const table = panelNode(part.table, "table");
  let [header, arrays, text, theme] = [{}, {}, null, null];
  const plots = [];
  const closeTheme = followTheme(root, draw);
  const closeSearch = plotWatch(part.search, drawSearch);

  function show(blob) {
    const came = unpack(blob);
    if (came.text !== text) ({ header, text, arrays } = came);
    const { job } = header;
    part.job.hidden = !job;
    if (job) {
      say(part.jobWords, job.text);
      part.share.value = job.share;
    }
    part.body.hidden = !(header.tries || []).length && !job;
    draw();
  }

  function draw() {
    if (part.body.hidden || !header.networks || !root.clientWidth) return;
    theme = plotTheme(root);
    Object.assign(root.dataset, { run: header.run, tries: header.tries.length, found: header.found ?? "" });
    drawSearch();
    drawTable();
    drawSpectra();
    const words = JSON.stringify(header.said);
    if (part.sees.dataset.words !== words) {
      part.sees.dataset.words = words;
      part.sees.replaceChildren();
      header.said.forEach((sentence) => panelNode(part.sees, "p", "", sentence));
    }
  }

  /** λ on a log axis, the one without a penalty at its left end; the goal as a line; every try a disc with its number. */
  function drawSearch() {
    const { clientWidth: wide, clientHeight: tall } = part.search;
    if (!wide || !theme || !header.tries) return;
    const em = theme.size;
    const { tries, goal } = header;
    const tried = tries.filter((one) => one.strength > 0).map((one) => one.strength);
    const low = Math.log10(Math.min(1e-3, ...tried)) - 0.25;
    const high = Math.max(low + 1.5, Math.log10(Math.max(1e-3, ...tried)) + 0.25);
    const top = plotCeiling(1.02 * Math.max(goal, ...tries.map((one) => one.nuclear)));
    const [above, right, foot] = [0.6 * em, 0.9 * em, 2.7 * em];
    const y = (v) => above + (tall - above - foot) * (1 - Math.min(1, v / top));
    const grades = ticks(0, top, 4);
    const left = plotWide(grades.map(axisWord), em) + 0.8 * em;
    const none = left + 1.4 * em; // where λ = 0 stands
    const first = none + 1.8 * em;
    const x = (strength) => (strength > 0 ? first + ((wide - right - first) * (Math.log10(strength) - low)) / (high - low) : none);
    const base = y(0);
    const nodes = grades.flatMap((v) => [
      svg("line", { class: "plot-grid", x1: left, x2: wide - right, y1: y(v), y2: y(v) }),
      svg("text", { x: left - 0.35 * em, y: y(v), dy: "0.34em", "text-anchor": "end" }, axisWord(v)),
    ]);
    nodes.push(svg("path", { class: "plot-axis", d: `M${left} ${above}V${base}H${none + 0.6 * em}M${first - 0.6 * em} ${base}H${wide - right}` }));
    nodes.push(svg("text", { x: none, y: base, dy: "1.2em", "text-anchor": "middle" }, "0"));
    const steps = high - low > 3.2 ? [1] : [1, 3];
    for (let power = Math.floor(low); power <= high; power++) {
      for (const strength of steps.map((step) => step * 10 ** power).filter((v) => Math.log10(v) >= low && Math.log10(v) <= high)) {
        nodes.push(svg("line", { class: "plot-axis", x1: x(strength), x2: x(strength), y1: base, y2: base + 5 }));
        nodes.push(svg("text", { x: x(strength), y: base, dy: "1.2em", "text-anchor": "middle" }, strengthPower(strength)));
      }
    }
    nodes.push(svg("text", { x: (first + wide - right) / 2, y: base, dy: "2.35em", "text-anchor": "middle" }, "λ, strength of the penalty"));
    nodes.push(svg("line", { class: "line pruned goal", x1: left, x2: wide - right, y1: y(goal), y2: y(goal) }));
    const words = `the pruned network: ${digits(goal, 0)}`;
    const under = y(goal) < above + 1.6 * em || tries.some((one) => one.strength < 1e-2 && Math.abs(y(one.nuclear) - y(goal) + 0.9 * em) < em);
    nodes.push(svg("text", { class: "strong", x: left + 0.5 * em, y: y(goal), dy: under ? "1.15em" : "-0.4em" }, words));
    tries.forEach((one, i) => {
      const found = i === header.found;
      const disc = svg("circle", { class: `try${found ? " found" : ""}`, cx: x(one.strength), cy: y(one.nuclear), r: (found ? 0.72 : 0.6) * em, "data-try": i, "data-nuclear": one.nuclear });
      disc.append(svg("title", {}, `try ${i + 1}: λ = ${compact(one.strength)} ends with ${digits(one.nuclear, 1)}, ${percent(one.accuracy)} of the test images right`));
      nodes.push(disc);
      const covered = tries.slice(i + 1).some((other) => Math.hypot(x(other.strength) - x(one.strength), y(other.nuclear) - y(one.nuclear)) < 0.95 * em);
      if (!covered) nodes.push(svg("text", { class: `number${found ? " found" : ""}`, x: x(one.strength), y: y(one.nuclear), dy: "0.35em", "text-anchor": "middle" }, String(i + 1)));
    });
    part.search.replaceChildren(...nodes);
    const told = tries.map((one, i) => `try ${i + 1}: λ ${compact(one.strength)}, nuclear norm ${digits(one.nuclear, 1)}`).join("; ");
    part.search.setAttribute("aria-label", `Nuclear norm at the end against λ. The goal is ${digits(goal, 1)}. ${told}`);
    const made = header.epochs ? ` Each trained ${header.epochs} epochs, a penalty step every ${header.every} training steps.` : "";
    say(part.note, `Every disc is a network, numbered as tried; 0 has no penalty.${made}`);
  }

  const words = ({ kind }) => (kind === "penalty" ? `${STRENGTH_WORDS[kind]}, λ ${compact(header.tries[header.best].strength)}` : STRENGTH_WORDS[kind]);

  function drawTable() {
    const head = ["network", "test images right", "weights zero", "live neurons", "nuclear norm", "rank per layer", "effective rank per layer"];
    const each = (network, name) => network.layers.map((layer) => digits(layer[name], 0)).join(" / ");
    const rows = header.networks.map((one) => [
      words(one), percent(one.accuracy), percent(one.zero), `${one.alive} of ${one.units}`, digits(one.nuclear, 1), each(one, "rank"), each(one, "effective_rank"),
    ]);
    const content = JSON.stringify(rows);
    if (table.dataset.content === content) return;
    table.dataset.content = content;
    table.replaceChildren();
    const top = panelNode(panelNode(table, "thead"), "tr");
    head.forEach((cell) => panelNode(top, "th", "", cell));
    const body = panelNode(table, "tbody");
    rows.forEach((cells, i) => {
      const row = panelNode(body, "tr");
      cells.forEach((cell, c) => panelNode(row, c ? "td" : "th", "", cell));
      row.cells[0].prepend(plotSample(header.networks[i].kind));
    });
  }

  function drawSpectra() {
    const { layers } = header.networks[0];
    part.spectra.hidden = header.networks.length < 2;
    if (part.spectra.hidden) return;
    while (plots.length < layers.length) plots.push(makeSpectrumPlot(part.multiples, { name: layers[plots.length].name }));
    while (plots.length > layers.length) {
      const gone = plots.pop();
      gone.close();
      gone.box.remove();
    }
    keys.show(header.networks.map((one) => ({ kind: one.kind, words: words(one) })), { off: strengthMemory.off, toggle });
    press();
    layers.forEach((layer, l) => {
      const lines = header.networks
        .filter(({ kind }) => !strengthMemory.off.has(kind))
        .map(({ kind }) => ({ kind, words: STRENGTH_WORDS[kind], values: arrays[`${kind}_${l}`], under: kind === "pruned" }));
      const ceiling = plotCeiling(Math.max(...header.networks.map(({ kind }) => arrays[`${kind}_${l}`][0] || 0)));
      const norms = header.networks.map((one) => `${digits(one.layers[l].nuclear, 0)} ${STRENGTH_WORDS[one.kind]}`).join(", ");
      plots[l].show({ theme, lines, log: strengthMemory.log, ceiling, title: layer.name, note: `nuclear norm ${norms}`, empty: "all values are 0" });
    });
  }

  function toggle(kind) {
    if (!strengthMemory.off.delete(kind)) strengthMemory.off.add(kind);
    draw();
  }

  function close() {
    closeTheme();
    closeSearch();
    plots.forEach((plot) => plot.close());
  }
  return { show, close };
}

export default keepMounted("[data-testid=strength]", (root) => makeStrength(root));
