// Who goes: the neuron board at the slider's percent, cells or the first layer's pictures, and the hand on top of the slider.
//
// Places never move while the slider does: the order is the queue's own, so the cut is a front that walks through the board.
// Telling alive from gone by a pixel (tests do): `box.cellRect(layer, unit)` gives the cell in CSS px from the corner of the canvas
// "stage-board". The middle of its foot, (x + w / 2, y + h - 1.5), is exactly `canvas.dataset.dead` where the neuron is gone, and
// the neuron's firing colour where it lives; every mark leaves the foot free. In the mosaic that canvas holds the marks alone, and the
// pictures lie on "stage-mosaic" under it.

const WHO_NEWEST = 3; // percents of the slider within which a neuron that went counts as newest
const WHO_KILLED = 1;
const WHO_SPARED = 2;
const WHO_LEGEND = [
  ["colour: how often it fires", ALIVE, 0, 1],
  ["fill: weights left", ALIVE, 0, 0.45],
  ["no way out", NO_WAY_OUT, 0, 1],
  [`gone within the last ${WHO_NEWEST}${NARROW}%`, CUT_NOW, 0, 0],
  ["gone earlier", CUT_EARLIER, 0, 0],
  ["killed by hand", CUT_EARLIER, WHO_KILLED, 0],
  ["spared by hand", ALIVE, WHO_SPARED, 1],
];

const whoHas = (set, layer, unit) => Boolean(set && set.size && set.has(`${layer}:${unit}`));
const whoByHand = (hand) => Boolean(hand && (hand.killed?.size || hand.spared?.size));

// ---- what the board needs to know of a model, computed once ----

/** Units x 101 bytes: the share of a neuron's incoming weights (or of their pooled pixels) left at each percent, 255 = all. */
function whoLeft(model, l) {
  const { units, rows, columns, block } = model.header.layers[l];
  const gone = model.gone(l);
  const first = model.arrays[`first_${l}`];
  const left = new Uint8Array(units * 101);
  const tall = block?.[0] || 1;
  const counts = new Uint32Array(256);
  for (let r = 0; r < rows; r++) {
    counts.fill(0);
    for (let i = r * columns; i < (r + 1) * columns; i++) counts[gone[i]]++;
    let stays = columns;
    for (let p = 0; p < 101; p++) {
      stays -= counts[p];
      const byte = Math.ceil((255 * stays) / columns); // rounded up: the last weight still shows
      for (let unit = r * tall; unit < Math.min(units, (r + 1) * tall); unit++) {
        const untouched = tall > 1 && first && p < first[unit] && first[unit] <= 100; // its neighbours in a pooled row may have lost some
        left[unit * 101 + p] = untouched ? 255 : byte;
      }
    }
  }
  return left;
}

/** Per layer and neuron the percent at which its last path to the output breaks; null where pooled pictures can't tell. */
function whoWayEnds(model) {
  const { layers } = model.header;
  const ends = layers.map(() => null);
  if (!layers.length) return ends;
  ends[layers.length - 1] = new Uint8Array(layers[layers.length - 1].units).fill(255); // the output layer is never cut by itself
  for (let l = layers.length - 2; l >= 0; l--) {
    const { rows, columns, block } = layers[l + 1];
    if (!ends[l + 1] || (block && block[0] * block[1] > 1)) break;
    const gone = model.gone(l + 1);
    ends[l] = new Uint8Array(columns);
    for (let r = 0, i = 0; r < rows; r++) {
      const most = ends[l + 1][r];
      for (let c = 0; c < columns; c++, i++) ends[l][c] = Math.max(ends[l][c], Math.min(gone[i], most));
    }
  }
  return ends;
}

/** How often each neuron fires, as a byte on its layer's own scale: rates are much alike, and layers differ. */
function whoRates(model, l) {
  const { seen } = model.header;
  const { [`fired_${l}`]: fired, [`goes_${l}`]: goes } = model.arrays;
  let low = Infinity;
  let high = -Infinity;
  goes.forEach((percentGone, unit) => {
    if (!percentGone) return;
    low = Math.min(low, fired[unit]);
    high = Math.max(high, fired[unit]);
  });
  const span = high - low;
  const rate = Uint8Array.from(fired, (n) => (span > 0 ? Math.max(0, Math.min(255, Math.round((255 * (n - low)) / span))) : 128));
  return { rate, low: seen ? low / seen : null, high: seen ? high / seen : null };
}

/** Unit at each place: the safest first, the next to go last, then those that were gone before; or as they are numbered. */
function whoOrder(model, l, natural) {
  const { [`order_${l}`]: order, [`goes_${l}`]: goes } = model.arrays;
  if (natural) return Uint16Array.from(goes, (_, unit) => unit);
  return Uint16Array.from([...order.filter((unit) => goes[unit] > 0).reverse(), ...order.filter((unit) => goes[unit] === 0)]);
}

/** Under a hand set: which neurons still reach the output, and how many incoming weights each has left, per layer. */
const whoHandLooks = new WeakMap(); // the last layer's mask -> looks: a new mask is a new hand or percent
function whoUnderHand(model, p, hand) {
  const { layers } = model.header;
  const masks = layers.map((_, l) => model.kept(l, p, hand));
  const last = masks[masks.length - 1];
  if (!last) return null;
  if (whoHandLooks.has(last)) return whoHandLooks.get(last);
  const looks = layers.map(({ units }) => ({ left: new Uint8Array(units), way: new Uint8Array(units) }));
  looks[looks.length - 1].way.fill(1);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { rows, columns } = layers[l];
    const below = looks[l - 1]?.way;
    for (let r = 0, i = 0; r < rows; r++) {
      let stays = 0;
      for (let c = 0; c < columns; c++, i++) {
        if (!masks[l][i]) continue;
        stays++;
        if (below && looks[l].way[r]) below[c] = 1;
      }
      looks[l].left[r] = Math.ceil((255 * stays) / columns);
    }
  }
  whoHandLooks.set(last, looks);
  return looks;
}

// ---- the hand: one pair of buttons for the board and for the neuron's own view ----

/** Kills or spares a neuron by hand, or takes that back. */
function whoToggle(stage, kind, picked) {
  if (!picked || !stage.model?.exact) return;
  const key = `${picked.layer}:${picked.unit}`;
  const hand = { killed: new Set(stage.state.hand?.killed), spared: new Set(stage.state.hand?.spared) };
  const was = hand[kind].has(key);
  hand.killed.delete(key);
  hand.spared.delete(key);
  if (!was) hand[kind].add(key);
  stage.set({ hand });
}

/** Buttons for one neuron: {element, update(picked, hand)}; what they say follows what the hand did. */
function whoHandButtons(stage, current) {
  const element = document.createElement("span");
  element.className = "hands";
  const button = (action, testid) => {
    const one = document.createElement("button");
    one.type = "button";
    one.dataset.testid = testid;
    one.addEventListener("click", () => action());
    element.append(one);
    return one;
  };
  const kill = button(() => whoToggle(stage, "killed", current()), "hand-kill");
  const spare = button(() => whoToggle(stage, "spared", current()), "hand-spare");
  const none = button(() => stage.set({ hand: { killed: new Set(), spared: new Set() } }), "hand-clear");
  const update = (picked, hand) => {
    const killed = picked && whoHas(hand?.killed, picked.layer, picked.unit);
    const spared = picked && whoHas(hand?.spared, picked.layer, picked.unit);
    const exact = Boolean(stage.model?.exact);
    const count = (hand?.killed?.size || 0) + (hand?.spared?.size || 0);
    const by = stage.state.lecture ? "" : " by hand"; // half a small screen has no room for more
    say(kill, killed ? "revive (K)" : `kill${by} (K)`);
    say(spare, spared ? "spare no more (S)" : `spare${by} (S)`);
    say(none, `undo all ${count}${by}`);
    kill.disabled = spare.disabled = !picked || !exact;
    kill.hidden = spare.hidden = !exact;
    none.hidden = !exact || !count;
  };
  return { element, update };
}

// ---- one cell ----

function whoPaths() {
  return { crosses: new Path2D(), slashes: new Path2D(), holes: new Path2D(), killed: new Path2D(), spared: new Path2D() };
}

/** Colours of one cell and its marks, the latter gathered in `paths`. `fill` is in CSS px, from the foot up; null: marks alone. */
function whoCell(ctx, paths, { x, y, w, h }, { state, mark, fill, rate }, palette, theme) {
  const gone = state === CUT_NOW || state === CUT_EARLIER;
  if (fill !== null && gone) {
    ctx.fillStyle = theme.dead;
    ctx.fillRect(x, y, w, h);
  } else if (fill !== null) {
    if (fill < h) {
      ctx.fillStyle = palette.tint[rate];
      ctx.fillRect(x, y, w, h - fill);
    }
    ctx.fillStyle = palette.full[rate];
    ctx.fillRect(x, y + h - fill, w, fill);
  }
  if (mark === WHO_KILLED) return whoBar(paths.killed, x, y, w, h);
  if (mark === WHO_SPARED) whoDiamond(paths.spared, x, y, w, h);
  if (gone && mark !== WHO_SPARED) strike(state === CUT_NOW ? paths.crosses : paths.slashes, x, y, w, h, state);
  if (state === NO_WAY_OUT && mark !== WHO_SPARED) hollow(paths.holes, x, y, w, h);
}

function whoBar(path, x, y, w, h) {
  path.rect(x + 0.14 * w, y + 0.36 * h, 0.72 * w, 0.24 * h);
}

function whoDiamond(path, x, y, w, h) {
  path.moveTo(x + w / 2, y + 0.1 * h);
  path.lineTo(x + 0.84 * w, y + 0.43 * h);
  path.lineTo(x + w / 2, y + 0.76 * h);
  path.lineTo(x + 0.16 * w, y + 0.43 * h);
  path.closePath();
}

function whoStroke(ctx, paths, size, theme) {
  strokeStates(ctx, { ...paths, size, theme });
  ctx.fillStyle = theme.selected;
  ctx.fill(paths.killed);
  ctx.fillStyle = theme.back;
  ctx.fill(paths.spared);
  ctx.lineWidth = Math.max(1.2, 0.1 * size);
  ctx.strokeStyle = theme.selected;
  ctx.stroke(paths.spared);
}

function whoLegend(list, entries, { theme, palette, dpr }) {
  list.replaceChildren();
  for (const [words, state, mark, share] of entries) {
    const item = document.createElement("li");
    const sample = document.createElement("canvas");
    const size = Math.round(1.15 * theme.size * dpr) / dpr;
    sample.width = sample.height = Math.round(size * dpr);
    const ctx = sample.getContext("2d");
    ctx.scale(dpr, dpr);
    const paths = whoPaths();
    whoCell(ctx, paths, { x: 0, y: 0, w: size, h: size }, { state, mark, fill: share * size, rate: 170 }, palette, theme);
    whoStroke(ctx, paths, size, theme);
    item.append(sample, words);
    list.append(item);
  }
}

// ---- the first layer's pictures ----

/**
 * All tiles side by side on one small canvas, a weight a pixel, which the browser scales; a step of the slider touches only the weights
 * that went. `colours` is weightPalette(theme); a weight that is gone has the ground's colour.
 */
function whoMosaic(canvas, model) {
  const [height, width] = model.header.image_shape;
  const { rows } = model.header.layers[0];
  const pixels = height * width;
  const times = width >= 20 ? 1 : Math.ceil(20 / width); // small pictures are repeated, so that the gap stays narrow
  const pitch = [width * times + 1, height * times + 1];
  const gone = model.gone(0);
  const weight = model.arrays.weight_0;
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  const { from, queue } = whoSorted(gone);
  let image = null;
  let words = null;
  let origins = null; // of each unit's tile, in words
  let at = null; // the percent that is drawn; null: all is to be drawn
  let colours = null;
  let dead = 0;

  function arrange(shown, columns) {
    canvas.width = columns * pitch[0];
    canvas.height = Math.ceil(shown.length / columns) * pitch[1];
    image = ctx.createImageData(canvas.width, canvas.height);
    words = new Uint32Array(image.data.buffer);
    origins = new Uint32Array(rows);
    shown.forEach((unit, place) => (origins[unit] = Math.floor(place / columns) * pitch[1] * canvas.width + (place % columns) * pitch[0]));
    at = null;
  }

  function colour(theme) {
    colours = weightPalette(theme).living;
    const [r, g, b] = rgb(theme.dead);
    dead = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    at = null;
  }

  function put(i, word) {
    const unit = Math.floor(i / pixels);
    const pixel = i - unit * pixels;
    const line = Math.floor(pixel / width);
    const start = origins[unit] + line * times * canvas.width + (pixel - line * width) * times;
    if (times === 1) words[start] = word;
    else for (let y = 0; y < times; y++) words.fill(word, start + y * canvas.width, start + y * canvas.width + times);
  }

  function draw(p, mask) {
    if (at === p && !mask) return;
    if (mask) for (let i = 0; i < mask.length; i++) put(i, mask[i] ? colours[weight[i]] : dead);
    else if (at === null) for (let i = 0; i < gone.length; i++) put(i, gone[i] > p ? colours[weight[i]] : dead);
    else if (p > at) for (let j = from[at + 1]; j < from[p + 1]; j++) put(queue[j], dead);
    else for (let j = from[p + 1]; j < from[at + 1]; j++) put(queue[j], colours[weight[queue[j]]]);
    at = mask ? null : p; // a hand set is drawn whole, and so is what comes after it
    ctx.putImageData(image, 0, 0);
  }
  return { arrange, colour, draw, pitch };
}

/** Positions sorted by the percent at which they go: those of percent p stand from `from[p]` to before `from[p + 1]`. */
function whoSorted(gone) {
  const from = new Uint32Array(258);
  for (let i = 0; i < gone.length; i++) from[gone[i] + 1]++;
  for (let p = 0; p < 257; p++) from[p + 1] += from[p];
  const next = from.slice();
  const queue = new Uint32Array(gone.length);
  for (let i = 0; i < gone.length; i++) queue[next[gone[i]]++] = i;
  return { from, queue };
}

/** Whether the first layer's weights can be shown as pictures of what the neurons look for. */
function whoCanShowTiles({ header, arrays }) {
  const [first] = header.layers;
  if (!first || !header.image_shape || !arrays.weight_0 || (first.block && first.block[0] * first.block[1] > 1)) return false;
  return header.image_shape[0] * header.image_shape[1] === first.columns;
}

// ---- the view ----

const WHO_HTML = `
  <div class="top">
    <h3>Who goes</h3>
    <span class="switch" data-part="viewSwitch" role="group" aria-label="What the board shows">
      <button type="button" data-choice="view" data-value="cells">neurons</button>
      <button type="button" data-choice="view" data-value="mosaic">first-layer mosaic</button>
    </span>
    <span class="labelled">order
      <span class="switch" role="group" aria-label="Order of the neurons">
        <button type="button" data-choice="order" data-value="queue">by the queue</button>
        <button type="button" data-choice="order" data-value="natural">natural</button>
      </span>
    </span>
    <span class="faint" data-part="hint"></span>
  </div>
  <div class="panel" data-part="panel">
    <canvas class="tiles" data-testid="stage-mosaic" data-part="tiles" aria-hidden="true"></canvas>
    <canvas class="cells" data-testid="stage-board" data-part="canvas" tabindex="0" role="application"
      aria-roledescription="neuron board"
      aria-label="Neuron board. Arrow keys go from neuron to neuron, K kills one by hand or revives it, S spares it."></canvas>
    <div data-part="heads"></div>
    <div data-part="fronts"></div>
    <div class="ring hovered" data-part="hovered" hidden></div>
    <div class="ring picked" data-part="picked" hidden></div>
  </div>
  <p class="one" data-part="one"><span data-part="line"></span></p>
  <ul class="legend" data-part="legend"></ul>
  <p class="said" data-part="said" aria-live="polite"></p>`;

function makeWho(box, stage) {
  box.innerHTML = WHO_HTML;
  const part = parts(box);
  const ctx = part.canvas.getContext("2d", { willReadFrequently: true });
  const choice = (stage.choices.who ||= { view: "cells", order: "queue" });
  const hands = whoHandButtons(stage, () => stage.state.picked);
  part.one.append(hands.element);
  let model = null;
  let layers = []; // per layer: goes, left, ends, rate, shown (place -> unit), places (unit -> place), looks (what is drawn)
  let mosaic = null;
  let layout = null;
  let palette = null;
  let hovered = null;
  let drawnFor = ""; // of the ring and the line of words
  let rings = "";
  let legendHasHand = false;

  const tiles = () => Boolean(mosaic) && choice.view === "mosaic";

  function setModel(next) {
    model = next;
    hovered = null;
    const ends = whoWayEnds(model);
    layers = model.header.layers.map((layer, l) => ({
      ...whoRates(model, l),
      units: layer.units,
      goes: model.arrays[`goes_${l}`],
      left: whoLeft(model, l),
      ends: ends[l],
    }));
    mosaic = whoCanShowTiles(model) ? whoMosaic(part.tiles, model) : null;
    part.viewSwitch.hidden = !mosaic;
    arrange();
    resize();
  }

  /** Which unit stands where; nothing of this depends on the percent. */
  function arrange() {
    layers.forEach((one, l) => {
      one.shown = whoOrder(model, l, choice.order === "natural");
      one.places = placesOf(one.shown);
      one.looks = new Int32Array(one.units).fill(-1);
    });
    for (const button of box.querySelectorAll("[data-choice]")) {
      button.setAttribute("aria-pressed", choice[button.dataset.choice] === button.dataset.value);
    }
    const far = choice.order === "queue" ? "the safest first, the next to go left of the line" : "";
    say(part.hint, tiles() ? [far, "red: positive, blue: negative"].filter(Boolean).join("; ") : far);
  }

  function resize() {
    const width = part.panel.clientWidth;
    if (!model || !width) return;
    const { theme } = stage;
    const em = theme.size;
    const dpr = stage.dpr || devicePixelRatio;
    palette = firingPalette(theme);
    legendHasHand = whoByHand(stage.state.hand);
    whoLegend(part.legend, legendEntries(), { theme, palette, dpr });
    const height = stage.state.lecture ? lectureHeight(em) : Math.min(Math.max(0.54 * innerHeight, 17 * em), 27 * em);
    layout = boardLayout({ counts: layers.map((one) => one.units), width, height, em, dpr, mosaic: tiles() });
    if (tiles()) layout.gap = layout.size / mosaic.pitch[0];
    part.canvas.width = Math.round(width * dpr);
    part.canvas.height = Math.round(layout.height * dpr);
    part.canvas.style.height = `${layout.height}px`;
    part.canvas.dataset.dead = theme.dead;
    part.tiles.hidden = !tiles();
    if (tiles()) placeTiles(dpr);
    box.style.setProperty("--ramp", `linear-gradient(90deg, ${palette.full.filter((_, i) => i % 15 === 0).join(", ")})`);
    part.heads.replaceChildren(...layout.layers.map(whoHead));
    part.fronts.replaceChildren(...layout.layers.map(() => Object.assign(document.createElement("i"), { className: "front" })));
    for (const one of layers) one.looks.fill(-1);
    drawnFor = rings = "";
  }

  /** Signs that cannot occur need no words: no hand on pooled weights, and in a lecture only what is there. */
  function legendEntries() {
    const byHand = model.exact && (!stage.state.lecture || whoByHand(stage.state.hand));
    const stranded = !stage.state.lecture && layers.some((one) => one.ends);
    return WHO_LEGEND.filter(([, state, mark]) => (mark ? byHand : state !== NO_WAY_OUT || stranded));
  }

  /** In a lecture nothing scrolls: the board takes what title, line and legend leave, and all of it where that is too little. */
  function lectureHeight(em) {
    const rest = [box.firstElementChild, part.one, part.legend];
    rest.forEach((element) => (element.hidden = false));
    const free = () => box.clientHeight - rest.reduce((sum, element) => sum + element.offsetHeight, 0) - 1.2 * em;
    for (const element of [...rest].reverse()) if (free() < 3.2 * em * layers.length) element.hidden = true;
    return free();
  }

  function placeTiles(dpr) {
    const [row] = layout.layers;
    const { style } = part.tiles;
    mosaic.arrange(layers[0].shown, row.columns);
    mosaic.colour(stage.theme);
    style.top = `${row.y}px`;
    style.width = `${row.columns * row.size}px`;
    style.height = `${Math.ceil(row.count / row.columns) * row.size}px`;
    style.imageRendering = row.size * dpr < 3 * mosaic.pitch[0] ? "auto" : "pixelated"; // else pixels would be of uneven width
  }

  function whoHead({ layer, top, columns, size }) {
    const head = document.createElement("div");
    head.className = "layer";
    head.style.top = `${top}px`;
    head.style.width = `${columns * size - layout.gap}px`;
    head.innerHTML = `<b></b><span data-testid="stage-alive-${layer}"></span><span class="way"></span>
      <span class="own"><span></span><i class="ramp"></i><span></span></span>`;
    const { low, high } = layers[layer];
    const own = head.querySelector(".own");
    own.hidden = tiles() || absent(low) || !(high > 0);
    say(head.querySelector("b"), model.header.layers[layer].name);
    say(own.children[0], `fires ${percent(low, 0)}`);
    say(own.children[2], percent(high, 0));
    return head;
  }

  // ---- drawing ----

  function draw(state) {
    if (!model || !layout || !layers.length) return;
    const { percent: p, hand } = state;
    if (state.lecture && whoByHand(hand) !== legendHasHand) resize(); // the first sign of a hand brings its words with it
    const under = whoByHand(hand) ? whoUnderHand(model, p, hand) : null;
    const dpr = stage.dpr || devicePixelRatio;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    const paths = whoPaths();
    let changed = 0;
    layout.layers.forEach((row, i) => {
      const found = drawLayer(row, { p, hand, under, dpr, paths });
      changed += found.changed;
      tell(row, i, found, { p, under });
    });
    if (changed) whoStroke(ctx, paths, tiles() ? 0.6 * layout.size : layout.size, stage.theme);
    if (tiles()) mosaic.draw(p, under && model.kept(0, p, hand));
    drawRings(state);
    drawLine(state);
  }

  /** Draws those cells of a layer whose look is another than the one that stands there, and counts. */
  function drawLayer(row, { p, hand, under, dpr, paths }) {
    const { goes, left, ends, rate, shown, looks } = layers[row.layer];
    const l = row.layer;
    const look = under?.[l];
    const full = Math.round((row.size - layout.gap) * dpr); // of a cell, in device pixels
    const least = Math.max(Math.min(full, 2), Math.round(0.14 * full));
    const found = { changed: 0, alive: 0, out: 0 };
    for (let place = 0; place < row.count; place++) {
      const unit = shown[place];
      const alive = look ? look.left[unit] > 0 : goes[unit] > p;
      const out = alive && (look ? look.way[unit] === 1 : !ends || ends[unit] > p);
      if (alive) found.alive++;
      if (out) found.out++;
      const mark = !look ? 0 : whoHas(hand.killed, l, unit) ? WHO_KILLED : whoHas(hand.spared, l, unit) ? WHO_SPARED : 0;
      const newest = goes[unit] > p || (goes[unit] > p - WHO_NEWEST && goes[unit] > 0);
      const state = alive ? (out ? ALIVE : NO_WAY_OUT) : newest ? CUT_NOW : CUT_EARLIER;
      const byte = look ? look.left[unit] : left[unit * 101 + p];
      const fill = alive && !tiles() ? Math.max(least, Math.round((full * byte) / 255)) : 0;
      const now = fill | (state << 16) | (mark << 20);
      if (looks[unit] === now) continue;
      looks[unit] = now;
      found.changed++;
      const cell = cellAt(layout, row, place);
      ctx.clearRect(cell.x, cell.y, cell.w, cell.h);
      whoCell(ctx, paths, cell, { state, mark, fill: tiles() ? null : fill / dpr, rate: rate[unit] }, palette, stage.theme);
    }
    return found;
  }

  /** Words over a layer, and the line between the living and the gone, where the order makes it one line. */
  function tell(row, i, found, { p, under }) {
    const head = part.heads.children[i];
    const front = part.fronts.children[i];
    const figures = model.figures(p);
    const alive = under ? found.alive : (figures.alive?.[row.layer] ?? found.alive);
    const out = under ? found.out : (figures.wayOut?.[row.layer] ?? found.out);
    say(head.children[1], `${alive} of ${row.count} alive`);
    say(head.children[2], out === alive ? "" : `${out} with a way out`);
    const drawn = choice.order === "queue" && !under && found.alive > 0 && found.alive < row.count ? found.alive : 0;
    if (front.at === drawn) return;
    front.at = drawn;
    front.hidden = !drawn;
    if (!drawn) return;
    const { x, y, w, h } = cellAt(layout, row, drawn - 1);
    front.style.height = `${h + 2 * layout.gap}px`;
    front.style.transform = `translate(${x + w + layout.gap / 2}px, ${y - layout.gap}px) translateX(-50%)`;
  }

  function drawRings({ picked }) {
    const now = `${picked?.layer}:${picked?.unit} ${hovered?.layer}:${hovered?.unit}`;
    if (now === rings) return;
    rings = now;
    ring(part.picked, picked);
    ring(part.hovered, hovered);
  }

  function ring(element, one) {
    const at = one && cellRect(one.layer, one.unit);
    element.hidden = !at;
    if (!at) return;
    element.style.width = `${at.w}px`;
    element.style.height = `${at.h}px`;
    element.style.transform = `translate(${at.x}px, ${at.y}px)`;
  }

  /** The neuron pointed at, else the picked one, in words; the buttons are the picked one's. */
  function drawLine({ percent: p, picked, hand }) {
    const one = hovered || picked;
    const now = [p, one?.layer, one?.unit, picked?.layer, picked?.unit, hand?.killed?.size, hand?.spared?.size].join();
    if (now === drawnFor && !whoByHand(hand)) return;
    drawnFor = now;
    hands.update(picked, hand);
    const able = model.exact ? "Click a neuron to look at it, kill it or spare it." : `Click a neuron to look at it. ${WHO_POOLED}`;
    if (!one) return say(part.line, able);
    say(part.line, whoInWords(one, p, hand) + (model.exact || hovered ? "" : `. ${WHO_POOLED}`));
  }

  function whoInWords({ layer, unit }, p, hand) {
    const { goes, fired } = model.neuron(layer, unit);
    const { name } = model.header.layers[layer];
    const of = stage.state.lecture ? "" : " of images";
    const fires = model.header.seen && !absent(fired) ? `, fires on ${percent(fired / model.header.seen)}${of}` : "";
    const byHand = whoHas(hand?.killed, layer, unit) ? ", killed by hand" : whoHas(hand?.spared, layer, unit) ? ", spared by hand" : "";
    return `${name} · neuron ${unit} ${whoFate(goes, p)}${byHand}${fires}`;
  }

  // ---- the hand and the keyboard ----

  const same = (a, b) => a?.layer === b?.layer && a?.unit === b?.unit;
  const pointedAt = (event) => (layout ? unitAt(layout, layers, event.offsetX, event.offsetY) : null);
  const again = () => {
    arrange();
    resize();
    draw(stage.state);
  };

  function pick(one) {
    stage.set(one ? { picked: one, layer: one.layer } : { picked: null });
    say(part.said, one ? whoInWords(one, stage.state.percent, stage.state.hand) : "no neuron picked");
  }

  function hover(one) {
    if (same(one, hovered)) return;
    hovered = one;
    if (!layout || !model) return;
    drawRings(stage.state);
    drawLine(stage.state);
  }

  part.canvas.addEventListener("pointermove", (event) => hover(pointedAt(event)));
  part.canvas.addEventListener("pointerleave", () => hover(null));
  part.canvas.addEventListener("click", (event) => pointedAt(event) && pick(pointedAt(event)));
  part.canvas.addEventListener("keydown", (event) => {
    if (!layout || !layers.length || !isPlain(event)) return;
    const { picked } = stage.state;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key.startsWith("Arrow")) {
      hovered = null;
      const [row] = layout.layers;
      const here = picked && neighbour(layout, layers, picked, key);
      pick(here || { layer: row.layer, unit: layers[row.layer].shown[0] });
    } else if (key === "k") whoToggle(stage, "killed", picked);
    else if (key === "s") whoToggle(stage, "spared", picked);
    else if (key === "Escape" && picked) pick(null);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the arrow keys are the slider's everywhere else
  });
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choice]");
    if (!button || !model) return;
    choice[button.dataset.choice] = button.dataset.value;
    again();
  });

  function cellRect(layer, unit) {
    const row = layout?.layers.find((each) => each.layer === layer);
    return row && layers[layer]?.places[unit] !== undefined ? cellAt(layout, row, layers[layer].places[unit]) : null;
  }
  box.cellRect = cellRect;

  // ---- for those who can't see it ----

  const counts = (p, hand) =>
    layers.map((one, l) => {
      const alive = one.goes.reduce((sum, _, unit) => sum + (model.alive(l, unit, p, hand) ? 1 : 0), 0);
      const newest = one.goes.filter((g) => g > 0 && g <= p && g > p - WHO_NEWEST).length;
      return { name: model.header.layers[l].name, units: one.units, alive, newest };
    });

  function text({ percent: p, hand }) {
    if (!model) return "";
    const words = counts(p, hand).map(({ name, units, alive }) => `${name}: ${alive} of ${units}`);
    const by = whoByHand(hand) ? `, with ${hand.killed.size} killed and ${hand.spared.size} spared by hand` : "";
    return `Neurons alive at ${p}${NARROW}%${by}: ${words.join("; ")}.`;
  }

  function table({ percent: p, hand }) {
    if (!model) return null;
    const head = ["Layer", "Neurons", "Alive", `Gone within the last ${WHO_NEWEST} %`, "Killed by hand", "Spared by hand"];
    const of = (set, l) => [...(set || [])].filter((key) => key.startsWith(`${l}:`)).length;
    const byHand = (l) => [of(hand?.killed, l), of(hand?.spared, l)];
    const rows = counts(p, hand).map(({ name, units, alive, newest }, l) => [name, units, alive, newest, ...byHand(l)]);
    return { head, rows };
  }

  return { setModel, resize, draw, text, table };
}

const WHO_POOLED = "Its weights came pooled, so that no neuron can be killed or spared here.";

/** When a neuron goes, in words, seen from percent p. */
function whoFate(goes, p) {
  if (goes === 0) return "was gone already in the stored network";
  if (goes > 100) return `never goes, not even at 100${NARROW}%`;
  return goes <= p ? `went at ${goes}${NARROW}%` : `goes at ${goes}${NARROW}%`;
}
