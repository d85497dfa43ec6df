// The inspector: one neuron, its incoming weights as a picture, how often it fires and for which classes.

const keptPictures = new Map(); // run -> {epoch, layers: {layer: bytes}}: the last pictures seen, for payloads that carry none

/** Keeps copies of a payload's pictures (the payload itself may go), of the last few runs only. */
function keepPictures(header, arrays) {
  const layers = {};
  header.layers.forEach((_, layer) => {
    if (arrays[`picture_${layer}`]) layers[layer] = arrays[`picture_${layer}`].slice();
  });
  if (!Object.keys(layers).length) return;
  keptPictures.delete(header.run);
  keptPictures.set(header.run, { epoch: header.epoch, layers });
  if (keptPictures.size > 4) keptPictures.delete(keptPictures.keys().next().value);
}

/** Bytes of a layer's pictures and the epoch that they are of; null where this run has shown none up to this epoch. */
function picturesOf(header, layer) {
  const kept = keptPictures.get(header.run);
  return kept?.layers[layer] && kept.epoch <= header.epoch ? { bytes: kept.layers[layer], epoch: kept.epoch } : null;
}

function fateInWords({ state, living }, unit, shownPlace, cut) {
  if (state[unit] === CUT_NOW) return cut ? `cut just now, at epoch ${cut.epoch}` : "cut just now";
  if (state[unit] === CUT_EARLIER) return "cut earlier";
  const queue = living - shownPlace; // the next to go stands last among the living
  const next = queue === 1 ? `next to go of ${living}` : `next to go: ${ordinal(queue)} of ${living}`;
  return state[unit] === NO_WAY_OUT ? `no way out; ${next}` : `alive; ${next}`;
}

function showNeuron(part, { header, layers, picked, pinned, weights, dpr, size }) {
  part.inspector.hidden = !picked;
  if (!picked) return;
  part.name.classList.toggle("pinned", Boolean(pinned));
  say(part.prompt, pinned ? "click it again to let it go" : "point at a neuron, click to keep it");
  const { layer, unit } = picked;
  const one = layers[layer];
  const name = header.layers[layer].name;
  say(part.name, `${name} · neuron ${unit}`);
  say(part.fate, fateInWords(one, unit, one.queuePlaces[unit], header.cut));
  part.fate.classList.toggle("gone", one.state[unit] === CUT_NOW);
  say(part.fires, `fires on ${percent(one.frequency[unit])} of images`);
  part.fires.title = header.fired_note || "";
  say(part.share, `${percent(one.share[unit] / 255, 0)} of weights from living inputs left`);
  showPicture(part, { header, layer, unit, weights, dpr, size });
  showClasses(part, { header, byClass: one.byClass, unit, units: one.state.length });
}

function showPicture(part, { header, layer, unit, weights, dpr, size }) {
  part.picture.parentElement.hidden = !header.image_shape;
  if (!header.image_shape) return say(part.caption, "");
  const pictures = picturesOf(header, layer);
  const canvas = part.picture;
  const side = Math.round(11 * size * dpr);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const ctx = canvas.getContext("2d");
  ctx.clearRect(0, 0, side, side);
  part.scale.hidden = !pictures;
  if (!pictures) {
    say(part.noPicture, "The picture comes when the run holds or slows down.");
    say(part.caption, "");
    canvas.setAttribute("aria-label", "no picture yet");
    return;
  }
  say(part.noPicture, "");
  ctx.imageSmoothingEnabled = false;
  const gain = gainOf(pictures.bytes, unit, header.image_shape[0] * header.image_shape[1]);
  ctx.drawImage(pictureOf(pictures.bytes, unit, header.image_shape, weights.living, gain), 0, 0, side, side);
  const what = `${layer === 0 ? "incoming weights" : "back-projection"}, own scale`; // brightened: compare shapes, not strength
  const caption = pictures.epoch === header.epoch ? what : `${what}, epoch ${pictures.epoch}`;
  say(part.caption, caption);
  canvas.setAttribute("aria-label", `${caption} of neuron ${unit} as an image; red positive, blue negative`);
}

function showClasses(part, { header, byClass, unit, units }) {
  const names = header.classes || [];
  part.classes.hidden = !names.length || !byClass;
  say(part.classesTitle, part.classes.hidden ? "" : "share of each class it fires on");
  if (part.classes.hidden) return;
  const key = names.join("|");
  if (part.classes.dataset.names !== key) {
    part.classes.dataset.names = key;
    const upright = names.every((name) => name.length <= 2) || names.length > 14;
    part.classes.className = `classes ${upright ? "upright" : "lying"} ${names.length > 14 ? "crowded" : ""}`;
    part.classes.replaceChildren(
      ...names.map((name) => {
        const one = document.createElement("div");
        one.className = "class";
        const label = document.createElement("span");
        label.textContent = name;
        const bar = document.createElement("div");
        bar.className = "bar";
        bar.append(document.createElement("i"));
        one.append(...(upright ? [bar, label] : [label, bar]));
        return one;
      }),
    );
  }
  names.forEach((name, c) => {
    const value = byClass[c * units + unit] / 255;
    part.classes.children[c].style.setProperty("--v", value.toFixed(3));
    part.classes.children[c].title = `${name}: ${percent(value, 0)}`;
  });
  part.classes.setAttribute("aria-label", names.map((name, c) => `${name}: ${percent(byClass[c * units + unit] / 255, 0)}`).join(", "));
}
