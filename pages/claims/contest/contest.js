// The PCA contest: one blob with every arm at every rank, one cursor, and all that follows it. Moving the cursor sends nothing; only
// the matching is reported, since the verdict, which the server writes, is of one matching.

const DUEL_X = {
  rank: "ranks of the hidden layers, added up",
  numbers: "stored numbers of the hidden layers",
  "multiply-adds": "multiply-adds of the hidden layers",
};
const DUEL_FIGURES = { rank: "Ranks", numbers: "Stored numbers", "multiply-adds": "Multiply-adds" };
const DUEL_REACHES = [["close", "Close-up"], ["whole", "From 0 %"]];
const DUEL_JUMPS = [
  ["lost", "First image lost", "From full rank downwards, the first rank at which an image goes wrong that both whole networks get right."],
  ["behind", "Falls behind", "From full rank downwards, the first rank with fewer test images right than the pruned network."],
];
const DUEL_ENERGY =
  "SVD: of the squared singular values. PCA: of the weights’ variance. Activation-aware: of the variance of the layer’s outputs.";
const DUEL_ASIDE = [-1.8, -0.95, 1.1]; // em: beside the pruned network's mark, not behind it
const duelMemory = { reach: "close", against: "pca" }; // what a person keeps over all visits

function makeContest(root, report) {
  const part = parts(root);
  const link = new URLSearchParams(location.search);
  const memory = duelMemory;
  Object.assign(memory, { of: "", matching: null, stop: null, figures: null, after: false }); // what starts anew with each
  let came = { header: {}, text: null, arrays: {} };
  let theme = readTheme(root);
  let stops = [];
  let news = null;
  let resting = 0;
  let frame = 0;
  const chart = makeDuelChart(part.chart, move);
  const table = panelNode(part.table, "div", "duel-table");
  const digits = makeDuelDigits(part.digits);
  const story = panelNode(part.digits, "p", "story");
  story.dataset.testid = "contest-story";
  const jumps = panelNode(part.digits, "p", "duel-jumps");
  let scree = [];
  let presses = [];
  root.contest = { get stop() { return stops[memory.stop]; }, memory }; // for tests

  // ---- a new blob, news between two ----
  function show(blob) {
    const next = unpack(blob);
    const ready = Boolean(next.header.curve);
    part.court.hidden = !ready;
    part.wait.hidden = ready;
    root.dataset.ready = String(ready);
    if (!ready) say(part.wait, next.header.problem || next.header.title || "");
    const same = next.text === came.text;
    if (!same) came = next;
    if (ready && !same) begin();
    hear(window.pruningFeed);
  }

  function hear(feed) {
    const mine = feed?.contest && (!came.header.run || feed.contest === came.header.run) ? feed : null;
    part.job.hidden = !mine?.job;
    if (mine?.job) {
      say(part.doing, mine.job.text);
      part.share.value = mine.job.share;
    }
    if (mine?.words && !part.wait.hidden) say(part.wait, mine.words);
    const before = JSON.stringify(news?.live ?? {});
    news = mine;
    if (came.header.curve && JSON.stringify(news?.live ?? {}) !== before) redraw();
  }
  const onFeed = (event) => hear(event.detail);
  addEventListener("pruning-feed", onFeed);

  function begin() {
    const { header } = came;
    const names = header.matchings.map(({ name }) => name);
    const fresh = memory.of !== header.run;
    const { stop: stood, figures } = memory;
    if (fresh) Object.assign(memory, { of: header.run, after: false });
    if (!names.includes(memory.matching)) memory.matching = names.includes(link.get("match")) ? link.get("match") : names[0];
    buildSwitches();
    buildScree();
    part.notes.replaceChildren(...header.notes.map((note) => panelNode(document.createElement("div"), "p", "", note)));
    if (!fresh) return match(memory.matching, (stop, at) => at === stood, figures); // the same networks, more of them trained on
    const linked = link.get("run") === header.run && /^\d{1,7}$/.test(link.get("at") || "") ? Number(link.get("at")) : null;
    match(memory.matching, (stop) => stop.sum === linked);
  }

  function buildSwitches() {
    for (const name of ["matching", "reach", "against"]) part[name].replaceChildren();
    const { header } = came;
    const all = header.matchings.map(({ name, label }) => [name, label]);
    const arms = header.arms.map(({ name, label }) => [name, label]);
    presses = [
      panelSwitch(part.matching, "Matched by", all, () => memory.matching, (name) => {
        match(name);
        report("matching", name);
      }),
      panelSwitch(part.reach, "Scale", DUEL_REACHES, () => memory.reach, (value) => {
        memory.reach = value;
        redraw();
      }),
      panelSwitch(part.against, "Pruned network against", arms, () => memory.against, (value) => {
        memory.against = value;
        redraw();
      }),
      panelSwitch(part.against, "Which of them", [["", "As it is"], ["after", "Retrained"]], () => (memory.after ? "after" : ""), (value) => {
        memory.after = Boolean(value);
        if (memory.after) move(stops.findIndex((stop) => stop.match));
        redraw();
      }),
    ];
    jumps.replaceChildren(...DUEL_JUMPS.map(([what, words, why]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: words, title: why });
      button.dataset.jump = what;
      button.addEventListener("click", () => {
        memory.after = false;
        const row = header.first[memory.against][what];
        move(stops.findIndex((stop) => stop.rows[memory.against] === row));
        redraw();
      });
      return button;
    }));
  }

  function buildScree() {
    for (const { close } of scree) close();
    part.scree.replaceChildren();
    panelNode(part.scree, "h3", "", "How much the first k terms hold, of all");
    panelNode(part.scree, "p", "faint", DUEL_ENERGY);
    const grid = panelNode(part.scree, "div", "duel-scree");
    scree = came.header.layers.map(({ name }) => makeSpectrumPlot(grid, { name }));
  }

  // ---- stops: where the cursor can stand under a matching ----
  const sum = (list) => list.reduce((total, v) => total + v, 0);
  const L = () => came.header.layers.length;
  const ofRow = (name, row) => Array.from(came.arrays[name].subarray(row * L(), (row + 1) * L()));
  const ofArm = (name, a, row) => ofRow(name, a * came.header.rows + row);
  const correct = (a, row) => came.arrays.correct[a * came.header.rows + row] / came.header.test_images;
  const valid = (a, row) => came.arrays.valid[a * came.header.rows + row] / came.header.valid_images;
  const xOf = (a, row) => sum(memory.matching === "rank" ? ofRow("ranks", row) : ofArm("cost", a, row));
  /** Of each pruned layer its rank, stored numbers or multiply-adds. */
  const prunedHas = (kind) => came.header.layers.map((layer) => layer[kind.replace("-", "_")]);
  const prunedX = () => sum(prunedHas(memory.matching));

  /** Another matching; the cursor goes to where the networks match, or to the stop that `where` finds. */
  function match(name, where = () => false, figures = name) {
    memory.matching = name;
    memory.figures = figures;
    const { header } = came;
    const arms = header.arms.map((arm) => arm.name);
    const matched = header.matched[name];
    const plain = header.curve.filter((row) => !arms.every((arm) => matched[arm] === row));
    const all = plain.map((row) => ({ rows: Object.fromEntries(arms.map((arm) => [arm, row])), match: false }));
    all.push({ rows: matched, match: true });
    for (const stop of all) stop.sum = sum(ofRow("ranks", stop.rows.svd));
    stops = all.sort((one, other) => one.sum - other.sum || xOf(1, one.rows.svd) - xOf(1, other.rows.svd));
    const wanted = stops.findIndex(where);
    memory.stop = wanted >= 0 ? wanted : stops.findIndex((stop) => stop.match);
    redraw();
  }

  function move(stop) {
    if (stop < 0 || stop === memory.stop) return;
    memory.stop = stop;
    if (!stops[stop].match) memory.after = false;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(follow);
    rest();
  }

  /** The link and the words for those who cannot see follow when the hand has come to rest. */
  function rest() {
    clearTimeout(resting);
    resting = setTimeout(() => {
      say(part.said, part.reading.textContent);
      writeAddress({ match: memory.matching, at: stops[memory.stop]?.match ? null : stops[memory.stop]?.sum });
    }, 180);
  }

  // ---- drawing ----
  function redraw() {
    if (!came.header.curve) return;
    theme = plotTheme(root);
    for (const press of presses) press();
    const { header } = came;
    const marks = duelMarks();
    const lowest = Math.min(share(header.pruned.correct) - 0.1, ...marks.map((mark) => mark.y)); // all marks are in the close-up
    const curves = header.arms.map(({ name }, a) => ({ kind: name, points: header.curve.map((row) => [xOf(a, row), correct(a, row)]) }));
    const low = memory.reach === "whole" ? 0 : Math.max(0, Math.floor(10 * lowest - 0.3) / 10);
    chart.show({
      theme, curves, marks, low, high: 1, xTitle: DUEL_X[memory.matching],
      stops: stops.map((stop) => ({
        x: stop.match ? prunedX() : xOf(1, stop.rows.svd), words: words(stop),
        dots: header.arms.map(({ name }, a) => [name, xOf(a, stop.rows[name]), correct(a, stop.rows[name])]),
      })),
    });
    drawLegend();
    follow();
    rest();
  }

  const share = (count) => count / came.header.test_images;
  /** The arm after retraining at the chosen matching: what is stored, or how far it is. */
  const after = (name) => came.header.retrained[memory.matching]?.[name] ?? news?.live?.[memory.matching]?.[name] ?? null;

  function duelMarks() {
    const { header } = came;
    const found = [];
    header.arms.forEach(({ name, label }, a) => {
      const row = header.matched[memory.matching][name];
      found.push({ shape: "ring", kind: name, x: xOf(a, row), y: correct(a, row), words: `${label}, not retrained` });
      const trained = after(name);
      const x = memory.matching === "rank" ? xOf(a, row) : sum(trained?.numbers ?? [0]);
      // Side by side, for at the same rank all have one x; their heights are their own.
      const mark = { shape: "triangle", kind: name, x, y: trained?.test.at(-1), words: `${label}, retrained`, aside: DUEL_ASIDE[a] };
      if (trained) found.push(mark);
    });
    return [...found, { shape: "diamond", kind: "pruned", x: prunedX(), y: share(header.pruned.correct), words: "pruned", big: true }];
  }

  function drawLegend() {
    part.legend.replaceChildren();
    const entry = (title, ...nodes) => {
      const node = panelNode(part.legend, "span");
      node.append(...nodes);
      node.title = title;
    };
    for (const { name, label, help } of came.header.arms) entry(help, plotSample(name), label);
    const shape = (name, kind) => {
      const picture = svg("svg", { class: "duel-shape", viewBox: "-12 -12 24 24", "aria-hidden": "true" });
      picture.append(svg("path", { class: `mark ${name} ${kind}`, d: DUEL_SHAPES[name](0, 0, 9) }));
      return picture;
    };
    entry("matched with the pruned network, as they are", shape("ring", "own"), "matched");
    entry("matched with the pruned network, and trained as long as it was after its first cut", shape("triangle", "own"), "retrained");
  }

  function words(stop) {
    const { header } = came;
    const ranks = header.arms.map(({ name }) => ofRow("ranks", stop.rows[name]).join("/"));
    const same = ranks.every((one) => one === ranks[0]);
    const named = header.arms.map(({ label }, a) => (same ? label : `${label} (${ranks[a]})`));
    const each = header.arms.map(({ name }, a) => `${named[a]} ${percent(correct(a, stop.rows[name]), 2)}`);
    const where = same ? `Ranks ${ranks[0]}` : "Ranks in brackets";
    return `${where}${stop.match ? ", where they match" : ""}: ${each.join(", ")}; pruned ${percent(share(header.pruned.correct), 2)}`;
  }

  /** What follows the cursor. */
  function follow() {
    const stop = stops[memory.stop];
    if (!stop) return;
    chart.stand(memory.stop);
    say(part.reading, words(stop));
    root.dataset.stop = String(memory.stop);
    drawTable(stop);
    drawDigits(stop);
    drawScree(stop);
  }

  function drawTable(stop) {
    const { header } = came;
    const ranks = memory.figures === "rank";
    table.replaceChildren();
    const bar = panelNode(table, "div", "tools");
    panelSwitch(bar, "Figures of the table", Object.entries(DUEL_FIGURES), () => memory.figures, (value) => {
      memory.figures = value;
      drawTable(stops[memory.stop]);
      table.querySelector(`[data-value="${value}"]`).focus();
    });
    panelNode(bar, "span", "faint", ranks ? "asked → true, where they differ" : "of each hidden layer’s weights");
    const grid = panelNode(panelNode(table, "div", "scroll"), "table");
    grid.dataset.testid = "contest-table";
    const head = panelNode(panelNode(grid, "thead"), "tr");
    const titles = ["Network", "Test", "Validation", ...header.layers.map(({ name }) => name), "All"];
    for (const title of titles) panelNode(head, "th", "", title).scope = "col";
    const body = panelNode(grid, "tbody");
    const line = (kind, name, test, held, cells, all, note = "") => {
      const row = panelNode(body, "tr", kind);
      row.dataset.network = name;
      const title = panelNode(row, "th");
      title.scope = "row";
      title.append(...(kind ? [plotSample(kind.split(" ")[0])] : []), document.createTextNode(name));
      if (note) panelNode(title, "small", "", note);
      panelNode(row, "td", "strong", test === null ? "–" : percent(test, 2));
      panelNode(row, "td", "", held === null ? "–" : percent(held, 1));
      for (const cell of [...cells, all]) panelNode(row, "td", "", typeof cell === "number" ? duelCount(cell) : cell);
    };
    const arrow = (k, made) => (k === made ? String(k) : `${k} → ${made}`);
    /** The layers' cells and the last one: ranks as asked and as made, or costs. */
    const figures = (wanted, made, costs) => {
      if (!ranks) return one(costs);
      return [wanted.map((k, i) => arrow(k, made[i])), arrow(sum(wanted), sum(made))];
    };
    const one = (list) => [list, sum(list)];
    const layer = (read) => one(header.layers.map(read));
    const pruned = one(prunedHas(memory.figures));
    line("pruned", "Pruned", share(header.pruned.correct), header.pruned.valid / header.valid_images, ...pruned);
    const whole = layer(({ units, inputs }) => (ranks ? Math.min(units, inputs) : units * inputs));
    line("standard", "Standard, whole", share(header.standard.correct), header.standard.valid / header.valid_images, ...whole);
    header.arms.forEach(({ name, label }, a) => {
      const row = stop.rows[name];
      const cells = figures(ofRow("ranks", row), ofArm("true", a, row), ofArm("cost", a, row));
      line(name, label, correct(a, row), valid(a, row), ...cells);
    });
    header.arms.forEach(({ name, label }, a) => {
      const wanted = ofRow("ranks", header.matched[memory.matching][name]);
      const trained = after(name);
      if (!trained) return;
      const cells = figures(wanted, trained.true, trained.numbers);
      const done = trained.test.length - 1;
      const note = trained.problem || (done < trained.epochs ? `epoch ${done} of ${trained.epochs}` : "");
      line(`${name} after`, `${label}, retrained`, trained.test.at(-1), trained.valid.at(-1), ...cells, note);
    });
  }

  function drawDigits(stop) {
    const { header, arrays } = came;
    const name = memory.against;
    const place = header.arms.findIndex((arm) => arm.name === name);
    const trained = header.retrained[memory.matching]?.[name];
    const there = Boolean(trained && trained.network !== null);
    if (!there) memory.after = false;
    for (const press of presses) press();
    const button = part.against.querySelector('[data-value="after"]');
    button.disabled = !there;
    const network = memory.after ? trained.network : place * header.rows + stop.rows[name];
    const { label } = header.arms[place];
    const names = { name: label + (memory.after ? ", retrained" : ""), short: label.replace("Activation-", "") };
    digits.show({ theme, header, arrays, network, ...names });
    say(story, firsts(place, name));
    for (const jump of jumps.querySelectorAll("button")) jump.disabled = header.first[name][jump.dataset.jump] === null;
  }

  /** Where the two first differ, from full rank downwards. */
  function firsts(place, name) {
    const { header, arrays } = came;
    const { different, lost, behind } = header.first[name];
    const ranks = (row) => ofRow("ranks", row).join("/");
    const full = header.curve.at(-1);
    const said = [];
    if (different === null) said.push("They are right on the same images at every rank.");
    else {
      const [mine, theirs] = [0, 1].map((way) => arrays.counts[2 * (place * header.rows + different) + way]);
      const where = different === full ? "Not reduced at all, at full rank," : `At ranks ${ranks(different)}`;
      said.push(`${where} the two part on ${duelCount(mine + theirs)} images already.`);
    }
    if (lost !== null) said.push(`The reduction loses the first image that both had right at ranks ${ranks(lost)}.`);
    said.push(behind === null ? "It never falls behind the pruned network." : `It falls behind the pruned network at ${ranks(behind)}.`);
    return said.join(" ");
  }

  function drawScree(stop) {
    const { header, arrays } = came;
    const row = stop.rows[memory.against];
    const ranks = ofRow("ranks", row);
    scree.forEach((plot, at) => {
      const lines = header.arms.map(({ name, label }) => ({ values: arrays[`energy_${name}_${at}`], kind: name, words: label }));
      const held = (values) => {
        const part = ranks[at] ? values[ranks[at] - 1] : 0;
        return percent(part, part > 0.99 && part < 0.9995 ? 1 : 0);
      };
      const said = lines.map(({ values, kind, words: label }) => `${kind === "aware" ? "outputs" : label} ${held(values)}`);
      const { name: title, rank } = header.layers[at];
      plot.show({
        theme, title, lines, ceiling: 1, word: (v) => percent(v, 0), note: `first ${ranks[at]}: ${said.join(", ")}`,
        marks: [{ x: rank, words: `pruned: ${rank}`, kind: "strong pruned-rank" }, { x: ranks[at], kind: "here" }],
      });
    });
  }

  const closeTheme = followTheme(root, redraw);
  function close() {
    removeEventListener("pruning-feed", onFeed);
    closeTheme();
    chart.close();
    for (const plot of scree) plot.close();
    clearTimeout(resting);
  }
  return { show, close };
}

export default keepMounted(".contest", makeContest);
