// What the matrices become: every hidden layer's abs(weights) as a picture, the criterion's above magnitude's.
//
// A canvas has one pixel a weight (or a block of weights) and is only enlarged by CSS, so at any size of the page a test reads the very
// pixel that `box.pixelOf(layer, row, column)` names. Gone: exactly `canvas.dataset.dead`, which no weight's colour ever is.

// ---- small things, also used by the views after this one ----
/** t in 0..1 -> [r, g, b] from the background to the accent. */
const panelShade = (theme, t) => blend(theme.rgb.back, rgb(theme.train), Math.min(1, Math.max(0, t)));

/** On a very small screen of the lecture hall a view drops some of its words. */
function panelTighten(box, stage) {
  const tight = Boolean(stage.state?.lecture) && box.clientHeight > 0 && box.clientHeight < 17 * (stage.theme?.size || 16);
  box.classList.toggle("tight", tight);
}

const panelHandEmpty = (hand) => !hand || (!hand.killed.size && !hand.spared.size);

// ---- the pictures ----
const MATRICES_LEVELS = 102; // percents 0..100 and "never"
const matricesPack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** abs(weight) as a share of the layer's 99.9 % quantile -> [r, g, b]. The root spreads the many small weights; the legend shows it. */
function matricesShade(theme, t) {
  const at = Math.sqrt(t);
  const middle = rgb(theme.train);
  return at < 0.7 ? blend(theme.rgb.back, middle, at / 0.7) : blend(middle, theme.rgb.text, (at - 0.7) / 0.3);
}

/** The word of RGBA for each weight byte, and that of the gone. */
function matricesPalette(theme) {
  const dead = matricesPack(rgb(theme.dead));
  const living = Uint32Array.from({ length: 256 }, (_, byte) => {
    const word = matricesPack(matricesShade(theme, Math.min(1, Math.abs(byte - 128) / 127)));
    return word === dead ? word ^ 1 : word; // never the colour of the gone
  });
  return { dead, living };
}

/** Where each of `count` rows (or columns) stands: the last to go first, those dead from the start at the end; natural: as it is. */
function matricesPlaces(count, order, goes) {
  const places = Uint32Array.from({ length: count }, (_, i) => i);
  if (!order) return places;
  const living = [...order].filter((unit) => goes[unit] !== 0).reverse();
  const dead = [...order].filter((unit) => goes[unit] === 0);
  [...living, ...dead].forEach((unit, place) => (places[unit] = place));
  return places;
}

/** Places of all pixels in the order in which they go: those gone at p are queue[0 .. starts[p + 1]). A counting sort. */
function matricesQueue(gone, rows, columns) {
  const wide = columns.length;
  const starts = new Uint32Array(MATRICES_LEVELS + 1);
  for (const percentGone of gone) starts[Math.min(percentGone, MATRICES_LEVELS - 1) + 1]++;
  for (let p = 0; p < MATRICES_LEVELS; p++) starts[p + 1] += starts[p];
  const next = starts.slice();
  const queue = new Uint32Array(gone.length);
  for (let r = 0, i = 0; r < rows.length; r++) {
    const line = rows[r] * wide;
    for (let c = 0; c < wide; c++, i++) queue[next[Math.min(gone[i], MATRICES_LEVELS - 1)]++] = line + columns[c];
  }
  return { queue, starts };
}

/** One picture: its canvas, and what is needed to go from one percent to another by touching only the pixels between. */
function makeMatrixPicture(testid, onRow) {
  const figure = document.createElement("figure");
  const frame = panelNode(figure, "div", "frame");
  const canvas = panelNode(frame, "canvas");
  canvas.dataset.testid = testid;
  canvas.setAttribute("role", "img");
  const pick = panelNode(frame, "i", "pick");
  pick.hidden = true;
  const caption = panelNode(figure, "figcaption");
  const name = panelNode(caption, "b");
  const left = panelNode(caption, "span");
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  let image = null;
  let words = null;
  let order = null; // {queue, starts}
  let colours = null; // word of each place while its weight lives
  let bytes = null;
  let gone = null;
  let places = null; // {rows, columns}
  let palette = null;
  let at = null; // percent on the canvas; null: to be painted whole

  function set(data) {
    ({ bytes, gone, places } = data);
    const [wide, high] = [places.columns.length, places.rows.length];
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    image = ctx.createImageData(wide, high);
    words = new Uint32Array(image.data.buffer);
    order = matricesQueue(gone, places.rows, places.columns);
    if (palette) paint(palette, canvas.dataset.dead);
  }

  function paint(now, dead) {
    palette = now;
    canvas.dataset.dead = dead;
    at = null;
    if (!words) return;
    colours = new Uint32Array(words.length);
    const wide = places.columns.length;
    for (let r = 0, i = 0; r < places.rows.length; r++) {
      const line = places.rows[r] * wide;
      for (let c = 0; c < wide; c++, i++) colours[line + places.columns[c]] = palette.living[bytes[i]];
    }
  }

  /** Gone at p; or, where neurons are killed or spared by hand, whatever `kept` says. Gives the share left. */
  function draw(p, kept) {
    const { queue, starts } = order;
    if (kept) return drawKept(kept);
    if (at === p) return 1 - starts[p + 1] / queue.length;
    let [low, high] = [0, words.length - 1];
    if (at === null) {
      words.set(colours);
      for (let i = 0; i < starts[p + 1]; i++) words[queue[i]] = palette.dead;
    } else {
      const from = starts[Math.min(at, p) + 1];
      const to = starts[Math.max(at, p) + 1];
      [low, high] = [words.length, -1];
      for (let i = from; i < to; i++) {
        const place = queue[i];
        words[place] = p > at ? palette.dead : colours[place];
        if (place < low) low = place;
        if (place > high) high = place;
      }
    }
    at = p;
    send(low, high);
    return 1 - starts[p + 1] / queue.length;
  }

  function drawKept(kept) {
    const wide = places.columns.length;
    let left = 0;
    for (let r = 0, i = 0; r < places.rows.length; r++) {
      const line = places.rows[r] * wide;
      for (let c = 0; c < wide; c++, i++) {
        const place = line + places.columns[c];
        words[place] = kept[i] ? colours[place] : palette.dead;
        left += kept[i] ? 1 : 0;
      }
    }
    at = null;
    send(0, words.length - 1);
    return left / words.length;
  }

  /** Only the lines that changed go to the canvas. */
  function send(low, high) {
    if (high < low) return;
    const wide = canvas.width;
    const top = Math.floor(low / wide);
    ctx.putImageData(image, 0, 0, 0, top, wide, Math.floor(high / wide) - top + 1);
  }

  function size({ width, height, crisp }, least) {
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    figure.style.width = `${Math.max(width, least)}px`;
    frame.style.width = `${width}px`;
    canvas.classList.toggle("crisp", crisp);
  }

  function mark(row) {
    pick.hidden = row === null;
    if (row !== null) pick.style.top = `${(100 * (places.rows[row] + 0.5)) / places.rows.length}%`;
  }

  canvas.addEventListener("click", (event) => {
    if (!places) return;
    const place = Math.floor((event.offsetY / canvas.offsetHeight) * places.rows.length);
    onRow(places.rows.indexOf(place));
  });
  return { figure, canvas, name, left, set, paint, draw, size, mark, places: () => places };
}

/**
 * Sizes of pictures of `shapes` [rows, columns] side by side in `width`, none taller than `tall`: wide ones are reduced more than small
 * ones, so that all can be read; enlarged by whole device pixels only, so that every weight is as large as the next. What that leaves
 * over goes to the smallest, then to those reduced. `least`: what the words under a picture need.
 */
function matricesSizes(shapes, { width, tall, gap, least, dpr }) {
  const share = shapes.map(([, columns]) => Math.sqrt(columns));
  const all = share.reduce((sum, s) => sum + s, 0);
  const room = width - gap * (shapes.length - 1);
  const scales = shapes.map(([rows, columns], i) => {
    const device = Math.min((room * share[i]) / all / columns, tall / rows) * dpr;
    return device >= 1 ? Math.floor(device) : device;
  });
  const taken = () => scales.reduce((sum, scale, i) => sum + Math.max((scale * shapes[i][1]) / dpr, least), 0);
  const fits = (i) => taken() <= room && (scales[i] * shapes[i][0]) / dpr <= tall;
  const bySize = shapes.map((_, i) => i).sort((a, b) => scales[a] * shapes[a][1] - scales[b] * shapes[b][1]);
  for (const i of bySize) {
    if (scales[i] < 1) continue;
    do scales[i]++;
    while (fits(i));
    scales[i]--;
  }
  for (const i of bySize) {
    if (scales[i] >= 1) continue;
    const [rows, columns] = shapes[i];
    const more = Math.max(0, room - taken()) * dpr;
    scales[i] = Math.min(1, (tall * dpr) / rows, scales[i] + more / columns);
  }
  for (let over = taken() - room, i = bySize.length - 1; over > 0.5 && i >= 0; over = taken() - room, i--) {
    const k = bySize[i]; // the words under small pictures need more than their share: the large ones give it
    scales[k] = Math.max(0.2 * scales[k], scales[k] - (over * dpr) / shapes[k][1]);
  }
  return shapes.map(([rows, columns], i) => {
    const scale = scales[i] / dpr;
    return { width: Math.max(1, columns * scale), height: Math.max(1, rows * scale), crisp: Number.isInteger(scales[i]) };
  });
}

function makeMatrices(box, stage) {
  const bar = panelNode(box, "div", "controls");
  const head = panelNode(bar, "h3", "", "What the matrices become ");
  panelNode(head, "span", "faint", "every hidden layer");
  const choices = stage.choices;
  choices.matrixOrder ||= "score";
  const orders = [["score", "ordered"], ["natural", "natural"]];
  const pressOrder = panelSwitch(bar, "Order of rows and columns", orders, () => choices.matrixOrder, (value) => {
    choices.matrixOrder = value;
    pressOrder();
    arrange();
    draw(stage.state);
  });
  const layerBar = panelNode(bar, "span", "layers");
  const legend = panelNode(bar, "span", "legend");
  legend.append("abs(weight): 0");
  panelNode(legend, "i", "ramp");
  legend.append(`99.9${NARROW}% quantile`);
  panelNode(legend, "i", "gone");
  legend.append("gone");
  const hint = panelNode(box, "p", "faint hint");
  const lines = panelNode(box, "div", "lines");
  const note = panelNode(box, "p", "faint");
  let model = null;
  let own = []; // the criterion's pictures
  let other = []; // magnitude's, where there are some
  let titles = []; // rows' headings: [{own, other}]
  let width = 0;
  let height = 0;
  let looked = null; // layers on show, as a word
  let pressLayer = () => {};
  let theme = "";
  let shares = [];

  const pooled = (l) => model.header.layers[l].block.some((n) => n > 1);
  const shown = (state) => {
    const one = state.lecture ? state.layer || 0 : choices.matrixLayer ?? "all"; // in the hall one layer, large, chosen in the bar
    return one === "all" || !(one < model.L) ? model.header.layers.map((_, l) => l) : [Number(one)];
  };

  function setModel(next) {
    model = next;
    const pickRow = (l) => (row) => !pooled(l) && row >= 0 && stage.set({ picked: { layer: l, unit: row }, layer: l });
    const layers = model.header.layers;
    const both = Boolean(model.header.magnitude);
    own = layers.map((_, l) => makeMatrixPicture(`matrix-${l}`, pickRow(l)));
    other = both ? layers.map((_, l) => makeMatrixPicture(`matrix-magnitude-${l}`, pickRow(l))) : [];
    if (choices.matrixLayer >= model.L) choices.matrixLayer = "all";
    layerBar.replaceChildren();
    layerBar.hidden = model.L < 2;
    const options = [["all", "all layers"], ...layers.map((_, l) => [l, String(l + 1)])];
    const one = () => (shown(stage.state).length === 1 ? shown(stage.state)[0] : "all");
    pressLayer = panelSwitch(layerBar, "Layers shown", options, one, (value) => {
      choices.matrixLayer = value;
      draw(stage.state);
    });
    theme = "";
    looked = null;
    box.classList.toggle("empty", !model.L);
    arrange();
    measure();
  }

  /** Puts every weight in its place; the two pictures of a layer have the same places, so that they can be compared. */
  function arrange() {
    if (!model) return;
    const { header, arrays } = model;
    const scored = choices.matrixOrder === "score";
    header.layers.forEach((layer, l) => {
      const queue = (k) => (scored && k >= 0 && !pooled(l) ? arrays[`order_${k}`] : null);
      const rows = matricesPlaces(layer.rows, queue(l), arrays[`goes_${l}`]);
      const columns = matricesPlaces(layer.columns, queue(l - 1), arrays[`goes_${l - 1}`]);
      const places = { rows, columns };
      own[l].set({ bytes: arrays[`weight_${l}`], gone: model.gone(l), places });
      other[l]?.set({ bytes: arrays[`weight_${l}`], gone: model.magnitudeGone(l), places });
    });
    const some = header.layers.some((_, l) => !pooled(l));
    say(hint, scored && some ? "Rows are neurons, columns what comes in: the last to go stand top left; inputs keep their order."
      : "Rows are neurons, columns what comes in, in their natural order.");
    const blocks = header.layers.filter((_, l) => pooled(l));
    const sizeOf = (layer) => layer.block.join(" × ");
    const pools = [...new Set(blocks.map(sizeOf))].map((size) => {
      const names = blocks.filter((layer) => sizeOf(layer) === size).map((layer) => layer.name);
      return `${names.join(", ")}: each pixel is a block of ${size} weights, shown until its last one goes, in natural order.`;
    });
    const missing = header.magnitude || header.criterion === "magnitude" ? [] : ["The magnitude picture comes when its atlas is built."];
    say(note, [...pools, ...missing].join(" "));
    note.hidden = !note.textContent;
  }

  function measure() {
    width = lines.clientWidth;
    panelTighten(box, stage);
    height = box.clientHeight - lines.offsetTop - note.offsetHeight; // matters in the hall only, where the box has the screen's height
    looked = null;
  }

  /** Hangs the pictures into lines: side by side while each has ten ems. */
  function layout(list) {
    const em = stage.theme.size;
    const gap = 1.1 * em;
    const dpr = stage.dpr || 1;
    const lecture = stage.state.lecture;
    // So many lines of pictures, each with a line of words above and one below, may be so tall.
    const tallest = (all, most, words = 2.75) => (lecture ? Math.max(3 * em, (height - (all - 1) * em) / all - words * em) : most * em);
    const most = Math.max(1, Math.floor((width + gap) / (10 * em + gap)));
    const count = Math.ceil(list.length / most);
    const each = Math.ceil(list.length / count);
    const beneath = Math.min(10.3 * em, width); // "Hidden 1: 43.8 % left"
    const one = list.length === 1 ? model.header.layers[list[0]] : null;
    const large = (wide, tall) => Math.min(wide / one.columns, tall / one.rows);
    // A single layer's two pictures stand side by side where they are larger so.
    const beside = one && other.length && large((width - gap) / 2, tallest(1, 24)) > large(width, tallest(2, 17));
    // In a narrow box of the hall the words over and under such a pair need two lines each; the layer's name is in the bar.
    const narrow = lecture && beside && (width - gap) / 2 < beneath;
    const tall = beside ? tallest(1, 24, narrow ? 5.4 : 2.75) : tallest(count * (other.length ? 2 : 1), one ? 22 : 17);
    const least = Math.min(beneath, (width - gap) / (beside ? 2 : 1));
    titles = [];
    lines.replaceChildren();
    for (let i = 0; i < list.length; i += each) {
      const part = list.slice(i, i + each);
      const shapes = part.map((l) => [model.header.layers[l].rows, model.header.layers[l].columns]);
      const sizes = matricesSizes(beside ? [shapes[0], shapes[0]] : shapes, { width, tall, gap, least, dpr });
      const line = panelNode(lines, "div", `line${beside ? " beside" : ""}${narrow ? " narrow" : ""}`);
      const title = { own: null, other: null };
      for (const [kind, pictures] of [["own", own], ["other", other]]) {
        if (!pictures.length) continue;
        const group = panelNode(line, "div", "group");
        title[kind] = panelNode(group, "p", "kind");
        const row = panelNode(group, "div", "row");
        row.style.gap = `${gap}px`;
        part.forEach((l, k) => {
          pictures[l].size(sizes[k], least);
          row.append(pictures[l].figure);
          say(pictures[l].name, `${model.header.layers[l].name}: `);
        });
      }
      titles.push(title);
    }
    pressLayer();
  }

  function setTheme() {
    if (stage.theme.id === theme) return;
    theme = stage.theme.id;
    const palette = matricesPalette(stage.theme);
    for (const picture of [...own, ...other]) picture.paint(palette, stage.theme.dead);
    const stops = [0, 0.04, 0.1, 0.2, 0.35, 0.49, 0.7, 1].map((t) => `${css(matricesShade(stage.theme, t))} ${100 * t}%`);
    box.style.setProperty("--weights", `linear-gradient(90deg, ${stops.join(", ")})`);
  }

  function draw(state) {
    if (!model || !width || !stage.theme) return;
    setTheme();
    const list = shown(state);
    const now = list.join();
    if (now !== looked) {
      looked = now;
      layout(list);
    }
    const p = state.percent;
    const byHand = !panelHandEmpty(state.hand);
    for (const title of titles) {
      say(title.own, `${model.header.criterion_label} at ${p}${NARROW}%${byHand ? ", and by hand" : ""}`);
      if (title.other) say(title.other, `Magnitude at ${p}${NARROW}%${byHand ? ", nothing by hand" : ""}`);
    }
    for (const l of list) {
      const kept = byHand && !pooled(l) ? model.kept(l, p, state.hand) : null;
      const share = own[l].draw(p, kept);
      const row = state.picked?.layer === l && !pooled(l) ? state.picked.unit : null;
      own[l].mark(row);
      caption(own[l], l, share);
      shares[l] = [share, null];
      if (!other[l]) continue;
      const against = other[l].draw(p, null);
      other[l].mark(row);
      caption(other[l], l, against);
      shares[l][1] = against;
    }
  }

  function caption(picture, l, share) {
    const words = `${percent(share)} ${pooled(l) ? "of blocks left" : "left"}`;
    if (picture.left.textContent === words) return;
    picture.left.textContent = words;
    picture.canvas.setAttribute("aria-label", `abs(weights) of ${model.header.layers[l].name}: ${words}`);
  }

  /** Shares of all layers, also of those not on show. */
  function sharesAt(state) {
    const byHand = !panelHandEmpty(state.hand);
    const left = (gone) => gone.reduce((sum, at) => sum + (at > state.percent ? 1 : 0), 0) / gone.length;
    return model.header.layers.map((_, l) => {
      const kept = byHand && !pooled(l) ? model.kept(l, state.percent, state.hand) : null;
      const share = kept ? kept.reduce((sum, k) => sum + (k ? 1 : 0), 0) / kept.length : left(model.gone(l));
      return [share, other[l] ? left(model.magnitudeGone(l)) : null];
    });
  }

  function text(state) {
    if (!model) return "";
    const words = sharesAt(state).map(([share, against], l) => {
      const what = pooled(l) ? "of blocks" : "of weights";
      return `${model.header.layers[l].name} ${percent(share)} ${what} left${against === null ? "" : `, by magnitude ${percent(against)}`}`;
    });
    return `What the matrices become at ${state.percent}${NARROW}%: ${words.join("; ")}.`;
  }

  function table(state) {
    if (!model) return null;
    const rows = sharesAt(state).map(([share, against], l) => {
      const { name, units, inputs } = model.header.layers[l];
      const what = pooled(l) ? " of blocks" : "";
      return [name, `${units} × ${inputs}`, percent(share) + what, against === null ? "–" : percent(against) + what];
    });
    return { head: ["layer", "neurons × inputs", "weights left", "left by magnitude"], rows };
  }

  /** Where the weight from input `column` to neuron `row` lies in the canvas, in its own pixels. */
  box.pixelOf = (layer, row, column) => {
    const { rows, columns } = own[layer].places();
    const [high, wide] = model.header.layers[layer].block;
    return { x: columns[Math.floor(column / wide)], y: rows[Math.floor(row / high)] };
  };
  return { setModel, resize: measure, draw, text, table };
}
