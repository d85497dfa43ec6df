// The board element: keeps the moment that is shown, the choices made on it, and puts the panels together.

const choices = { view: "cells", order: "score", scale: "linear", side: "after" }; // kept while the page is open, on every board
const pinnedIn = new Map(); // run -> {layer, unit}: a pinned neuron stays pinned when one leaves the page and comes back

const boards = new Set(); // every board on the page: two runs side by side make their choices together
const MARGIN = 8; // px by which the rings' canvas is larger than the cells' on each side

function makeBoard(root, report) {
  const part = parts(root);
  const cells = part.canvas.getContext("2d", { willReadFrequently: true });
  const rings = part.rings.getContext("2d");
  const showSpectra = makeSpectra(part.multiples);
  let moment = null; // {header, text, arrays}
  let layers = []; // per layer: rate, share, state, shown (place -> unit), places (unit -> place), ...
  let theme = null;
  let palette = null;
  let weights = null;
  let layout = null;
  let layoutOf = "";
  let drawn = "";
  let hovered = null;
  let example = null; // shown while nobody points at anything: the neuron that stands first when the run comes into view
  let flash = 0;
  let flashing = 0; // animation frame, 0 when still
  let waiting = false; // something came while the tab was hidden

  // ---- a new moment ----
  function show(blob) {
    const came = unpack(blob);
    if (!moment || came.header.run !== moment.header.run) hovered = example = null;
    const sameMoment = moment && came.text === moment.text;
    const freshCut = !sameMoment && came.header.cut && moment?.header.run === came.header.run && moment?.header.epoch !== came.header.epoch;
    moment = came;
    moment.header.layers ||= [];
    if (moment.header.run !== undefined) keepPictures(moment.header, moment.arrays);
    setTheme();
    arrange();
    draw();
    if (freshCut && !calm() && !document.hidden) startFlash();
    else if (!sameMoment) stopFlash();
  }

  function setTheme() {
    const now = readTheme(root);
    if (theme && now.id === theme.id) return;
    theme = now;
    palette = firingPalette(theme);
    weights = weightPalette(theme);
    root.style.setProperty("--ramp", `linear-gradient(90deg, ${palette.full.filter((_, i) => i % 15 === 0).join(", ")})`);
    root.style.setProperty("--fire", palette.full[150]);
    const ends = [1, 0.5, 0, -0.5, -1].map((t) => css(diverging(theme, t)));
    root.style.setProperty("--weights", `linear-gradient(180deg, ${ends.join(", ")})`);
    drawLegend(part.legend, theme, palette, devicePixelRatio);
  }

  /** Whether the board shows the moment right before the cut that this epoch ended with. */
  const isBefore = () => Boolean(moment.header.cut) && choices.side === "before";

  /** Orders the units of every layer for the display. */
  function arrange() {
    if (!moment) return;
    const { header, arrays } = moment;
    const side = isBefore() ? "before_" : "";
    layers = header.layers.map((_, l) => {
      const state = arrays[`${side}state_${l}`];
      const queue = displayOrder(arrays[`${side}order_${l}`], state, false);
      const shown = choices.order === "natural" ? displayOrder(null, state, true) : queue;
      return {
        state, shown,
        places: placesOf(shown),
        queuePlaces: placesOf(queue),
        rate: arrays[`rate_${l}`],
        share: arrays[`${side}share_${l}`],
        frequency: arrays[`frequency_${l}`],
        byClass: arrays[`by_class_${l}`],
        living: state.reduce((sum, s) => sum + (s === ALIVE || s === NO_WAY_OUT), 0),
      };
    });
  }

  // ---- drawing ----
  const mosaicPictures = () => (moment.header.image_shape && choices.view === "mosaic" ? picturesOf(moment.header, 0) : null);

  function draw() {
    if (!moment) return;
    if (document.hidden) return void (waiting = true);
    const { header, arrays, text } = moment;
    const width = part.panel.clientWidth;
    if (!width) return;
    const empty = !header.layers.length;
    for (const name of ["controls", "main", "spectra"]) part[name].hidden = empty;
    if (empty) {
      say(part.head, header.title || "The neuron board appears with the first epoch.");
      return;
    }
    const now = [text, theme.id, width, innerHeight, devicePixelRatio, choices.view, choices.order, choices.scale, choices.side].join(" ");
    if (now === drawn) return;
    drawn = now;
    place(width);
    words();
    const pictures = mosaicPictures();
    const ctx = cells;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, part.canvas.width, part.canvas.height);
    ctx.scale(devicePixelRatio, devicePixelRatio);
    if (pictures) drawMosaic(ctx, { layout, layers, theme, weights, picture: pictures.bytes, shape: header.image_shape, dpr: devicePixelRatio });
    else drawCells(ctx, { layout, layers, palette, theme });
    part.canvas.dataset.epoch = header.epoch;
    part.canvas.dataset.run = header.run;
    part.canvas.dataset.dead = theme.dead;
    drawOver();
    inspect();
    part.beforeKey.hidden = !header.cut;
    showSpectra({ header, arrays, log: choices.scale === "log", theme });
  }

  /** Lays out anew only where sizes changed; an epoch changes none. */
  function place(width) {
    const { header } = moment;
    const mosaic = Boolean(mosaicPictures());
    const counts = header.layers.map((layer) => layer.units);
    const height = Math.min(Math.max(0.54 * innerHeight, 19 * theme.size), 27 * theme.size);
    const now = [width, height, devicePixelRatio, theme.size, mosaic, counts].join(" ");
    if (now === layoutOf) return;
    layoutOf = now;
    layout = boardLayout({ counts, width, height, em: theme.size, dpr: devicePixelRatio, mosaic });
    resize(part.canvas, width, layout.height);
    resize(part.rings, width + 2 * MARGIN, layout.height + 2 * MARGIN);
    part.rings.style.inset = `${-MARGIN}px auto auto ${-MARGIN}px`;
    part.heads.replaceChildren(...layout.layers.map(layerHead));
  }

  function resize(canvas, width, height) {
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }

  function layerHead({ layer, top, columns, size }) {
    const head = document.createElement("div");
    head.className = "layer";
    head.style.top = `${top}px`;
    head.style.width = `${columns * size - layout.gap}px`;
    head.innerHTML = `<b></b><span data-testid="layer-alive-${layer}"></span><span class="way"></span><span class="own"><span></span><i class="ramp"></i><span></span></span>`;
    return head;
  }

  function words() {
    const { header } = moment;
    const mosaic = choices.view === "mosaic";
    const pictures = mosaicPictures();
    const cut = header.cut ? [" · ", Object.assign(document.createElement("span"), { className: "cut", textContent: cutInWords(header.cut) })] : [];
    const zero = header.zero && !header.cut ? [` · ${zeroInWords(header.zero)}`] : [];
    part.head.replaceChildren(`Epoch ${header.epoch}`, ...cut, ...zero);
    part.sideSwitch.hidden = !header.cut;
    part.head.title = part.head.textContent;
    part.viewSwitch.hidden = !header.image_shape;
    const missing = mosaic && header.image_shape && !pictures;
    const age = pictures && pictures.epoch !== header.epoch ? `pictures of epoch ${pictures.epoch}` : "";
    const front = choices.order !== "score" ? "" : layers.some((one) => one.living < one.state.length) ? "next to go stand left of the line" : "next to go stand last";
    part.hint.title = `scored by ${header.criterion_label}`;
    say(part.hint, missing ? "the mosaic comes when the run holds or slows down" : age || front);
    [...part.heads.children].forEach((head, i) => {
      const about = header.layers[layout.layers[i].layer];
      const [name, alive, way, own] = head.children;
      say(name, about.name);
      const [living, out] = isBefore() ? [about.before_alive, about.before_way_out] : [about.alive, about.way_out];
      say(alive, `${living} of ${about.units} alive`);
      say(way, out === living ? "" : `${out} with a way out`);
      own.hidden = Boolean(pictures);
      say(own.children[0], `fires ${percent(about.low_rate, 0)}`);
      say(own.children[2], percent(about.high_rate, 0));
    });
    for (const button of root.querySelectorAll("[data-choice]")) {
      button.setAttribute("aria-pressed", choices[button.dataset.choice] === button.dataset.value);
    }
    const counts = header.layers.map((layer) => `${layer.name}: ${layer.alive} of ${layer.units} alive${layer.way_out === layer.alive ? "" : `, ${layer.way_out} with a way out`}`);
    part.canvas.setAttribute("aria-label", `Neuron board at epoch ${header.epoch}. ${counts.join("; ")}. Arrow keys go from neuron to neuron, Enter keeps one.`);
  }

  function drawOver() {
    if (!layout || !layers.length) return;
    rings.setTransform(1, 0, 0, 1, 0, 0);
    rings.clearRect(0, 0, part.rings.width, part.rings.height);
    rings.scale(devicePixelRatio, devicePixelRatio);
    rings.translate(MARGIN, MARGIN);
    drawRings(rings, { layout, layers, theme, selected: selected(), hovered: looked(), front: choices.order === "score", flash });
  }

  function startFlash() {
    stopFlash();
    const begin = performance.now();
    const step = (now) => {
      flash = Math.max(0, 1 - (now - begin) / 900);
      drawOver();
      flashing = flash > 0 ? requestAnimationFrame(step) : 0;
    };
    flashing = requestAnimationFrame(step);
  }

  function stopFlash() {
    cancelAnimationFrame(flashing);
    flashing = 0;
    if (flash > 0) {
      flash = 0;
      drawOver();
    }
  }

  // ---- the neuron that is looked at ----
  const exists = (picked) => (picked && layers[picked.layer]?.state[picked.unit] !== undefined ? picked : null);
  const selected = () => exists(pinnedIn.get(moment?.header.run));

  /** Whom the inspector shows: pointed at, else pinned, else the example. */
  function looked() {
    if (exists(hovered) || selected()) return exists(hovered) || selected();
    if (!exists(example) && layers.length) example = { layer: 0, unit: layers[0].shown[0] };
    return exists(example);
  }

  function inspect() {
    const pinned = selected();
    const picked = looked();
    const isPinned = pinned && picked.layer === pinned.layer && picked.unit === pinned.unit;
    showNeuron(part, { header: moment.header, layers, picked, pinned: isPinned, weights, dpr: devicePixelRatio, size: theme.size });
  }

  function pin(picked) {
    if (picked) pinnedIn.set(moment.header.run, picked);
    else pinnedIn.delete(moment.header.run);
    drawOver();
    inspect();
    say(part.said, picked ? [part.name, part.fate, part.fires, part.share].map((line) => line.textContent).join(", ") : "no neuron kept");
  }

  const same = (a, b) => a?.layer === b?.layer && a?.unit === b?.unit;
  const tell = () => report("selected", selected() ? `${selected().layer}:${selected().unit}` : null);

  function under(event) {
    const box = part.canvas.getBoundingClientRect();
    return layout ? unitAt(layout, layers, event.clientX - box.left, event.clientY - box.top) : null;
  }

  part.canvas.addEventListener("pointermove", (event) => {
    const picked = under(event);
    if (same(picked, hovered)) return;
    hovered = picked;
    drawOver();
    inspect();
  });
  part.canvas.addEventListener("pointerleave", () => {
    hovered = null;
    if (!layers.length) return;
    drawOver();
    inspect();
  });
  part.canvas.addEventListener("click", (event) => {
    const picked = under(event);
    if (!picked && !selected()) return;
    pin(same(picked, selected()) ? null : picked);
    tell();
  });
  part.canvas.addEventListener("keydown", (event) => {
    if (!layers.length || !isPlain(event)) return;
    if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      hovered = null;
      const first = { layer: layout.layers[0].layer, unit: layers[layout.layers[0].layer].shown[0] };
      pin((selected() && neighbour(layout, layers, selected(), event.key)) || first);
    } else if (event.key === "Enter") tell();
    else if (event.key === "Escape" && selected()) {
      pin(null);
      tell();
    }
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choice]");
    if (!button) return;
    choices[button.dataset.choice] = button.dataset.value;
    boards.forEach((redraw) => redraw());
  });
  const redraw = () => {
    arrange();
    draw();
  };
  boards.add(redraw);

  /** Rectangle of a neuron's cell in CSS px from the canvas's corner; null where this view does not show it. */
  root.cellRect = (layer, unit) => {
    const row = layout?.layers.find((each) => each.layer === layer);
    return row && layers[layer]?.places[unit] !== undefined ? cellAt(layout, row, layers[layer].places[unit]) : null;
  };

  const watch = new ResizeObserver(() => {
    if (!moment) return;
    setTheme();
    draw();
  });
  watch.observe(root);
  const seen = () => {
    if (!document.hidden && waiting && moment) draw();
    waiting = false;
  };
  document.addEventListener("visibilitychange", seen);
  const close = () => {
    stopFlash();
    boards.delete(redraw);
    watch.disconnect();
    document.removeEventListener("visibilitychange", seen);
  };
  return { show, close };
}

export default keepMounted(".board", makeBoard);
