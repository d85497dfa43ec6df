// Which weights go: how far every two criteria agree, and each with itself over training images and over start weights.
// `core.views.agreement` packs the blob. Scales, grid and marks come from judge.js.

const agreementMemory = { view: 0 };
const agreementKind = (name) => `arm ${name}`;
const agreementBetween = (one) => (absent(one.low) ? `n = ${one.n}, too few for an interval` : `${digits(one.low, 3)} to ${digits(one.high, 3)}, n = ${one.n}`);

/** An estimate with all that belongs to it: index, interval, n, chance, and the most that such sizes allow. */
function agreementWords(one, { sizes = true } = {}) {
  if (!one) return "neither cuts anything here";
  const most = sizes && one.most < 0.995 ? `; at most ${digits(one.most, 2)} with these sizes` : "";
  return `J = ${digits(one.mean, 3)} (95${NARROW}% interval ${agreementBetween(one)}), chance ${digits(one.chance, 3)}${most}`;
}

/** A name for a narrow column: long words with places to break at. */
function agreementBroken(name) {
  const soft = { activation: "activ-ation", frequency: "fre-quency", magnitude: "magni-tude", released: "re-leased", inactivity: "inactiv-ity", neurons: "neu-rons" };
  return name.replace(/[a-z]+/g, (word) => (soft[word] || word).replace("-", "\u00ad")).replace("× ", "×\u00a0");
}

/** Black or white, whichever is read on the colour. */
const agreementInk = (colour) => (0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 128 ? "#111" : "#fff");

function makeAgreement(root) {
  const part = parts(root);
  let [header, text, theme] = [{}, null, null];
  let press = null;
  const pointed = { cell: null, images: null, row: null }; // [row, column] of the table; index into images; into criteria
  const closeTheme = followTheme(root, draw);
  const closeSamples = plotWatch(part.samples, drawSamples);
  const closeNetworks = plotWatch(part.networks, drawNetworks);
  const view = () => header.views[agreementMemory.view];

  function show(blob) {
    const came = unpack(blob);
    if (came.text === text) return;
    ({ header, text } = came);
    if (!header.views) return;
    if (agreementMemory.view >= header.views.length) agreementMemory.view = 0;
    Object.assign(pointed, { cell: null, images: null, row: null });
    part.layers.replaceChildren();
    press = panelSwitch(part.layers, "Layer", header.views.map((one, i) => [i, one.name]), () => agreementMemory.view, (i) => {
      agreementMemory.view = i;
      draw();
    });
    part.notes.replaceChildren();
    for (const words of [...header.notes, header.provenance]) panelNode(part.notes, "p", "", words);
    draw();
  }

  function draw() {
    if (!header.views || !root.clientWidth) return;
    theme = plotTheme(root);
    press();
    Object.assign(root.dataset, { key: header.key, view: view().name });
    say(part.title, header.title);
    say(part.setting, `${header.setting}. ${view().name}: ${view().weights.toLocaleString("en")} weights.`);
    drawScale();
    drawMatrix();
    drawSamples();
    drawNetworks();
  }

  function drawScale() {
    const shade = (from, to, wide) => {
      const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => css(diverging(theme, from + (to - from) * t)));
      const patch = panelNode(part.scale, "i");
      Object.assign(patch.style, { background: `linear-gradient(to right, ${stops.join(", ")})`, width: `${wide}em` });
    };
    part.scale.replaceChildren("less");
    shade(-0.5, 0, 2.5);
    part.scale.append("chance");
    shade(0, 1, 5);
    part.scale.append("same cut");
  }

  // ---- every two criteria ----
  const estimateOf = (a, b) => view().pairs.find(([i, j]) => (i === a && j === b) || (i === b && j === a))?.[2];

  function drawMatrix() {
    const { criteria } = header;
    const split = criteria.findIndex((one) => one.per !== "neuron"); // neuron criteria come first
    const head = document.createElement("thead");
    const line = panelNode(head, "tr");
    panelNode(line, "th").style.width = `${0.87 * plotWide(criteria.map((one) => one.short), theme.size) + 0.3 * theme.size}px`;
    criteria.forEach((one, i) => panelNode(line, "th", i === split ? "split" : "", agreementBroken(one.short)).setAttribute("scope", "col"));
    const body = document.createElement("tbody");
    criteria.forEach((one, a) => {
      const row = panelNode(body, "tr", a === split ? "split" : "");
      panelNode(row, "th", "", one.short).setAttribute("scope", "row");
      criteria.forEach((other, b) => {
        const cell = panelNode(row, "td", b === split ? "split" : "");
        cell.dataset.cell = `${a},${b}`;
        if (a === b) {
          cell.classList.add("own");
          cell.textContent = percent(view().cut[one.name].mean, 0);
          return;
        }
        const found = estimateOf(a, b);
        cell.classList.add(a < b ? "pair" : "chance");
        cell.textContent = digits(found && (a < b ? found.mean : found.chance), 2);
        if (a > b || !found || absent(found.lift)) return;
        cell.dataset.lift = found.lift;
        if (!found.differs) return cell.classList.add("level");
        const colour = diverging(theme, found.lift);
        cell.style.background = css(colour);
        cell.style.color = agreementInk(colour);
      });
    });
    part.matrix.replaceChildren(head, body);
    readCell();
  }

  function readCell() {
    part.matrix.querySelectorAll(".here").forEach((cell) => cell.classList.remove("here"));
    const [a, b] = pointed.cell || [];
    if (a === undefined) return say(part.reading, `${view().name}. Point at a cell, or walk with the arrow keys, for n, interval and chance.`);
    const [one, other] = [header.criteria[a], header.criteria[b]];
    for (const cell of [`${a},${b}`, `${b},${a}`]) part.matrix.querySelector(`[data-cell="${cell}"]`).classList.add("here");
    const cuts = (each) => view().cut[each.name];
    if (a === b) {
      const { mean, low, high, n } = cuts(one);
      return say(part.reading, `${judgeCapital(one.short)} cuts ${percent(mean)} of the weights here (${percent(low)} to ${percent(high)} over n = ${n} networks). Per ${one.per}.`);
    }
    say(part.reading, `${judgeCapital(one.short)} and ${other.short}: ${agreementWords(estimateOf(a, b))}. They cut ${percent(cuts(one).mean)} and ${percent(cuts(other).mean)} of the weights here.`);
  }

  function pointCell(cell) {
    pointed.cell = cell;
    readCell();
  }
  part.matrix.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("[data-cell]");
    pointCell(cell ? cell.dataset.cell.split(",").map(Number) : null);
  });
  part.matrix.addEventListener("pointerleave", () => pointCell(null));
  part.matrix.addEventListener("blur", () => pointCell(null));
  part.matrix.addEventListener("keydown", (event) => {
    if (!isPlain(event)) return;
    const last = header.criteria.length - 1;
    const [a, b] = pointed.cell || [0, 0];
    const to = { ArrowLeft: [a, b - 1], ArrowRight: [a, b + 1], ArrowUp: [a - 1, b], ArrowDown: [a + 1, b], Home: [a, 0], End: [a, last], Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    pointCell(to && to.map((v) => Math.min(last, Math.max(0, v))));
  });

  // ---- one criterion, other images ----
  function drawSamples() {
    const wide = part.samples.clientWidth;
    if (!theme || !header.views || !wide) return;
    const em = theme.size;
    const lines = view().samples.map(([name, found]) => ({ name, short: header.criteria.find((one) => one.name === name).short, found }));
    const [top, base] = [0.8 * em, 12.5 * em];
    size(part.samples, wide, base + 2.7 * em);
    const every = lines.flatMap((one) => one.found.filter(Boolean).flatMap((f) => [f.mean, f.chance, f.low ?? f.mean]));
    const y = judgeScale([...every, 1], base, top, 0.03);
    const left = 3.1 * em;
    const right = wide - plotWide(lines.map((one) => one.short), em) - 1.1 * em;
    const count = header.images.length;
    const x = (i) => left + 1.2 * em + ((right - left - 2.4 * em) * i) / Math.max(1, count - 1);
    const nodes = [];
    for (const v of y.ticks(5)) {
      nodes.push(svg("line", { class: "grid", x1: left, x2: right, y1: y.at(v), y2: y.at(v) }));
      nodes.push(svg("text", { x: left - 0.4 * em, y: y.at(v), dy: "0.34em", "text-anchor": "end" }, digits(v, 2)));
    }
    nodes.push(svg("path", { class: "axis", d: `M${left} ${top}V${base}H${right}` }));
    header.images.forEach((images, i) => nodes.push(svg("text", { x: x(i), y: base, dy: "1.15em", "text-anchor": "middle" }, images.toLocaleString("en"))));
    nodes.push(svg("text", { x: (left + right) / 2, y: base, dy: "2.35em", "text-anchor": "middle" }, "training images looked at"));
    const spots = (one, read) => one.found.map((f, i) => (f && !absent(f[read]) ? [x(i), y.at(f[read])] : null));
    for (const one of lines) {
      const kind = agreementKind(one.name);
      const [up, down] = [spots(one, "high").filter(Boolean), spots(one, "low").filter(Boolean)];
      if (up.length > 1) nodes.push(svg("path", { class: `reached ${kind}`, d: `${pen([...up, ...down.reverse()])}Z` }));
      nodes.push(svg("path", { class: `run chance ${kind}`, d: pen(spots(one, "chance")) }));
      nodes.push(svg("path", { class: `run ${kind}`, d: pen(spots(one, "mean")) }));
      one.found.forEach((f, i) => f && nodes.push(svg("circle", { class: `dot ${kind}`, cx: x(i), cy: y.at(f.mean), r: 0.3 * em, "data-arm": one.name, "data-images": header.images[i], "data-value": f.mean })));
    }
    const ends = lines.filter((one) => one.found.at(-1)).sort((a, b) => b.found.at(-1).mean - a.found.at(-1).mean);
    let above = -Infinity;
    for (const one of ends) { // names beside the lines' ends, moved apart where they would touch
      const place = Math.max(y.at(one.found.at(-1).mean), above + 1.15 * em);
      above = place;
      nodes.push(svg("text", { class: `named ${agreementKind(one.name)}`, x: right + 0.3 * em, y: place, dy: "0.34em" }, one.short));
    }
    if (pointed.images !== null) nodes.push(svg("line", { class: "cursor", x1: x(pointed.images), x2: x(pointed.images), y1: top, y2: base }));
    part.samples.replaceChildren(...nodes);
    part.samples.at = { x, count };
    const words = lines.map((one) => `${one.short} ${one.found.map((f, i) => `${f ? digits(f.mean, 2) : "–"} at ${header.images[i]}`).join(", ")}`);
    part.samples.setAttribute("aria-label", `J of two samples: ${words.join("; ")}`);
    const drawn = view().draws.filter(([, f]) => f).map(([name, f]) => `${header.criteria.find((one) => one.name === name).short.replace(/^random,? /, "")} ${digits(f.mean, 3)} (chance ${digits(f.chance, 3)})`);
    const rest = `J of two samples. Dashed: chance. Bands: 95${NARROW}% intervals over networks. The check, random criteria drawn anew: ${drawn.join("; ")}.`;
    const at = pointed.images;
    say(part.samplesNote, at === null ? rest : `${header.images[at].toLocaleString("en")} images: ${lines.map((one) => `${one.short} ${agreementWords(one.found[at], { sizes: false })}`).join("; ")}.`);
  }

  function size(figure, wide, tall) {
    figure.style.height = `${tall}px`;
    figure.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
  }

  // ---- one criterion, other start weights ----
  function drawNetworks() {
    const wide = part.networks.clientWidth;
    if (!theme || !header.views || !wide) return;
    const em = theme.size;
    const matched = new Map(view().matched);
    const numbered = new Map(view().numbered);
    const rows = header.criteria.filter((one) => matched.has(one.name));
    const row = 1.22 * em;
    const [top, base] = [0.2 * em, 0.2 * em + row * Math.max(1, rows.length)];
    size(part.networks, wide, base + 2.7 * em);
    const nodes = [];
    const found = [...matched.values(), ...numbered.values()].filter(Boolean);
    if (!found.length) {
      nodes.push(svg("text", { x: 0, y: 2 * em }, "No two networks of neighbouring seeds are compared yet."));
      part.networks.replaceChildren(...nodes);
      return say(part.networksNote, "");
    }
    const left = plotWide(rows.map((one) => one.short), em) + 0.6 * em;
    const scale = judgeScale([...found.flatMap((f) => [f.mean, f.chance]), 1], left, wide - 0.6 * em, 0.04);
    judgeGrid(nodes, scale, { top, base, em, wide: wide - left, word: (v) => digits(v, 2), title: "J of two networks" });
    rows.forEach((one, i) => {
      const [at, as] = [matched.get(one.name), numbered.get(one.name)];
      const y = top + row * (i + 0.5);
      nodes.push(svg("rect", { class: `row ${pointed.row === i ? "here" : ""}`, x: 0, width: wide, y: y - row / 2, height: row, "data-row": i }));
      nodes.push(svg("text", { class: "strong", x: 0, y, dy: "0.34em" }, one.short));
      if (!at) return nodes.push(svg("text", { x: left, y, dy: "0.34em" }, "neither cuts here"));
      nodes.push(svg("line", { class: "tick", x1: scale.at(at.chance), x2: scale.at(at.chance), y1: y - 0.42 * row, y2: y + 0.42 * row }));
      if (as) nodes.push(svg("circle", { class: "numbered", cx: scale.at(as.mean), cy: y, r: 0.27 * em, "data-arm": one.name, "data-value": as.mean }));
      if (!absent(at.low)) nodes.push(svg("line", { class: "reach", x1: scale.at(at.low), x2: scale.at(at.high), y1: y, y2: y }));
      nodes.push(svg("path", { class: "mean", d: judgeDiamond(scale.at(at.mean), y, 0.34 * em), "data-arm": one.name, "data-value": at.mean }));
    });
    for (const node of nodes) if (!node.matches(".row")) node.style.pointerEvents = "none";
    part.networks.replaceChildren(...nodes);
    const n = found[0].n;
    const alike = absent(view().alike) ? "" : ` Paired neurons correlate by ${digits(view().alike, 2)} on average.`;
    const one = rows[pointed.row];
    const rest = `Diamond: neurons paired by what they do, with its interval; ring: by number; line: chance. n = ${n} pair${n === 1 ? "" : "s"} of networks.${alike}`;
    part.networks.setAttribute("aria-label", rows.map((each) => `${each.short}: ${agreementWords(matched.get(each.name))}`).join("; "));
    if (!one) return say(part.networksNote, rest);
    const { mean, low, high } = view().cut[one.name];
    say(part.networksNote, `${judgeCapital(one.short)}, paired: ${agreementWords(matched.get(one.name))}; by number ${digits(numbered.get(one.name)?.mean, 3)}. Each cuts ${percent(mean)} here (${percent(low)} to ${percent(high)} over networks).`);
  }

  /** Reads a plot step by step: `name` of what is pointed at, how many there are, and what draws it. */
  function readable(figure, name, count, again, forth, back) {
    const to = (i) => {
      if (i === pointed[name]) return;
      pointed[name] = i;
      again();
    };
    figure.addEventListener("pointerleave", () => to(null));
    figure.addEventListener("blur", () => to(null));
    figure.addEventListener("keydown", (event) => {
      const now = pointed[name] ?? -1;
      const next = { [forth]: now + 1, [back]: now - 1, Home: 0, End: count() - 1, Escape: null }[event.key];
      if (next === undefined || !count() || !isPlain(event)) return;
      event.preventDefault();
      to(next === null ? null : Math.min(count() - 1, Math.max(0, next)));
    });
    return to;
  }
  const toImages = readable(part.samples, "images", () => header.images.length, drawSamples, "ArrowRight", "ArrowLeft");
  part.samples.addEventListener("pointermove", (event) => {
    if (!part.samples.at) return;
    const { x, count } = part.samples.at;
    const across = event.clientX - part.samples.getBoundingClientRect().left;
    toImages(Array.from({ length: count }, (_, i) => i).reduce((best, i) => (Math.abs(x(i) - across) < Math.abs(x(best) - across) ? i : best), 0));
  });
  const toRow = readable(part.networks, "row", () => view().matched.length, drawNetworks, "ArrowDown", "ArrowUp");
  part.networks.addEventListener("pointermove", (event) => toRow(event.target.dataset?.row === undefined ? null : Number(event.target.dataset.row)));

  function close() {
    closeTheme();
    closeSamples();
    closeNetworks();
  }
  return { show, close };
}

export default keepMounted(".agreement", makeAgreement);
