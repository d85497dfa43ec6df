// The claims of the paper as four cards, one open: every seed a point, pairs joined, differences with interval and margin.
// `core.views.judge` packs the blob. keep.js, read after this, saves the figure and exports the element.

const JUDGE_SIGNS = { holds: "●", "in part": "◐", fails: "○", "can't tell yet": "?", "can't tell": "?" }; // read without colour
const JUDGE_SHARES = { holds: "full", "in part": "half" };
const judgeMemory = { claim: null };
const judgeKind = (name) => `arm ${name.toLowerCase().replace(/[^a-z]+/g, "-")}`;
const judgeSigned = (v, places = 2) => (absent(v) ? "–" : `${v > 0 ? "+" : v < 0 ? "−" : ""}${Math.abs(v).toFixed(places)}`);
const judgeCapital = (words) => words && words[0].toUpperCase() + words.slice(1);
const judgeChance = (p) => (absent(p) ? "–" : p < 0.0001 ? "< 0.0001" : p.toPrecision(2));
const judgeLevel = (level) => `${Number((100 * (1 - level)).toPrecision(3))}${NARROW}%`;

/** What an axis has to show: all points, and of long intervals (two seeds make one) as much as the points span. */
function judgeSpan(strips, { more = [], shares = false } = {}) {
  const points = [...strips.flatMap((one) => one.points.map((point) => point[1])), ...more];
  if (!points.length) return [];
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const room = Math.max(high - low, 0.2);
  const most = shares ? high + Math.min(room, 0.35 * (100 - high)) : high + room;
  const ends = strips.filter((one) => !absent(one.low)).flatMap((one) => [Math.max(one.low, low - room), Math.min(one.high, most)]);
  return [...points, ...ends];
}

const JUDGE_LEAST = 9; // em that a scale needs to be read

/** A scale from values to places, with room at both ends; what lies beyond is put at the end. */
function judgeScale(values, from, to, room = 0.06) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!values.length || low === high) [low, high] = values.length ? [low - 1, high + 1] : [0, 1];
  const more = (high - low) * room;
  const at = (v) => from + Math.min(1, Math.max(0, (v - low + more) / (high - low + 2 * more))) * (to - from);
  return { at, empty: !values.length, low: low - more, high: high + more, beyond: (v) => (v > high + more ? 1 : v < low - more ? -1 : 0), ticks: (wanted) => ticks(low - more, high + more, wanted) };
}

/** A scale for shares of images in %: where they lie far apart it widens towards 100, so that a collapse and a tenth of a point both show. */
function judgeShareScale(values, from, to) {
  if (!values.length || Math.max(...values) - Math.min(...values) <= 12) return judgeScale(values, from, to);
  const bent = (v) => -Math.log(Math.max(0.05, 100 - Math.max(0, v)));
  const inner = judgeScale(values.map(bent), from, to, 0.03);
  const grades = [0, 50, 80, 90, 95, 97, 98, 99, 99.5].filter((v) => bent(v) >= inner.low && bent(v) <= inner.high);
  return { at: (v) => inner.at(bent(v)), low: -Infinity, high: Infinity, middle: (from + to) / 2, bent: true, beyond: (v) => inner.beyond(bent(v)), ticks: () => grades };
}

function judgeGrid(nodes, scale, { top, base, em, wide, word, title }) {
  if (scale.empty) return; // figures on an axis of nothing would be made up
  let end = -Infinity; // of the last label
  for (const v of scale.ticks(Math.max(2, Math.floor(wide / (3.4 * em))))) {
    if (v < scale.low || v > scale.high) continue;
    const labelled = scale.at(v) - end > 2.6 * em;
    if (labelled) end = scale.at(v);
    else if (scale.bent) continue;
    nodes.push(svg("line", { class: "grid", x1: scale.at(v), x2: scale.at(v), y1: top, y2: base }));
    if (labelled) nodes.push(svg("text", { x: scale.at(v), y: base, dy: "1.15em", "text-anchor": "middle" }, word(v)));
  }
  nodes.push(svg("text", { x: scale.middle ?? (scale.at(scale.low) + scale.at(scale.high)) / 2, y: base, dy: "2.35em", "text-anchor": "middle" }, title));
}

/**
 * Where the two halves of a card's figure lie: beside each other, the names before both; under each other where that leaves too
 * little room to read them, the names over their rows. Of each half the ends of its scale, its top and foot, the middle of row i. `skip`:
 * of so many first rows the second half says nothing.
 */
function judgeHalves({ wide, em, names, rows, row, above = 0, skip = 0 }) {
  const [top, foot] = [1.6 * em, 2.7 * em];
  const base = top + row * rows;
  const left = plotWide(names, em) + 0.6 * em;
  const last = plotWide(["? can't tell yet"], em) + 0.4 * em;
  const split = left + 0.44 * (wide - left - last - 1.8 * em);
  const y = (i) => top + row * (i + 0.5) - above;
  if (split - left > JUDGE_LEAST * em) {
    const half = (from, to) => ({ from, to, top, base, y });
    const named = (half_, i) => ({ x: 0, y: half_.y(i) });
    const judged = (half_, i) => ({ x: wide - last + 0.4 * em, y: half_.y(i) });
    return { tall: base + foot, one: half(left, split), two: half(split + 1.8 * em, wide - last), named, judged, under: false };
  }
  const high = row + 1.3 * em;
  const half = (begin, gone) => ({ from: 0.8 * em, to: wide - 1.2 * em, top: begin, base: begin + high * (rows - gone), y: (i) => begin + high * (i - gone + 1) - 0.5 * row - above });
  const one = half(top, 0);
  const two = half(one.base + foot + top, skip);
  const over = (half_, i) => half_.y(i) - 0.5 * row - 0.65 * em + above;
  const named = (half_, i) => ({ x: 0, y: over(half_, i) });
  const judged = (half_, i) => ({ x: wide, y: over(half_, i), "text-anchor": "end" });
  return { tall: two.base + foot, one, two, named, judged, under: true };
}

const judgeRight = (scale) => (scale.bent ? "% right, uneven scale" : "test images right, in %");

const judgeDiamond = (x, y, r) => `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;

/** One arm's seeds on a line: interval, points, mean. Nothing that has no interval gets a mean's mark. */
function judgeStrip(nodes, arm, scale, y, em, { mean = true } = {}) {
  if (arm.low !== null && arm.low !== undefined) {
    nodes.push(svg("line", { class: `reach ${judgeKind(arm.name)}`, x1: scale.at(arm.low), x2: scale.at(arm.high), y1: y + 0.5 * em, y2: y + 0.5 * em }));
    for (const end of [arm.low, arm.high]) { // a bar that goes on beyond the axis ends in an arrow
      const way = scale.beyond(end);
      const [px, py, r] = [scale.at(end), y + 0.5 * em, 0.3 * em];
      if (way) nodes.push(svg("path", { class: `dot ${judgeKind(arm.name)} beyond`, d: `M${px + way * r} ${py}L${px - way * r} ${py - r}V${py + r}Z` }));
    }
    if (mean) nodes.push(svg("path", { class: "mean", d: judgeDiamond(scale.at(arm.mean), y + 0.5 * em, 0.3 * em) }));
  }
  for (const [seed, value] of arm.points) {
    const dot = svg("circle", { class: `dot ${judgeKind(arm.name)}`, cx: scale.at(value), cy: y, r: 0.27 * em, "data-seed": seed, "data-arm": arm.name, "data-value": value });
    dot.append(svg("title", {}, `${arm.short}, seed ${seed}: ${digits(value, 2)}`));
    nodes.push(dot);
  }
}

/** What the marks of a card's figure are, with n. */
function judgeMarks(card) {
  const n = [...new Set((card.arms || card.decisions).map((one) => one.n))];
  const counts = n.length > 1 ? `${Math.min(...n)} to ${Math.max(...n)}` : `${n[0]}`;
  return card.kind === "shares"
    ? `● holds, ◐ holds in part, ○ fails, ? can't tell. n = ${counts} runs. Diamond: the share of these runs; bar: the interval of all such runs.`
    : `n = ${counts} seeds. Points: seeds. Diamonds: means. Bars: intervals of the mean, 95${NARROW}% on the left, widened for the card on the right. The claim is true where a row is underlined.`;
}

function makeJudge(root, report) {
  const part = parts(root);
  const table = panelNode(part.table, "table");
  const keeper = judgeKeeper(part, () => ({ header, card: card(), theme }));
  let [header, text, theme] = [{}, null, null];
  let pointed = null; // the seed that is read
  const tabs = [];
  const closeTheme = followTheme(root, draw);
  const closeFigure = plotWatch(part.figure, drawFigure);
  const closeAll = plotWatch(part.all, drawAll);

  function show(blob) {
    const came = unpack(blob);
    if (came.text !== text) ({ header, text } = came);
    judgeMemory.claim ??= header.open;
    draw();
  }

  const card = () => header.cards.find((one) => one.name === judgeMemory.claim) || header.cards[0];

  function open(name, focus = false) {
    judgeMemory.claim = name;
    pointed = null;
    report("claim", name);
    draw();
    if (focus) tabs.find((tab) => tab.dataset.claim === name).focus();
  }

  function draw() {
    if (!header.cards || !root.clientWidth) return;
    theme = plotTheme(root);
    const { job } = header;
    part.job.hidden = !job;
    if (job) {
      say(part.jobWords, job.text);
      part.share.value = job.share;
    }
    const now = card();
    Object.assign(root.dataset, { key: header.key, claim: now.name, made: header.made, runs: header.panels.reduce((sum, one) => sum + one.arms.reduce((n, arm) => n + arm.n, 0), 0) });
    say(part.made, `${header.setting}. ${header.provenance}`);
    drawTabs(now);
    say(part.word, `${JUDGE_SIGNS[now.word] || "·"} ${judgeCapital(now.headline)}.`);
    say(part.sentence, now.sentence + (now.note ? ` ${now.note}` : ""));
    list(part.parts, now.kind !== "differences" ? [] : now.decisions.map((one) => `${judgeCapital(one.headline)}. ${one.sentence}`));
    list(part.failed, header.failed);
    const rule = JSON.stringify([header.rule, header.coverage]);
    if (part.ruleText.dataset.words !== rule) {
      part.ruleText.dataset.words = rule;
      part.ruleText.replaceChildren();
      for (const words of [...header.rule, header.coverage]) panelNode(part.ruleText, "p", "", words);
    }
    drawFigure();
    drawTable(now);
    drawAll();
  }

  function list(box, sentences) {
    const words = JSON.stringify(sentences);
    if (box.dataset.words === words) return;
    box.dataset.words = words;
    box.replaceChildren();
    sentences.forEach((sentence) => panelNode(box, "li", "", sentence));
  }

  function drawTabs(now) {
    if (!tabs.length) {
      for (const { name } of header.cards) {
        const tab = panelNode(part.tabs, "button");
        tab.type = "button";
        tab.dataset.claim = name;
        tab.setAttribute("role", "tab");
        tab.addEventListener("click", () => open(name));
        tab.addEventListener("keydown", stepped);
        panelNode(tab, "span");
        panelNode(tab, "b");
        tabs.push(tab);
      }
    }
    header.cards.forEach((one, i) => {
      const [title, word] = tabs[i].children;
      say(title, `${i + 1}. ${one.title}`);
      say(word, `${JUDGE_SIGNS[one.word] || "·"} ${judgeCapital(one.word || one.headline)}`);
      tabs[i].dataset.word = one.word;
      tabs[i].setAttribute("aria-selected", String(one === now));
      tabs[i].tabIndex = one === now ? 0 : -1;
    });
  }

  function stepped(event) {
    const names = header.cards.map((one) => one.name);
    const here = names.indexOf(judgeMemory.claim);
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined || !names[to] || !isPlain(event)) return;
    event.preventDefault();
    open(names[to], true);
  }

  // ---- the figure of the open card ----
  function drawFigure() {
    const wide = part.figure.clientWidth;
    if (!wide || !theme || !header.cards) return;
    const now = card();
    part.figure.hidden = part.bar.hidden = now.kind === "none";
    part.figure.style.display = now.kind === "none" ? "none" : "";
    if (now.kind === "none") return part.figure.replaceChildren();
    const nodes = now.kind === "shares" ? shares(now, wide) : differences(now, wide);
    part.figure.replaceChildren(...nodes);
    part.figure.setAttribute("aria-label", `${now.title}: ${now.headline}. ${now.sentence}`);
    read();
  }

  function size(tall) {
    part.figure.style.height = `${tall}px`;
    part.figure.setAttribute("viewBox", `0 0 ${part.figure.clientWidth} ${tall}`);
  }

  function differences(now, wide) {
    const em = theme.size;
    const { arms, decisions } = now;
    const { tall, one: left, two: right, named, judged, under } = judgeHalves({ wide, em, names: arms.map((arm) => arm.short), rows: arms.length, row: 1.75 * em, above: 0.24 * em, skip: 1 });
    size(tall);
    const { y } = left;
    const { margin } = decisions[0];
    const values = judgeSpan(arms, { shares: true });
    const gaps = judgeSpan(decisions, { more: [0, -1.5 * margin, 1.5 * margin] });
    const [value, gap] = [judgeShareScale(values, left.from, left.to), judgeScale(gaps, right.from, right.to)];
    const nodes = [];
    judgeGrid(nodes, value, { ...left, em, wide: left.to - left.from, word: (v) => compact(Number(v.toFixed(3))), title: judgeRight(value) });
    nodes.push(svg("rect", { class: "margin", x: gap.at(-margin), width: gap.at(margin) - gap.at(-margin), y: right.top, height: right.base - right.top }));
    judgeGrid(nodes, gap, { ...right, em, wide: right.to - right.from, word: (v) => judgeSigned(v, Number.isInteger(v) ? 0 : 1), title: `points; grey: up to ${compact(margin)} counts as none` });
    nodes.push(svg("line", { class: "zero", x1: gap.at(0), x2: gap.at(0), y1: right.top, y2: right.base }));
    nodes.push(svg("text", { class: "bold", x: under ? 0 : left.from, y: left.top - 0.55 * em }, "every seed, pairs joined"));
    nodes.push(svg("text", { class: "bold", x: under ? 0 : right.from, y: right.top - 0.55 * em }, `${arms[0].short} − the other`));
    for (const seed of new Set(arms.flatMap((arm) => arm.points.map((point) => point[0])))) {
      const points = arms.map((arm, i) => {
        const found = arm.points.find((point) => point[0] === seed);
        return found ? [value.at(found[1]), y(i)] : null;
      });
      nodes.push(svg("path", { class: "seed", d: pen(points), "data-seed": seed }));
    }
    arms.forEach((arm, i) => {
      nodes.push(svg("text", { class: i ? "strong" : "bold", ...named(left, i), dy: "0.36em" }, arm.short));
      judgeStrip(nodes, arm, value, y(i), em);
    });
    decisions.forEach((one, i) => {
      const arm = arms[i + 1];
      const from = gap.at(one.region === "not worse" ? -one.margin : one.margin);
      nodes.push(svg("rect", { class: "true", x: from, width: right.to - from, y: right.y(i + 1) + 0.84 * em, height: 0.14 * em }));
      judgeStrip(nodes, { ...one, name: arm.name, short: `difference to ${arm.short}` }, gap, right.y(i + 1), em);
      if (under) nodes.push(svg("text", { class: "strong", ...named(right, i + 1), dy: "0.36em" }, arm.short));
      const mark = svg("text", { class: "bold", ...judged(right, i + 1), dy: "0.36em", "data-verdict": arm.name }, `${JUDGE_SIGNS[one.word]} ${one.word}`);
      nodes.push(mark);
      if (!one.n) nodes.push(svg("text", { x: right.from, y: right.y(i + 1), dy: "0.36em" }, arm.n ? "not paired: see below" : "no run yet"));
    });
    return nodes;
  }

  function shares(now, wide) {
    const em = theme.size;
    const rows = now.decisions;
    const { tall, one: left, two: right, named, judged, under } = judgeHalves({ wide, em, names: rows.map((one) => one.arm), rows: rows.length, row: 2.6 * em });
    size(tall);
    const seeds = [...new Set(rows.flatMap((one) => one.points.map((point) => point[0])))].sort((a, b) => a - b);
    const step = (left.to - left.from) / Math.max(1, seeds.length);
    const x = (seed) => left.from + step * (seeds.indexOf(seed) + 0.5);
    const { y } = left;
    const share = judgeScale([0, 100], right.from, right.to, 0.02);
    const nodes = [];
    judgeGrid(nodes, { ...share, low: 0, high: 100, ticks: () => [0, 25, 50, 75, 100] }, { ...right, em, wide: right.to - right.from, word: axisWord, title: `share of all such runs, ${under ? "%" : "in %, with its interval"}` });
    nodes.push(svg("text", { class: "bold", x: under ? 0 : left.from, y: left.top - 0.65 * em }, "each run's own verdict"));
    nodes.push(svg("text", { class: "bold", x: under ? 0 : right.from, y: right.top - 0.65 * em }, "most runs: right of the line"));
    nodes.push(svg("line", { class: "zero", x1: share.at(100 * now.line), x2: share.at(100 * now.line), y1: right.top, y2: right.base }));
    const each = Math.ceil(plotWide([`${seeds.at(-1)}`, "0"], em) / step) || 1; // where there are many, not every seed has its number
    for (const seed of seeds.filter((_, i) => i % each === 0)) nodes.push(svg("text", { x: x(seed), y: left.base, dy: "1.15em", "text-anchor": "middle" }, `${seed}`));
    nodes.push(svg("text", { x: (left.from + left.to) / 2, y: left.base, dy: "2.35em", "text-anchor": "middle" }, "seed"));
    rows.forEach((one, i) => {
      const kind = judgeKind(i ? "control" : "activation-frequency");
      nodes.push(svg("text", { class: i ? "strong" : "bold", ...named(left, i), dy: "0.36em" }, one.arm));
      if (under) nodes.push(svg("text", { class: i ? "strong" : "bold", ...named(right, i), dy: "0.36em" }, one.arm));
      for (const [seed, word] of one.points) {
        const r = Math.min(0.5 * em, 0.36 * step);
        const here = { "data-seed": seed, "data-word": word };
        if (word.startsWith("can't")) {
          nodes.push(svg("text", { class: "bold", x: x(seed), y: y(i), dy: "0.36em", "text-anchor": "middle", ...here }, "?"));
          continue;
        }
        const sign = svg("circle", { class: `sign ${word === "holds" ? "full" : ""} ${kind}`, cx: x(seed), cy: y(i), r, ...here });
        sign.append(svg("title", {}, `${one.arm}, seed ${seed}: ${word}`));
        nodes.push(sign);
        if (JUDGE_SHARES[word] === "half") nodes.push(svg("path", { class: `sign half ${kind}`, d: `M${x(seed)} ${y(i) - r}A${r} ${r} 0 0 0 ${x(seed)} ${y(i) + r}Z` }));
      }
      if (!one.n) return nodes.push(svg("text", { x: right.from, y: right.y(i), dy: "0.36em" }, "no run yet"));
      nodes.push(svg("line", { class: `reach ${kind}`, x1: share.at(100 * one.low), x2: share.at(100 * one.high), y1: right.y(i), y2: right.y(i) }));
      nodes.push(svg("path", { class: "mean", d: judgeDiamond(share.at((100 * one.holds) / one.n), right.y(i), 0.34 * em) }));
      const words = one.judged ? `${JUDGE_SIGNS[one.word]} ${one.word}` : "(control)";
      nodes.push(svg("text", { class: one.judged ? "bold" : "", ...judged(right, i), dy: "0.36em" }, words));
    });
    return nodes;
  }

  /** The seed under the pointer, in words; else what the picture's marks are. */
  function read() {
    const now = card();
    for (const node of part.figure.querySelectorAll("[data-seed]")) node.classList.toggle("here", pointed !== null && node.dataset.seed === String(pointed));
    if (pointed === null) return say(part.reading, judgeMarks(now));
    const said = (now.arms || now.decisions).map((one, i) => {
      const found = one.points.find((point) => point[0] === pointed);
      const gap = now.kind !== "shares" && i ? now.decisions[i - 1].points.find((point) => point[0] === pointed) : null;
      const value = !found ? "–" : now.kind === "shares" ? found[1] : `${digits(found[1], 2)}${gap ? ` (${judgeSigned(gap[1])})` : ""}`;
      return `${one.short || one.arm} ${value}`;
    });
    say(part.reading, `Seed ${pointed}: ${said.join(", ")}`);
  }

  function point(seed) {
    if (seed === pointed) return;
    pointed = seed;
    read();
  }
  part.figure.addEventListener("pointerover", (event) => point(event.target.dataset?.seed === undefined ? null : Number(event.target.dataset.seed)));
  part.figure.addEventListener("pointerleave", () => point(null));
  part.figure.addEventListener("blur", () => point(null));
  part.figure.addEventListener("keydown", (event) => {
    const seeds = [...new Set([...part.figure.querySelectorAll("[data-seed]")].map((node) => Number(node.dataset.seed)))].sort((a, b) => a - b);
    const at = seeds.indexOf(pointed);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: seeds.length - 1, Escape: -1 }[event.key];
    if (to === undefined || !seeds.length || !isPlain(event)) return;
    event.preventDefault();
    point(to < 0 ? null : seeds[Math.min(to, seeds.length - 1)]);
  });

  // ---- in figures ----
  function drawTable(now) {
    const [head, rows] = now.kind === "none" ? [[], []] : now.kind === "shares" ? counted(now) : compared(now);
    const content = JSON.stringify([head, rows]);
    if (table.dataset.content === content) return;
    table.dataset.content = content;
    table.replaceChildren();
    const line = panelNode(panelNode(table, "thead"), "tr");
    head.forEach((cell) => panelNode(line, "th", "", cell));
    const body = panelNode(table, "tbody");
    for (const cells of rows) {
      const row = panelNode(body, "tr");
      cells.forEach((cell, i) => panelNode(row, i ? "td" : "th", head[i] === "verdict" ? "word" : "", cell));
    }
  }

  const between = (low, high, word) => (absent(low) ? "too few seeds" : `${word(low)} to ${word(high)}`);

  function compared(now) {
    const head = ["arm", "n", "mean, %", `95${NARROW}% interval`, "pairs", "difference, points = images", "its interval", "p at the margin", "after Holm"];
    const rows = now.arms.map((arm, i) => {
      const own = [arm.short, String(arm.n), digits(arm.mean, 2), arm.n ? between(arm.low, arm.high, (v) => digits(v, 2)) : "–"];
      if (!i) return [...own, "", "", "", "", ""];
      const one = now.decisions[i - 1];
      const spread = one.n ? `${between(one.low, one.high, judgeSigned)}${absent(one.low) ? "" : ` (${judgeLevel(one.level)})`}` : "–";
      return [...own, String(one.n), one.amount.replace(" points", "").replace(" test images", "") || "–", spread, judgeChance(one.chance), judgeChance(one.corrected)];
    });
    return [head, rows];
  }

  function counted(now) {
    const head = ["arm", "runs", "hold", "can't tell", "share of all such runs", "p at one half", "verdict"];
    const rows = now.decisions.map((one) => {
      const spread = one.n ? `${percent(one.low, 0)} to ${percent(one.high, 0)} (${judgeLevel(one.level)})` : "–";
      return [one.arm, String(one.n), String(one.holds), String(one.unknown), spread, judgeChance(one.chance), one.judged ? one.headline : "control, not judged"];
    });
    return [head, rows];
  }

  // ---- every arm, at every ratio ----
  function drawAll() {
    const wide = part.all.clientWidth;
    if (!theme || !header.panels) return;
    const panels = header.panels.filter((one) => one.arms.length);
    part.every.hidden = !panels.length;
    if (!panels.length || !wide) return;
    const em = theme.size;
    const names = new Map(panels.flatMap((one) => one.arms.map((arm) => [arm.name, arm.short])));
    const arms = [...names.keys()];
    const row = 1.55 * em;
    const [top, foot] = [1.5 * em, 2.7 * em];
    const zeros = panels.map((one) => (one.zero ? `${digits(one.zero[0], 2)} to ${digits(one.zero[1], 2)}${NARROW}% of the weights zero` : "no pruned run yet"));
    const heads = panels.map((one, p) => `asked ${compact(100 * one.ratio)}${NARROW}%, achieved ${zeros[p]}`);
    let left = plotWide([...names.values()], em) + 0.6 * em;
    const under = wide - left < panels.length * JUDGE_LEAST * em; // the panels then lie under each other, the names over their rows
    if (under) left = 0.8 * em;
    const high = under ? row + 1.3 * em : row;
    const deep = top + high * arms.length + foot; // of a panel
    const each = under ? wide - left : (wide - left - 0.5 * em) / panels.length;
    const tall = under ? deep * panels.length : deep;
    part.all.style.height = `${tall}px`;
    part.all.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    const values = judgeSpan(panels.flatMap((one) => one.arms), { shares: true });
    const nodes = [];
    if (!under) arms.forEach((name, i) => nodes.push(svg("text", { class: "strong", x: 0, y: top + row * (i + 0.4), dy: "0.36em" }, names.get(name))));
    panels.forEach((one, p) => {
      const from = under ? left : left + p * each;
      const begin = under ? p * deep : 0;
      const base = begin + top + high * arms.length;
      const y = (i) => base - high * (arms.length - i - 1) - row * 0.64;
      const scale = judgeShareScale(values, from, from + each - 1.2 * em);
      judgeGrid(nodes, scale, { top: begin + top, base, em, wide: each, word: (v) => compact(Number(v.toFixed(3))), title: judgeRight(scale) });
      const head = plotWide([heads[p]], em) > wide && under ? heads[p].replace(" of the weights", "") : heads[p];
      nodes.push(svg("text", { class: "bold", x: under ? 0 : from, y: begin + 0.95 * em }, head));
      if (under) arms.forEach((name, i) => nodes.push(svg("text", { class: "strong", x: 0, y: y(i) - 1.2 * em, dy: "0.36em" }, names.get(name))));
      for (const arm of one.arms) judgeStrip(nodes, arm, scale, y(arms.indexOf(arm.name)), em);
    });
    part.all.replaceChildren(...nodes);
    part.all.setAttribute("aria-label", panels.flatMap((one) => one.arms.map((arm) => `${arm.short}: mean ${digits(arm.mean, 2)} % over ${arm.n} seeds`)).join("; "));
    const n = panels.flatMap((one) => one.arms.map((arm) => arm.n));
    const counts = Math.min(...n) === Math.max(...n) ? `${n[0]}` : `${Math.min(...n)} to ${Math.max(...n)}`;
    const fresh = arms.some((name) => name.startsWith("fresh")) ? " The fresh networks are small and whole: no weight of theirs is zero." : "";
    say(part.allNote, `Accuracy at the end of the run. Every seed a point, n = ${counts} seeds an arm; diamond and bar: the mean and its 95${NARROW}% interval, each arm by itself, unpaired.${fresh}`);
  }

  function close() {
    closeTheme();
    closeFigure();
    closeAll();
    keeper.close();
  }
  return { show, close };
}
