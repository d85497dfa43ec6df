// One neuron: what it looks for, before and after the cut; for which classes and images it fires; its place in the queue and its score.

/** The score written out: criterion -> words, from what was counted, the score and the neuron's number of weights. */
const NEURON_SCORES = {
  "activation-frequency": ({ fired, seen, score }) => `fired on ${fired} of ${seen} counted images → score ${score}`,
  inactivity: ({ fired, seen, score }) => `silent on ${seen} − ${fired} = ${score} counted images → score ${score}; the busiest go first`,
  "random-matched": ({ score, fired }) => `dealt out: some living neuron's count, ${score}; its own count, ${fired}, has no say`,
  "random-neurons": ({ raw }) => `a draw from 0 to 1: ${digits(raw, 4)}; what the neuron does has no say`,
  apoz: ({ raw }) => `silent on ${percent(1 - raw)} of training images → score 1 − ${digits(1 - raw, 4)} = ${digits(raw, 4)}`,
  magnitude: ({ raw, weights }) => `mean of |w| over its ${weights} weights = ${neuronNumber(raw)}`,
  "activation-frequency-weight": ({ raw, fired, weights }) => `${fired} × |w|, mean over its ${weights} weights = ${neuronNumber(raw)}`,
  "inactivity-weight": ({ raw, fired, seen, weights }) =>
    `(${seen} − ${fired}) × |w|, mean over its ${weights} weights = ${neuronNumber(raw)}`,
  "random-weights": ({ raw, weights }) => `a draw from 0 to 1 for each weight: mean over its ${weights} weights = ${digits(raw, 4)}`,
  wanda: ({ raw, weights }) => `|w| × norm of the feature it reads, mean over its ${weights} weights = ${neuronNumber(raw)}`,
  taylor: ({ raw, weights }) => `|w × gradient|, mean over its ${weights} weights = ${neuronNumber(raw)}`,
};
const neuronCount = (v) => (absent(v) ? "–" : Math.round(v).toLocaleString("en"));
const neuronNumber = (v) => (absent(v) || Math.abs(v) >= 1000 ? neuronCount(v) : Number(v.toPrecision(4)).toString());
const NEURON_BEST = 6; // pictures that drive it most

/** Whether every weight of the layers up to `l` is a pixel of its own: only then can one neuron's picture be made. */
const neuronExact = (header, l) => header.layers.slice(0, l + 1).every(({ block }) => !block || block[0] * block[1] === 1);

function neuronIsImage({ header, arrays }) {
  const shape = header.image_shape;
  return Boolean(shape && header.layers[0] && shape[0] * shape[1] === header.layers[0].columns && arrays.weight_0);
}

/**
 * The linear way back from a neuron to the input: its incoming weights through the weights of the layers before it, those alone that
 * stay, see neuronStays: an array of the first layer's columns. For the first layer these are the weights themselves.
 */
function neuronBack(model, layer, unit, stays) {
  const { layers } = model.header;
  let through = null; // what each neuron of the layer at hand counts for
  for (let l = layer; l >= 0; l--) {
    const { columns, rows } = layers[l];
    const bytes = model.arrays[`weight_${l}`];
    const next = new Float64Array(columns);
    const { of, over } = stays(l);
    const [from, to] = through ? [0, rows] : [unit, unit + 1];
    for (let r = from; r < to; r++) {
      const factor = through ? through[r] : 1;
      if (!factor) continue; // with a neuron criterion most of those gone cost nothing here
      // The sign of over - of[i] is the mask: without a branch it is three times as fast.
      for (let c = 0, i = r * columns; c < columns; c++, i++) next[c] += factor * ((bytes[i] - 128) & ((over - of[i]) >> 31));
    }
    through = next;
  }
  return through;
}

/**
 * What stays of a layer at a percent, or under a hand set: weight i where of[i] > over. `p` = null: all that the stored network has.
 * Bytes and not a function, since a back-projection asks some 100,000 times a frame.
 */
function neuronStays(model, p, hand) {
  return (l) => {
    const kept = p === null ? null : model.kept(l, p, hand);
    return kept ? { of: kept, over: 0 } : { of: model.gone(l), over: p ?? 0 };
  };
}

/** Signed values as words of RGBA, on the scale of `largest`. */
function neuronPaint(words, values, largest, colours) {
  const gain = largest > 0 ? 127 / largest : 0;
  for (let i = 0; i < values.length; i++) words[i] = colours[Math.max(1, Math.min(255, Math.round(128 + gain * values[i])))];
}

const neuronLargest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

const NEURON_HTML = `
  <div class="top"><h3 data-part="name"></h3><span class="place" data-part="hands"></span></div>
  <div class="body" data-part="body" tabindex="0" role="group" data-testid="stage-neuron"
      aria-label="One neuron. Left and right arrow go to the one before and after it in the queue; K kills it by hand, S spares it.">
    <div class="pictures" data-part="pictures">
      <figure><canvas data-part="before" role="img"></canvas><figcaption data-part="beforeWords"></figcaption></figure>
      <figure>
        <canvas data-part="after" role="img" data-testid="stage-neuron-picture"></canvas><figcaption data-part="afterWords"></figcaption>
      </figure>
    </div>
    <div class="facts">
      <p data-part="place" data-testid="stage-neuron-place"></p>
      <p data-part="score" data-testid="stage-neuron-score"></p>
      <p class="faint" data-part="caption"></p>
    </div>
    <div class="byClass" data-part="byClass">
      <p class="faint" data-part="classesTitle"></p>
      <div class="classes" data-part="classes" role="img"></div>
    </div>
    <div class="drives" data-part="drives">
      <p class="faint" data-part="drivesTitle"></p>
      <div class="images" data-part="images"></div>
    </div>
  </div>
  <p class="said" data-part="said" aria-live="polite"></p>`;

function makeNeuron(box, stage) {
  box.innerHTML = NEURON_HTML;
  const part = parts(box);
  const hands = whoHandButtons(stage, () => shown);
  part.hands.append(hands.element);
  let model = null;
  let queue = []; // {layer, unit} in the order in which they go; those dead already are not in it
  let places = []; // per layer: unit -> index in the queue, or -1
  let shown = null; // {layer, unit}
  let drawn = {}; // what each part shows, so that only what changed is drawn again
  let colours = null;
  let largest = 0; // of the uncut picture: both pictures on one scale
  let side = 0; // of one picture, in device px
  const dispensable = [part.drives, part.caption, part.score]; // in the hall, where not all has room: the first goes first
  let fitted = ""; // the words for which that is settled
  const cells = Array.from({ length: NEURON_BEST }, () => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const words = document.createElement("figcaption");
    canvas.setAttribute("role", "img");
    figure.append(canvas, words);
    part.images.append(figure);
    return { figure, canvas, words };
  });

  function setModel(next) {
    model = next;
    shown = null;
    drawn = {};
    queue = neuronQueue(model);
    places = model.header.layers.map((layer) => new Int32Array(layer.units).fill(-1));
    queue.forEach(({ layer, unit }, place) => (places[layer][unit] = place));
    const { header, arrays } = model;
    part.byClass.hidden = !arrays.by_class_0 || !model.C;
    if (!part.byClass.hidden) buildClasses(header.classes);
    resize();
  }

  function buildClasses(names) {
    const upright = names.every((name) => name.length <= 2) || names.length > 14;
    part.classes.className = `classes ${upright ? "upright" : "lying"} ${names.length > 14 ? "crowded" : ""}`;
    part.images.classList.toggle("wordy", !upright); // names that need room get half as many in a row
    part.classes.replaceChildren(
      ...names.map((name) => {
        const one = document.createElement("div");
        one.className = "class";
        const label = Object.assign(document.createElement("span"), { textContent: name });
        const bar = document.createElement("div");
        bar.className = "bar";
        bar.append(document.createElement("i"));
        one.append(...(upright ? [bar, label] : [label, bar]));
        return one;
      }),
    );
  }

  function resize() {
    if (!model || !box.clientWidth) return;
    const { theme } = stage;
    const dpr = stage.dpr || devicePixelRatio;
    colours = weightPalette(theme).living;
    box.style.setProperty("--fire", firingPalette(theme).full[150]);
    drawn = {};
    fitted = "";
    part.caption.hidden = part.score.hidden = false;
    part.body.classList.remove("cramped");
    panelTighten(box, stage);
    part.pictures.hidden = false; // else it has no size to read
    const { arrays, header } = model;
    const low = stage.state.lecture && box.clientHeight < (part.classes.classList.contains("lying") ? 27 : 22) * theme.size;
    part.drives.hidden = low || !arrays.top_0 || !arrays.pool || !header.image_shape; // nothing stands half in sight
    side = Math.max(1, Math.round(part.before.clientWidth * dpr));
    for (const canvas of [part.before, part.after]) {
      canvas.width = side;
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * dpr));
    }
    if (part.drives.hidden) return;
    for (const { canvas } of cells) canvas.width = canvas.height = Math.max(1, Math.round(canvas.clientWidth * dpr));
  }

  /** Whom to show: the picked one, else the next to go of the first layer; when all of it is gone, the last that went. */
  function wanted({ percent: p, picked }) {
    if (picked) return picked;
    const { order_0: order, goes_0: goes } = model.arrays;
    if (!order?.length) return null;
    const next = order.find((unit) => goes[unit] > p);
    return { layer: 0, unit: next ?? order.findLast((unit) => goes[unit] > 0) ?? order[0] };
  }

  function draw(state) {
    if (!model || !side) return;
    const one = wanted(state);
    part.body.hidden = !one;
    if (!one) return say(part.name, "This network has no hidden layer.");
    const { percent: p, hand } = state;
    const byHand = whoByHand(hand);
    const fresh = drawn.neuron !== `${one.layer}:${one.unit}`;
    shown = one;
    drawn.neuron = `${one.layer}:${one.unit}`;
    if (fresh) drawConstant(one);
    hands.update(one, hand);
    part.hands.hidden = !model.exact || (state.lecture && !state.picked);
    say(part.place, placeInWords(one, p, hand));
    const now = byHand ? NaN : p; // under a hand set anything may have changed
    if (fresh || drawn.percent !== now) drawAfter(one, p, hand);
    drawn.percent = now;
    if (state.lecture) fit();
  }

  /** Nothing stands half in sight. What had to go stays away until the size changes: nothing flickers while the slider moves. */
  function fit() {
    const words = [part.name, part.place, part.score, part.caption, part.afterWords].map((node) => node.textContent);
    const now = [...words, part.hands.hidden, part.pictures.hidden].join("|");
    if (now === fitted) return; // so that the layout is read for new words only
    fitted = now;
    const over = () => part.body.offsetTop + part.body.offsetHeight > box.clientHeight + 1;
    for (const node of dispensable) if (!node.hidden && over()) node.hidden = true;
    if (over()) part.body.classList.add("cramped");
  }

  /** All that the slider does not move. */
  function drawConstant({ layer, unit }) {
    const { header } = model;
    say(part.name, `${header.layers[layer].name} · neuron ${unit}`);
    say(part.score, scoreInWords({ layer, unit }));
    drawBefore(layer, unit);
    if (!part.byClass.hidden) drawClasses(layer, unit);
    if (!part.drives.hidden) drawImages(layer, unit);
  }

  // ---- the pictures of its weights ----

  /** "picture": as an image; "bars": one bar an input; "": pooled, so that no single neuron can be shown. */
  function kind(layer) {
    if (neuronIsImage(model)) return neuronExact(model.header, layer) ? "picture" : "";
    const { block } = model.header.layers[layer];
    return model.arrays[`weight_${layer}`] && (!block || block[0] * block[1] === 1) ? "bars" : "";
  }

  function drawBefore(layer, unit) {
    const way = kind(layer);
    part.pictures.hidden = !way;
    part.body.classList.toggle("plain", !way);
    part.pictures.classList.toggle("bars", way === "bars");
    say(part.caption, pictureWords(layer, way));
    if (!way) return;
    const all = neuronStays(model, null);
    const values = way === "picture" ? neuronBack(model, layer, unit, all) : ownWeights(layer, unit, all(layer));
    largest = neuronLargest(values);
    paint(part.before, values, way, null);
    const { start } = model.header;
    say(part.beforeWords, start ? `stored, ${start}${NARROW}% zero` : "uncut");
    part.before.setAttribute("aria-label", "its weights before the cut; red positive, blue negative");
  }

  function drawAfter({ layer, unit }, p, hand) {
    const way = kind(layer);
    if (!way) return;
    const stays = neuronStays(model, p, hand);
    const values = way === "picture" ? neuronBack(model, layer, unit, stays) : ownWeights(layer, unit, stays(layer));
    paint(part.after, values, way, way === "picture" && layer === 0 ? stays(0) : null, unit);
    say(part.afterWords, `cut at ${p}${NARROW}%`);
    part.after.setAttribute("aria-label", `its weights cut at ${p} percent; red positive, blue negative`);
  }

  function ownWeights(layer, unit, { of, over }) {
    const { columns } = model.header.layers[layer];
    const bytes = model.arrays[`weight_${layer}`];
    const from = unit * columns;
    return Float32Array.from({ length: columns }, (_, c) => (of[from + c] > over ? bytes[from + c] - 128 : 0));
  }

  function paint(canvas, values, way, stays, unit) {
    const ctx = canvas.getContext("2d", { willReadFrequently: true });
    if (way === "bars") return paintBars(ctx, canvas, values);
    const [height, width] = model.header.image_shape;
    if (tile.width !== width || tile.height !== height) [tile.width, tile.height] = [width, height];
    const pencil = tile.getContext("2d", { willReadFrequently: true });
    const image = pencil.createImageData(width, height);
    const words = new Uint32Array(image.data.buffer);
    neuronPaint(words, values, largest, colours);
    if (stays) neuronBlank(words, stays, unit * values.length, stage.theme);
    pencil.putImageData(image, 0, 0);
    ctx.imageSmoothingEnabled = false;
    const fit = Math.min(canvas.width / width, canvas.height / height);
    const [w, h] = [Math.round(fit * width), Math.round(fit * height)];
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.drawImage(tile, Math.floor((canvas.width - w) / 2), Math.floor((canvas.height - h) / 2), w, h);
  }

  /** Inputs that are no image: a bar for each, up for positive. */
  function paintBars(ctx, canvas, values) {
    const middle = canvas.height / 2;
    const wide = canvas.width / values.length;
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    const ends = [css(diverging(stage.theme, 0.9)), css(diverging(stage.theme, -0.9))];
    values.forEach((v, i) => {
      const tall = largest ? (middle * v) / largest : 0;
      ctx.fillStyle = ends[v > 0 ? 0 : 1];
      ctx.fillRect(i * wide, tall > 0 ? middle - tall : middle, Math.max(1, wide > 3 ? wide - 1 : wide), Math.abs(tall));
    });
    ctx.fillStyle = stage.theme.line;
    ctx.fillRect(0, Math.floor(middle), canvas.width, 1);
  }

  function pictureWords(layer, way) {
    const { name, block, columns } = model.header.layers[layer];
    const before = layer > 0 ? `the neurons of ${model.header.layers[layer - 1].name}` : "the inputs";
    if (way === "bars") return `${columns} incoming weights from ${before}, up: positive`;
    if (way === "picture") return layer
      ? `back-projection: linear, through the weights ${stage.state.lecture ? "left" : "that are left; red: positive, blue: negative"}`
      : "incoming weights; red: positive, blue: negative";
    const pooled = model.header.layers.slice(0, layer + 1).find((about) => about.block && about.block[0] * about.block[1] > 1);
    if (!pooled) return `No weights of ${name} came along, so there is no picture.`;
    const own = pooled.block || block;
    return `The weights of ${pooled.name} came pooled by ${own[0]} × ${own[1]}, so one neuron's picture cannot be shown.`;
  }

  // ---- classes and images ----

  function drawClasses(layer, unit) {
    const { units } = model.header.layers[layer];
    const byClass = model.arrays[`by_class_${layer}`];
    const words = model.header.classes.map((name, c) => {
      const share = byClass[c * units + unit] / 255;
      part.classes.children[c].style.setProperty("--v", share.toFixed(3));
      const told = `${name}: ${percent(share, 0)}`;
      part.classes.children[c].title = told;
      return told;
    });
    const { activation_note: note } = model.header;
    say(part.classesTitle, stage.state.lecture ? "fires on, by class" : `share of each class it fires on${neuronNote(note)}`);
    part.classes.setAttribute("aria-label", `Share of each class that it fires on: ${words.join(", ")}`);
  }

  function drawImages(layer, unit) {
    const { header, arrays } = model;
    const top = arrays[`top_${layer}`];
    const value = arrays[`top_value_${layer}`];
    const [height, width] = header.image_shape;
    const grey = neuronGreys(stage.theme);
    const note = stage.state.lecture ? "" : neuronNote(header.pool_note);
    let any = false;
    cells.forEach(({ figure, canvas, words }, i) => {
      const at = unit * NEURON_BEST + i;
      const index = top?.[at];
      const drives = index !== undefined && value[at] > 0;
      figure.style.visibility = drives ? "visible" : "hidden"; // keeps its room: nothing below jumps
      any ||= drives;
      if (!drives) return;
      const name = header.classes[arrays.pool_label[index]];
      const ctx = canvas.getContext("2d", { willReadFrequently: true });
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(pictureOf(arrays.pool, index, [height, width], grey), 0, 0, canvas.width, canvas.height);
      say(words, name);
      const told = `${name}, activation ${neuronNumber(value[at])}`;
      canvas.setAttribute("aria-label", told);
      figure.title = told;
    });
    const none = `nothing drives it: it fires on none ${header.pool_note || "of the pool"}`;
    say(part.drivesTitle, any ? `what drives it most, before the cut${note}` : none);
  }

  // ---- words ----

  function placeInWords({ layer, unit }, p, hand) {
    const { goes, first } = model.neuron(layer, unit);
    const { header } = model;
    const { fired } = model.neuron(layer, unit);
    const byHand = whoHas(hand?.killed, layer, unit) ? "killed by hand; " : whoHas(hand?.spared, layer, unit) ? "spared by hand; " : "";
    const fires = header.seen ? `; fires on ${percent(fired / header.seen)} of images` : "";
    if (goes === 0) return `${byHand}${whoFate(goes, p)}${fires}`;
    const slowly = header.per === "weight" && first <= 100 && first !== goes ? `, loses its first weight at ${first}${NARROW}%` : "";
    return `${byHand}${whoFate(goes, p)}${slowly}: place ${queuePlace(layer, unit)}${fires}`;
  }

  const called = ({ layer, unit }) => `${model.header.layers[layer].name}, neuron ${unit}`;

  /** One queue over all layers is one ranking of neurons only where neurons are ranked. */
  function queuePlace(layer, unit) {
    const { header } = model;
    const one = header.per === "neuron" && header.scope !== "layer";
    const { place, of } = model.neuron(layer, unit);
    return one ? `${places[layer][unit] + 1} of ${queue.length}` : `${place} of ${of} in its layer`;
  }

  function scoreInWords({ layer, unit }) {
    const { header } = model;
    const { score: raw, fired } = model.neuron(layer, unit);
    if (absent(raw)) return "";
    const { inputs } = header.layers[layer];
    const [score, counted, seen, weights] = [raw, fired, header.seen, inputs].map(neuronCount);
    const facts = { raw, score, fired: counted, seen, weights };
    const write = NEURON_SCORES[header.criterion];
    return `${header.criterion_label || header.criterion}: ${write ? write(facts) : `score ${neuronNumber(raw)}`}`;
  }

  // ---- keys ----

  part.body.addEventListener("keydown", (event) => {
    if (!model || !shown || !isPlain(event) || isTyped(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key];
    if (step) {
      const at = places[shown.layer][shown.unit];
      const next = at < 0 ? queue[0] : queue[Math.max(0, Math.min(queue.length - 1, at + step))];
      if (!next) return;
      stage.set({ picked: next, layer: next.layer });
      say(part.said, `${called(next)}, ${placeInWords(next, stage.state.percent, stage.state.hand)}`);
    } else if (key === "k") whoToggle(stage, "killed", shown);
    else if (key === "s") whoToggle(stage, "spared", shown);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // ---- for those who can't see it ----

  function text(state) {
    const one = model && wanted(state);
    if (!one) return "";
    return `${called(one)}: ${placeInWords(one, state.percent, state.hand)}. ${scoreInWords(one)}.`;
  }

  function table(state) {
    const one = model && wanted(state);
    if (!one || part.byClass.hidden) return null;
    const { units } = model.header.layers[one.layer];
    const byClass = model.arrays[`by_class_${one.layer}`];
    const rows = model.header.classes.map((name, c) => [name, percent(byClass[c * units + one.unit] / 255, 0)]);
    return { head: ["Class", `Share that ${model.header.layers[one.layer].name} · neuron ${one.unit} fires on`], rows };
  }

  return { setModel, resize, draw, text, table };
}

/** "of 1,000 images" -> " (1,000 images)". */
const neuronNote = (note) => (note ? ` (${note.replace(/^of /, "")})` : "");

/** The ground's colour where a weight is gone: a zero that stays is the scale's middle. */
function neuronBlank(words, { of, over }, from, theme) {
  const [r, g, b] = rgb(theme.dead);
  const dead = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  for (let i = 0; i < words.length; i++) if (of[from + i] <= over) words[i] = dead;
}

/** 256 words of RGBA, from the page's own ground to its text: an image's pixel, ink on paper. */
function neuronGreys(theme) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = blend(blend(theme.rgb.back, theme.rgb.text, 0.06), theme.rgb.text, i / 255);
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** All living neurons as they go: one queue over the layers, merged from the layers' own, or one layer after the other. */
function neuronQueue({ header, arrays }) {
  const living = (layer) => [...arrays[`order_${layer}`]].filter((unit) => arrays[`goes_${layer}`][unit] > 0);
  const rows = header.layers.map((_, layer) => living(layer).map((unit) => ({ layer, unit })));
  if (header.scope === "layer") return rows.flat();
  const rank = ({ layer, unit }) => [arrays[`goes_${layer}`][unit], arrays[`score_${layer}`]?.[unit] ?? 0];
  const at = rows.map(() => 0);
  const queue = [];
  for (;;) {
    let best = -1;
    rows.forEach((row, l) => {
      if (at[l] >= row.length) return;
      if (best < 0) return void (best = l);
      const [goes, score] = rank(row[at[l]]);
      const [bestGoes, bestScore] = rank(rows[best][at[best]]);
      if (goes < bestGoes || (goes === bestGoes && score < bestScore)) best = l;
    });
    if (best < 0) return queue;
    queue.push(rows[best][at[best]++]);
  }
}
