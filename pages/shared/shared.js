// What all elements share: the blob's format, the colours of both themes, numbers in words, a little SVG.

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array, float32: Float32Array };

/** bytes of `core.views.scene.pack` -> {header, text of the header, arrays}. Nothing came: empty ones. */
function unpack(bytes) {
  if (!bytes || bytes.length < 4) return { header: {}, text: "", arrays: {} };
  const own = bytes.byteOffset % 8 ? bytes.slice() : bytes; // a view on the message may start at any byte
  const length = new DataView(own.buffer, own.byteOffset, 4).getUint32(0, true);
  const text = new TextDecoder().decode(own.subarray(4, 4 + length));
  const header = readJson(text);
  const start = own.byteOffset + 4 + length;
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(header.arrays || {})) {
    const count = shape.reduce((product, n) => product * n, 1);
    arrays[name] = new ARRAYS[dtype](own.buffer, start + offset, count);
  }
  return { header, text, arrays };
}

/** Python writes NaN for a loss that diverged, which JSON does not know; it is read as null, "no value". */
function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replace(/([:,[]\s*)(?:NaN|-?Infinity)/g, "$1null"));
  }
}

// ---- numbers in words ----
const NARROW = "\u202f"; // narrow no-break space before %
const absent = (x) => x === null || x === undefined || Number.isNaN(x);
const digits = (x, places) => (absent(x) ? "–" : x.toFixed(places));
const percent = (x, places = 1) => (absent(x) ? "–" : `${(100 * x).toFixed(places)}${NARROW}%`);
const shortPercent = (x) => percent(x, Math.abs(100 * x - Math.round(100 * x)) < 0.05 ? 0 : 1);
const compact = (x) => (absent(x) ? "–" : x !== 0 && Math.abs(x) < 0.01 ? x.toPrecision(1) : Number(x.toPrecision(3)).toString());
const sound = (x) => Number(x.toPrecision(12)); // 3 · 0.2 is 0.6, not 0.6000000000000001
/** A number as it stands on an axis: no more digits than it has. */
const axisWord = (x) => (absent(x) ? "–" : String(sound(x)));
const dropped = (cut) => `${digits(100 * cut.accuracy_before, 1)} → ${percent(cut.accuracy_after)}`;
const ordinal = (n) => {
  const tens = n % 100;
  return n + (tens > 10 && tens < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[n % 10] || "th");
};

/** One sentence on a cut: what was asked, what was got, what it cost. */
function cutInWords(cut) {
  const name = absent(cut.round) ? "cut by hand" : `cut ${cut.round}`;
  return `${name}: ${zeroInWords(cut)}, validation ${dropped(cut)}`;
}

/** {requested, achieved, achieved_hidden} as words: what was asked beside what came, with what they are shares of. */
function zeroInWords(zero) {
  const asked = absent(zero.requested) ? "" : `, asked ${percent(zero.requested)}`;
  return `${percent(zero.achieved)} of all weights zero (${percent(zero.achieved_hidden)} of hidden ones${asked})`;
}

// ---- colours: one colour for one thing in every element, for light and dark ----
const LIGHT = { train: "#0063b2", valid: "#c25400", cut: "#d3182f", selected: "#a300d6", range: [0.06, 0.93] };
const DARK = { train: "#62b5ff", valid: "#ffb14a", cut: "#ff5a66", selected: "#ff74ff", range: [0.24, 1] };
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** Any CSS colour -> [r, g, b]. */
function rgb(colour) {
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
const blend = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
const css = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;

/** The colours that fit the page's theme now; also set as CSS variables on `root`. */
function readTheme(root) {
  const style = getComputedStyle(root);
  const text = rgb(style.color);
  const back = rgb(style.backgroundColor);
  const dark = 0.3 * back[0] + 0.59 * back[1] + 0.11 * back[2] < 128;
  const own = dark ? DARK : LIGHT;
  const names = { ...own, text: css(text), back: css(back), dead: css(blend(back, text, dark ? 0.13 : 0.08)) };
  names.faint = css(blend(back, text, dark ? 0.72 : 0.74));
  names.line = css(blend(back, text, dark ? 0.3 : 0.25));
  names.grid = css(blend(back, text, dark ? 0.14 : 0.1));
  names.slash = css(blend(back, text, dark ? 0.42 : 0.36));
  delete names.range;
  for (const [name, colour] of Object.entries(names)) root.style.setProperty(`--${name}`, colour);
  const size = parseFloat(style.fontSize);
  return { ...names, dark, range: own.range, rgb: { text, back }, size, id: `${names.text}${names.back}${size}` };
}

/** t in 0..1 -> [r, g, b] on the firing scale; its ends are cut off where they would melt into the background. */
function firing(theme, t) {
  const [low, high] = theme.range;
  const at = (low + (high - low) * t) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return blend(VIRIDIS[i], VIRIDIS[i + 1], at - i);
}

/** t in -1..1 -> [r, g, b], blue through the background's grey to red: a weight. */
function diverging(theme, t) {
  const middle = theme.dark ? [38, 39, 46] : [247, 247, 247];
  const end = t < 0 ? (theme.dark ? [92, 178, 255] : [5, 78, 160]) : theme.dark ? [255, 98, 84] : [178, 10, 32];
  return blend(middle, end, Math.min(1, Math.abs(t)));
}

// ---- a little SVG ----
function svg(name, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Round tick values from low to high, about `wanted` of them. */
function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i++) list.push(sound(i * step) || 0); // no −0
  return list;
}

/** Points -> path data; a null lifts the pen. */
function pen(points) {
  let down = false;
  let path = "";
  for (const point of points) {
    if (point) path += `${down ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    down = Boolean(point);
  }
  return path;
}

// ---- small things of HTML ----
/** A new element at the end of `parent`. */
function panelNode(parent, tag, name = "", words = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (words) node.textContent = words;
  parent.append(node);
  return node;
}

/** Buttons of which one is pressed: `options` are [value, words]; gives the function that presses the right one. */
function panelSwitch(parent, label, options, read, write) {
  const group = panelNode(parent, "span", "switch");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const buttons = options.map(([value, words]) => {
    const button = panelNode(group, "button", "", words);
    button.type = "button";
    button.dataset.value = value;
    button.addEventListener("click", () => write(value));
    return button;
  });
  const press = () => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i][0] === read())));
  press();
  return press;
}

// ---- keys ----
const ANSWERED = /^(button|checkbox|color|file|image|radio|range|reset|submit)$/; // inputs that take no text
const PRESSED = "button, summary, select, input:not([type=range]), [role=button], [role=tab], [role=switch], [role=checkbox], [role=option]";
const MOVED = "input, select, [role=slider], [role=tab], [role=radio], [role=option], [tabindex]:not([tabindex='-1'], button, a, summary, main, [data-testid=stMain])";
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

/** Whether the key goes into a field that one types into. A slider, a switch and a list that is closed are none. */
function isTyped(event) {
  const target = event.composedPath()[0];
  if (event.isComposing || target.isContentEditable || target.tagName === "TEXTAREA") return true;
  if (target.tagName !== "INPUT" || ANSWERED.test(target.type)) return false;
  return target.getAttribute("role") !== "combobox" || target.getAttribute("aria-expanded") === "true";
}

/** Whether a key comes alone: with Ctrl, Alt or the like it is the browser's. Every handler of keys asks this, or isFree. */
const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented);

/**
 * Whether a shortcut of the page may take the key, wherever the focus is: not from a field that one types into, and not what
 * the control with the focus does itself, a button with Space, a slider or a plot with the arrows. `own`: the control whose
 * keys these are.
 */
function isFree(event, own = null) {
  const target = event.composedPath()[0];
  if (!isPlain(event) || isTyped(event)) return false;
  if (target === own || !target.matches) return true;
  return !(event.key === " " && target.matches(PRESSED)) && !(MOVES.includes(event.key) && target.matches(MOVED));
}

const parts = (root) => Object.fromEntries([...root.querySelectorAll("[data-part]")].map((e) => [e.dataset.part, e]));
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * The address says these values from now on, null for no longer, without a word to the server; every other one stays. What the
 * server has yet to hear of is kept by visitor/places.js when the server writes. An element of a page that is being left, or not
 * come to yet, has nothing to say in the address of another.
 */
function writeAddress(values) {
  const page = window.pruningPage; // not in a saved file
  if (page !== undefined && (!page || location.pathname.split("/").findLast(Boolean) !== page)) return;
  const url = new URL(location.href);
  window.pruningOwnInAddress ||= new Set();
  for (const [name, value] of Object.entries(values)) {
    window.pruningOwnInAddress.add(name);
    if (absent(value)) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === location.href) return;
  try {
    history.replaceState(history.state, "", url);
  } catch {
    // A browser limits how often the address may change; the next rest tries again.
  }
}

/** Writes only what changed, so that nothing is laid out again for the same words. */
function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/**
 * Mounts once per element and shows every new blob in it: `make(root, report, ask)` -> {show(blob), close()}.
 * `report` keeps a state in Streamlit; `ask` tells it something once.
 *
 * Streamlit calls the mounted function once per change, but does not wait for one call before the next: a call that a newer one
 * has overtaken is cleaned up right after it was made, and may even be made after the newer one. So a clean-up takes back its own
 * call only, and the newest of the calls left is shown again; without any the view is closed.
 */
function keepMounted(selector, make) {
  const mounted = new WeakMap();
  return ({ parentElement, data, setStateValue, setTriggerValue }) => {
    const call = { data, setStateValue, setTriggerValue };
    let one = mounted.get(parentElement);
    if (one) one.calls.push(call);
    else {
      one = { calls: [call] };
      mounted.set(parentElement, one);
      const latest = () => one.calls.at(-1) || call; // Streamlit makes new setters at every run
      const report = (name, value) => latest().setStateValue(name, value);
      const root = parentElement.querySelector(selector);
      if (root.asItCame === undefined) root.asItCame = root.innerHTML;
      else root.innerHTML = root.asItCame; // Streamlit may take an element down and put it up again in the very same nodes
      one.view = make(root, report, (wish) => latest().setTriggerValue("ask", wish));
    }
    one.view.show(data);
    setTimeout(() => one.calls.splice(0, Math.max(0, one.calls.indexOf(call)))); // it stays: those before it are over
    return () => {
      const latest = one.calls.at(-1) === call;
      one.calls = one.calls.filter((other) => other !== call);
      if (!latest) return;
      if (one.calls.length && parentElement.isConnected) return one.view.show(one.calls.at(-1).data);
      one.view.close();
      mounted.delete(parentElement);
    };
  };
}
