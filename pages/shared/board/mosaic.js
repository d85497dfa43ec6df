// The first layer as a mosaic: each neuron's incoming weights as a picture, in the board's own places.

/** 256 words of RGBA, for a weight byte (128 = 0): for the living, and grey and faint for the cut. */
function weightPalette(theme) {
  const pack = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
  const dead = rgb(theme.dead);
  const living = new Uint32Array(256);
  const cut = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const t = Math.max(-1, (byte - 128) / 127);
    living[byte] = pack(diverging(theme, t));
    cut[byte] = pack(blend(dead, theme.rgb.text, 0.35 * Math.abs(t)));
  }
  return { living, cut };
}

const tile = document.createElement("canvas");

/** By how much a picture may be brightened so that its own largest weight gets the full colour; noise is not blown up. */
function gainOf(bytes, unit, pixels) {
  let largest = 1;
  for (let i = unit * pixels; i < (unit + 1) * pixels; i++) largest = Math.max(largest, Math.abs(bytes[i] - 128));
  return Math.min(5, 127 / largest);
}

/** One unit's picture in a canvas of its own size, ready to be drawn larger. `shape` is (height, width). */
function pictureOf(bytes, unit, [height, width], colours, gain = 1) {
  if (tile.width !== width || tile.height !== height) [tile.width, tile.height] = [width, height];
  const ctx = tile.getContext("2d", { willReadFrequently: true });
  const image = ctx.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  const from = unit * width * height;
  for (let i = 0; i < words.length; i++) words[i] = colours[Math.max(0, Math.min(255, Math.round(128 + gain * (bytes[from + i] - 128))))];
  ctx.putImageData(image, 0, 0);
  return tile;
}

function drawMosaic(ctx, { layout, layers, theme, weights, picture, shape, dpr }) {
  const row = layout.layers[0];
  const { shown, state } = layers[row.layer];
  const crosses = new Path2D();
  const slashes = new Path2D();
  const holes = new Path2D();
  ctx.imageSmoothingEnabled = row.size * dpr < 3 * shape[1]; // else pixels of a small tile would be of uneven width
  for (let place = 0; place < row.count; place++) {
    const unit = shown[place];
    const { x, y, w, h } = cellAt(layout, row, place);
    const gone = state[unit] === CUT_NOW || state[unit] === CUT_EARLIER;
    ctx.drawImage(pictureOf(picture, unit, shape, gone ? weights.cut : weights.living), x, y, w, h);
    if (gone) strike(state[unit] === CUT_NOW ? crosses : slashes, x, y, w, h, state[unit]);
    if (state[unit] === NO_WAY_OUT) hollow(holes, x + 0.04 * w, y + 0.04 * h, 0.3 * w, 0.3 * h);
  }
  strokeStates(ctx, { crosses, slashes, holes, size: row.size * 0.6, theme });
}
