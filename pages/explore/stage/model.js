// The atlas as the views ask for it: figures at a percent, whose turn comes when, and, unless veiled, what a cut costs.
//
// All percents are whole numbers 0..100, the slider's. Everything that costs more than a look-up is computed once and kept.

const FAINTEST = 65534; // a spectrum's 16 bits span four decades below the layer's largest value; 0 is nought

function makeModel({ header, arrays }) {
  const layers = header.layers || [];
  const L = layers.length;
  const C = (header.classes || []).length;
  const model = { header, arrays, L, C, veiled: false };
  const kept = new Map(); // what was computed once, by name
  const once = (name, compute) => {
    if (!kept.has(name)) kept.set(name, compute());
    return kept.get(name);
  };
  const start = header.start || 0;
  const row = (name, p, width) => arrays[name]?.subarray(p * width, (p + 1) * width) ?? null;
  const share = (count, of) => (absent(count) || !of ? null : count / of);

  // ---- what may be seen behind the veil: the network itself ----
  model.figures = (p) =>
    once(`figures ${p}`, () => ({
      requested: p / 100,
      achieved: share(arrays.zeros?.[p], header.weights),
      achievedHidden: share(arrays.zeros_hidden?.[p], header.hidden_weights),
      alive: row("alive", p, L),
      wayOut: row("way_out", p, L),
      rank: row("rank", p, L),
      stable: row("stable", p, L),
      effective: row("effective", p, L),
      nuclear: row("nuclear", p, L),
      spectral: row("spectral", p, L),
      frobenius: row("frobenius", p, L),
      multiplyAdds: arrays.multiply_adds?.[p],
      shrunkMultiplyAdds: arrays.shrunk_multiply_adds?.[p],
      shrunkBytes: arrays.shrunk_bytes?.[p],
      sparseBytes: arrays.sparse_bytes?.[p],
    }));

  model.neuron = (l, u) => {
    const { places, living } = once(`places ${l}`, () => placesInQueue(arrays[`order_${l}`], arrays[`goes_${l}`]));
    return {
      goes: arrays[`goes_${l}`][u],
      first: arrays[`first_${l}`]?.[u],
      score: arrays[`score_${l}`]?.[u],
      fired: arrays[`fired_${l}`]?.[u],
      place: places[u] || null, // 1 = the first to go of the living; null = dead already
      of: living,
    };
  };

  model.spectrum = (l, p) => once(`spectrum ${l} ${p}`, () => {
    const width = (arrays[`spectrum_${l}`]?.length || 0) / 101;
    const top = layers[l].top;
    return Float32Array.from(row(`spectrum_${l}`, p, width) || [], (v) => (v ? top * 10 ** ((-4 * (65535 - v)) / FAINTEST) : 0));
  });
  model.uncutSpectrum = (l) => model.spectrum(l, start);

  // ---- single weights ----
  /** By its own place in the queue, or because its source neuron went; what is zero in the stored network stays 0. */
  const really = (l, own, goes) => {
    if (!own || l === 0 || !goes) return own || null;
    const { rows, columns } = layers[l];
    const source = sourcesGo(goes, columns, layers[l].block?.[1] || 1);
    const gone = new Uint8Array(own.length);
    for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) gone[i] = own[i] < source[c] ? own[i] : source[c];
    return gone;
  };
  model.gone = (l) => once(`gone ${l}`, () => really(l, arrays[`own_${l}`], arrays[`goes_${l - 1}`]));
  model.magnitudeGone = (l) => once(`magnitude gone ${l}`, () => {
    if (!arrays[`magnitude_own_${l}`]) return null;
    // Which neurons magnitude empties is not in the blob; where every weight is a pixel, its own picture tells.
    const goes = l === 0 ? null : emptiesAt(model.magnitudeGone(l - 1), layers[l - 1]);
    return really(l, arrays[`magnitude_own_${l}`], goes);
  });

  // ---- neurons killed or spared by hand, on top of the slider ----
  const exact = layers.every(({ block }) => !block || (block[0] === 1 && block[1] === 1));
  const empty = (hand) => !hand || !(hand.killed.size + hand.spared.size);
  let byHand = {}; // the last answer: all views ask for the same one in a frame

  function underHand(p, hand) {
    const { killed, spared } = hand;
    const same = byHand.p === p && byHand.hand === hand && byHand.killed === killed.size && byHand.spared === spared.size;
    if (!same) byHand = { p, hand, killed: killed.size, spared: spared.size, ...propagate(p, hand, layers, arrays) };
    return byHand;
  }
  model.exact = exact;
  /** Neurons alive per layer, those by hand included. */
  model.living = (p, hand) => {
    if (!exact || empty(hand)) return Array.from(model.figures(p).alive);
    return underHand(p, hand).alive.map((alive) => alive.reduce((sum, one) => sum + one, 0));
  };
  model.kept = (l, p, hand) => (exact && !empty(hand) ? underHand(p, hand).masks[l] : null);
  model.alive = (l, u, p, hand) => (exact && !empty(hand) ? underHand(p, hand).alive[l][u] === 1 : arrays[`goes_${l}`][u] > p);

  // ---- outcomes: nothing of this while veiled ----
  const rate = (counts) => counts && Float32Array.from(counts, (right) => right / header.test_images);
  const right = Uint32Array.from({ length: 101 }, (_, p) => (row("correct", p, C) || []).reduce((sum, n) => sum + n, 0));
  const all = {
    accuracy: rate(right),
    pca: rate(arrays.pca_correct),
    svd: rate(arrays.svd_correct),
    controls: (header.controls || []).flatMap(({ name, label, draws }) => {
      const counts = arrays[`control_${name}`];
      return counts ? [{ name, label, draws: Array.from({ length: draws }, (_, d) => rate(counts.subarray(101 * d, 101 * (d + 1)))) }] : [];
    }),
  };
  model.outcome = (p) => {
    if (model.veiled) return null;
    return once(`outcome ${p}`, () => ({
      accuracy: all.accuracy[p],
      right: right[p],
      images: header.test_images,
      loss: arrays.test_loss?.[p],
      validAccuracy: share(arrays.valid_correct?.[p], header.valid_images),
      validLoss: arrays.valid_loss?.[p],
      pca: all.pca?.[p],
      svd: all.svd?.[p],
      answer: header.classes[arrays.answer?.[p]] ?? null, // the one class that everything gets
    }));
  };
  model.curves = () => (model.veiled ? null : all);
  model.classesAt = (p) => {
    if (model.veiled) return null;
    return once(`classes ${p}`, () => Array.from(row("correct", p, C) || [], (n, c) => share(n, header.class_sizes[c])));
  };
  model.confusionAt = (p) => {
    const coarse = header.coarse || [];
    if (model.veiled || !arrays.confusion || !coarse.length) return null;
    const i = coarse.reduce((best, at, j) => (Math.abs(at - p) < Math.abs(coarse[best] - p) ? j : best), 0);
    return { percent: coarse[i], counts: row("confusion", i, C * C) };
  };
  model.lost = (points) => {
    if (model.veiled) return null;
    const wanted = Math.round((points / 100) * header.test_images * 1e6) / 1e6; // in images, so that no rounding decides
    for (let p = start; p <= 100; p++) if (right[start] - right[p] >= wanted) return p;
    return null;
  };
  return model;
}

/** What an answer that everything gets is worth: "answers 8 to everything: guessing is 10 %". */
const answersOne = (answer, classes) => `answers ${answer} to everything: guessing is ${Number((100 / classes).toPrecision(3))} %`;

/** Unit -> its place among the living, 1 for the first to go; 0 for those dead already. */
function placesInQueue(order, goes) {
  const places = new Uint16Array(goes.length);
  let living = 0;
  for (const unit of order) if (goes[unit] > 0) places[unit] = ++living;
  return { places, living };
}

/** The percent at which a column's sources are all gone; a pooled column stands for several. */
function sourcesGo(goes, columns, wide) {
  if (wide === 1) return goes;
  const last = new Uint8Array(columns);
  goes.forEach((percent, unit) => {
    const column = Math.min(columns - 1, Math.floor(unit / wide));
    last[column] = Math.max(last[column], percent);
  });
  return last;
}

/** Per unit the percent at which its last incoming weight is gone, read off the picture of single weights; null if pooled. */
function emptiesAt(gone, { rows, columns, block }) {
  if (!gone || (block && block[0] * block[1] > 1)) return null;
  const last = new Uint8Array(rows);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) if (gone[i] > last[r]) last[r] = gone[i];
  return last;
}

/** Masks and living neurons at p under a hand set, layer by layer: 1 = kept, 1 = has an incoming weight from a living source. */
function propagate(p, hand, layers, arrays) {
  const masks = [];
  const alive = [];
  layers.forEach(({ units, columns }, l) => {
    const own = arrays[`own_${l}`];
    const mask = new Uint8Array(own.length);
    const living = new Uint8Array(units);
    const source = alive[l - 1];
    for (let u = 0; u < units; u++) {
      if (hand.killed.has(`${l}:${u}`)) continue;
      const turn = hand.spared.has(`${l}:${u}`) ? 0 : p; // a spared neuron loses nothing to the slider, but what is zero stays zero
      let any = 0;
      for (let c = 0, i = u * columns; c < columns; c++, i++) if (own[i] > turn && (!source || source[c])) any = mask[i] = 1;
      living[u] = any;
    }
    masks.push(mask);
    alive.push(living);
  });
  return { masks, alive };
}
