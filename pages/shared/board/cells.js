// The neuron board: where each cell lies, and how it is drawn.
//
// Telling alive from cut by a pixel (tests do): take `root.cellRect(layer, unit)` and look at the middle of the cell's foot,
// (x + w / 2, y + h - 1.5) in CSS px, in the "board-canvas" itself (rings and flashes lie on a second canvas above it).
// Alive: the firing colour, for every alive neuron, however few of its weights remain. Cut: exactly `canvas.dataset.dead`;
// crosses and slashes leave the middle of the foot free.

const ALIVE = 0;
const CUT_NOW = 1;
const CUT_EARLIER = 2;
const NO_WAY_OUT = 3;

/** The largest cell, in device pixels, with which all layers stay within `height`; the panel's width never changes. */
function cellSize(counts, width, height, largest) {
  const smallest = 5;
  const fits = (size) => counts.reduce((sum, n) => sum + Math.ceil(n / Math.floor(width / size)) * size, 0) <= height;
  for (let size = largest; size > smallest; size--) if (fits(size)) return size;
  return smallest;
}

/** Places of the layers: [{layer, y, columns, count, w, h, top}], all lengths in CSS px but multiples of a device pixel. */
function boardLayout({ counts, width, height, em, dpr, mosaic }) {
  const head = Math.round(1.5 * em * dpr) / dpr;
  const apart = 0.3 * em;
  const shown = mosaic ? counts.slice(0, 1) : counts;
  const room = height - shown.length * (head + apart);
  const largest = Math.round((mosaic ? 6 : 1.9) * em * dpr);
  const size = cellSize(shown, Math.floor(width * dpr), room * dpr, largest) / dpr;
  const columns = Math.max(1, Math.floor(width / size + 1e-6));
  let y = 0;
  const layers = shown.map((count, layer) => {
    const place = { layer, top: y, y: y + head, columns, count, size };
    y = Math.ceil((place.y + Math.ceil(count / columns) * size + apart) * dpr) / dpr;
    return place;
  });
  return { layers, size, gap: size * dpr >= 9 ? Math.max(1, Math.round(size * 0.06 * dpr)) / dpr : (size * dpr >= 6 ? 1 : 0) / dpr, height: y };
}

/**
 * Which unit stands where. By score: the safest first, the next to go last, then those cut now, then those cut earlier.
 * A cut so takes the end of the living, and where they end moves: a front.
 */
function displayOrder(order, state, natural) {
  const units = state.length;
  if (natural || !order) return Uint16Array.from({ length: units }, (_, unit) => unit);
  const living = (unit) => state[unit] === ALIVE || state[unit] === NO_WAY_OUT;
  const queue = [...order];
  const group = (wanted) => queue.filter((unit) => state[unit] === wanted);
  return Uint16Array.from([...queue.filter(living).reverse(), ...group(CUT_NOW), ...group(CUT_EARLIER)]);
}

function placesOf(shown) {
  const places = new Uint16Array(shown.length);
  shown.forEach((unit, place) => (places[unit] = place));
  return places;
}

/** Rectangle of the cell at `place`, without the gap to its neighbours. */
function cellAt(layout, row, place) {
  const x = (place % row.columns) * row.size;
  const y = row.y + Math.floor(place / row.columns) * row.size;
  return { x, y, w: row.size - layout.gap, h: row.size - layout.gap };
}

/** 256 colours as CSS words: firing (full), and its tint for the part of a cell whose weights are gone. */
function firingPalette(theme) {
  const full = Array.from({ length: 256 }, (_, i) => firing(theme, i / 255));
  return { full: full.map(css), tint: full.map((colour) => css(blend(theme.rgb.back, colour, theme.dark ? 0.26 : 0.3))) };
}

function drawCells(ctx, { layout, layers, palette, theme }) {
  for (const row of layout.layers) {
    const { shown, rate, share, state } = layers[row.layer];
    const crosses = new Path2D();
    const slashes = new Path2D();
    const holes = new Path2D();
    for (let place = 0; place < row.count; place++) {
      const unit = shown[place];
      const { x, y, w, h } = cellAt(layout, row, place);
      if (state[unit] === CUT_NOW || state[unit] === CUT_EARLIER) {
        ctx.fillStyle = theme.dead;
        ctx.fillRect(x, y, w, h);
        strike(state[unit] === CUT_NOW ? crosses : slashes, x, y, w, h, state[unit]);
        continue;
      }
      const full = Math.max(Math.min(h, 2), 0.14 * h, (h * share[unit]) / 255);
      if (full < h - 0.25) {
        ctx.fillStyle = palette.tint[rate[unit]];
        ctx.fillRect(x, y, w, h);
      }
      ctx.fillStyle = palette.full[rate[unit]];
      ctx.fillRect(x, y + h - full, w, full);
      if (state[unit] === NO_WAY_OUT) hollow(holes, x, y, w, h);
    }
    strokeStates(ctx, { crosses, slashes, holes, size: row.size, theme });
  }
}

function strike(path, x, y, w, h, state) {
  const m = (state === CUT_NOW ? 0.2 : 0.26) * w;
  path.moveTo(x + m, y + h - m);
  path.lineTo(x + w - m, y + m);
  if (state !== CUT_NOW) return;
  path.moveTo(x + m, y + m);
  path.lineTo(x + w - m, y + h - m);
}

function hollow(path, x, y, w, h) {
  path.moveTo(x + w / 2 + 0.24 * w, y + 0.44 * h);
  path.arc(x + w / 2, y + 0.44 * h, 0.24 * w, 0, 2 * Math.PI);
}

function strokeStates(ctx, { crosses, slashes, holes, size, theme }) {
  ctx.lineCap = "butt";
  ctx.lineWidth = Math.max(1, 0.07 * size);
  ctx.strokeStyle = theme.slash;
  ctx.stroke(slashes);
  ctx.lineWidth = Math.max(1.2, 0.15 * size);
  ctx.strokeStyle = theme.cut;
  ctx.stroke(crosses);
  ctx.fillStyle = theme.back;
  ctx.fill(holes);
  ctx.lineWidth = Math.max(0.8, 0.06 * size);
  ctx.strokeStyle = theme.text;
  ctx.stroke(holes);
}

/** Rings, the front between the living and the cut, and the flash of those cut now: all on the canvas above the cells. */
function drawRings(ctx, { layout, layers, theme, selected, hovered, front, flash }) {
  for (const row of layout.layers) {
    const { shown, state, living } = layers[row.layer];
    if (flash > 0) {
      ctx.globalAlpha = flash;
      ctx.fillStyle = theme.cut;
      shown.forEach((unit, place) => {
        if (state[unit] !== CUT_NOW) return;
        const { x, y, w, h } = cellAt(layout, row, place);
        ctx.fillRect(x, y, w, h);
      });
      ctx.globalAlpha = 1;
    }
    if (front && living > 0 && living < row.count) {
      const { x, y, w, h } = cellAt(layout, row, living - 1);
      ctx.fillStyle = theme.text;
      const thick = Math.min(4, Math.max(2, 0.12 * row.size));
      ctx.fillRect(x + w + layout.gap / 2 - thick / 2, y - layout.gap, thick, h + 2 * layout.gap);
    }
  }
  const ring = (picked, colour, thick) => {
    const row = picked && layout.layers.find((each) => each.layer === picked.layer);
    if (!row) return;
    const { x, y, w, h } = cellAt(layout, row, layers[row.layer].places[picked.unit]);
    ctx.lineWidth = thick + 2.5;
    ctx.strokeStyle = theme.back;
    ctx.strokeRect(x - thick / 2, y - thick / 2, w + thick, h + thick);
    ctx.lineWidth = thick;
    ctx.strokeStyle = colour;
    ctx.strokeRect(x - thick / 2, y - thick / 2, w + thick, h + thick);
  };
  const thick = Math.min(4, Math.max(2, 0.13 * layout.size));
  ring(hovered, theme.text, Math.max(1.5, thick * 0.7));
  ring(selected, theme.selected, thick * 1.3);
}

/** The unit under a point of the canvas, or null. */
function unitAt(layout, layers, x, y) {
  for (const row of layout.layers) {
    const column = Math.floor(x / row.size);
    const line = Math.floor((y - row.y) / row.size);
    const place = line * row.columns + column;
    if (x < 0 || column >= row.columns || line < 0 || place >= row.count || line >= Math.ceil(row.count / row.columns)) continue;
    return { layer: row.layer, unit: layers[row.layer].shown[place] };
  }
  return null;
}

/** Where an arrow key leads from a unit: along the row, up and down by a row, and from layer to layer at the edges. */
function neighbour(layout, layers, { layer, unit }, key) {
  const at = layout.layers.findIndex((row) => row.layer === layer);
  if (at < 0) return null;
  const row = layout.layers[at];
  const place = layers[layer].places[unit];
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row.columns, ArrowDown: row.columns }[key];
  const next = place + step;
  if (next >= 0 && next < row.count) return { layer, unit: layers[layer].shown[next] };
  const other = layout.layers[at + Math.sign(step)];
  if (!other) return { layer, unit };
  const column = place % row.columns;
  const lastLine = Math.floor((other.count - 1) / other.columns) * other.columns;
  const there = { ArrowLeft: other.count - 1, ArrowRight: 0, ArrowUp: Math.min(other.count - 1, lastLine + column), ArrowDown: Math.min(column, other.count - 1) }[key];
  return { layer: other.layer, unit: layers[other.layer].shown[there] };
}

/** Samples for the legend, drawn by the same code as the board. */
function drawLegend(list, theme, palette, dpr) {
  const entries = [
    ["colour: how often it fires", ALIVE, 255, 170],
    ["fill: weights from living inputs left", ALIVE, 120, 170],
    ["no way out", NO_WAY_OUT, 255, 170],
    ["newest cut", CUT_NOW, 0, 0],
    ["cut earlier", CUT_EARLIER, 0, 0],
  ];
  list.replaceChildren();
  for (const [words, state, share, rate] of entries) {
    const item = document.createElement("li");
    const sample = document.createElement("canvas");
    const size = Math.round(1.15 * theme.size * dpr) / dpr;
    sample.width = sample.height = Math.round(size * dpr);
    const ctx = sample.getContext("2d");
    ctx.scale(dpr, dpr);
    const layers = [{ shown: [0], rate: [rate], share: [share], state: [state] }];
    drawCells(ctx, { layout: { gap: 0, layers: [{ layer: 0, y: 0, columns: 1, count: 1, size }] }, layers, palette, theme });
    item.append(sample, words);
    list.append(item);
  }
}
