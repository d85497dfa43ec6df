// The stage's shell: one slider, the bar that is always in sight, and the views that follow it, all within one frame.
//
// What the views share is `state`; `set` changes it and asks for one frame, in which the bar and every view in sight are drawn.
// Words for those who cannot see, tables and the link follow when the hand comes to rest ("settle"), not while it moves.

// Kept as long as the page is open, so that one who leaves the stage and comes back finds it as it was.
const stageMemory = { percent: null, picked: null, layer: 0, view: 4, guesses: [], hand: null, handOf: "", choices: {} };
const SWEEP_SECONDS = 12; // of the play button, from the start to 100 %
const CALM_STRIDE = 10; // percents a step where a person wants less motion: one in a second or so
const REST = 180; // ms without a change after which the hand counts as at rest
const HEALTH_EVERY = 5000;
const LECTURE_VIEWS = ["histogram", "matrices", "singular", "cost", "classes", "neuron"]; // by the keys 1 to 6
const VIEW_WORDS = {
  histogram: ["histogram"], matrices: ["matrices"], singular: ["singular", "values"],
  cost: ["cost"], classes: ["classes"], neuron: ["neuron"],
};
const ONE_LAYER = ["matrices", "singular"]; // in the hall these show one layer, large, chosen in the bar; others where they say so

/** The views in the order of the page; one whose file is missing is not shown. */
function viewMakers() {
  const all = {
    who: typeof makeWho === "function" && makeWho,
    cost: typeof makeCost === "function" && makeCost,
    histogram: typeof makeHistogram === "function" && makeHistogram,
    neuron: typeof makeNeuron === "function" && makeNeuron,
    matrices: typeof makeMatrices === "function" && makeMatrices,
    singular: typeof makeSingular === "function" && makeSingular,
    classes: typeof makeClasses === "function" && makeClasses,
  };
  return Object.entries(all).filter(([, make]) => make);
}

const savedStage = () => (typeof STAGE_SAVED === "undefined" ? null : STAGE_SAVED); // set in a saved file only
const handKey = (hand) => `${[...hand.killed].sort().join()} ${[...hand.spared].sort().join()}`;
const handEmpty = (hand) => !(hand.killed.size + hand.spared.size);
const handPairs = (set) => [...set].map((name) => name.split(":").map(Number));
const clampTo = (low, high, v) => Math.min(high, Math.max(low, v));

const VIEW_COLUMNS = { who: "left", histogram: "left", cost: "right", neuron: "right" }; // the others take the whole width

function makeStage(root, report, ask) {
  const part = parts(root);
  const saved = savedStage();
  Object.assign(stageMemory.choices, saved?.state.choices);
  const state = firstState(saved);
  const views = viewMakers().map(([name, make]) => makeView(name, make));
  const { choices } = stageMemory;
  const stage = { theme: readTheme(root), model: null, state, choices, set, ask: askServer, dpr: devicePixelRatio, took: {} };
  stage.oneLayer = () => {
    const name = LECTURE_VIEWS[state.view - 1];
    return ONE_LAYER.includes(name) || Boolean(views.find((view) => view.name === name)?.oneLayer?.());
  };
  const deck = makeDeck(part, stage);
  let bytes = null; // of the blob shown, for the saved file
  let text = null; // of its header: the same blob again changes nothing
  let feed = null; // the last one of this stage, with outcomes; state.feed lacks them behind the veil
  let frame = 0;
  let version = 0; // grows with each change; a view out of sight catches up when it is seen
  let resting = 0;
  let moving = false; // pointer down on the slider, or playing
  let atRest = false; // the frame to come also draws what is out of sight
  let offline = false;
  let sizes = "";
  let askedHand = ""; // ratio and set of the last question of that kind, and its id: an answer to another one is not shown
  let handId = null;
  let feedShown = ""; // state.feed in letters
  let asked = 0;
  let first = true;
  root.stage = stage; // for tests

  for (const view of views) buildView(view);
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) views.find((view) => view.box === entry.target).inSight = entry.isIntersecting;
      schedule();
    },
    { rootMargin: "120px" },
  );
  for (const view of views) seen.observe(view.box);

  // ---- a new blob ----
  function show(blob) {
    const came = unpack(blob);
    const unchanged = text !== null && came.text === text && stage.model;
    text = came.text;
    bytes = blob;
    setLecture(came.header);
    const empty = came.header.problem || !(came.header.layers || []).length || !came.arrays.correct;
    part.wait.hidden = !empty;
    say(part.wait, empty ? came.header.problem || came.header.title || "The atlas is being built." : "");
    root.classList.toggle("waiting", Boolean(empty));
    for (const name of ["grid", "about"]) part[name].hidden = Boolean(empty);
    deck.setEmpty(Boolean(empty));
    if (empty) stage.model = null;
    else if (!unchanged) setModel(makeModel(came));
    hear(window.pruningFeed);
    for (const view of views) view.box.hidden = !isShown(view);
    measure();
    schedule();
    settleSoon();
    if (first && !empty) focusSlider();
    if (!empty) first = false;
  }

  function setModel(model) {
    const { header } = model;
    const old = stage.model?.header ?? {};
    stage.model = model;
    model.veiled = state.veiled;
    state.percent = clampTo(header.start || 0, 100, Math.round(state.percent ?? header.start ?? 0));
    const exists = (picked) => picked && picked.unit >= 0 && picked.unit < (header.layers[picked.layer]?.units ?? 0);
    if (!exists(state.picked)) state.picked = null;
    state.layer = clampTo(0, model.L - 1, state.picked ? state.picked.layer : state.layer);
    const network = `${header.run} ${header.epoch}`;
    if (stageMemory.handOf && stageMemory.handOf !== network) state.hand = { killed: new Set(), spared: new Set() }; // of another network
    stageMemory.handOf = network;
    if (old.run !== header.run) state.guesses = stageMemory.guesses.filter((guess) => guess.run === header.run);
    deck.setModel(model);
    for (const view of views) guard(view, () => view.setModel(model), true);
    version++;
    sizes = "";
    const what = saved ? [`Saved ${saved.when} from the Pruning Explorer. The whole slider works in this file, without a server.`] : [];
    say(part.about, [...what, ...(header.notes || [])].join(" "));
    part.about.hidden = !part.about.textContent;
  }

  function setLecture(header) {
    const wanted = fromLink().lecture || header.lecture || saved?.state.lecture || false;
    if (wanted === state.lecture) return;
    state.lecture = wanted;
    root.classList.toggle("lecture", wanted);
    if (wanted) setVeil(true); // a class predicts first
  }

  // ---- one frame ----
  const isShown = (view) => Boolean(stage.model) && (!state.lecture || view.name === "who" || view.name === LECTURE_VIEWS[state.view - 1]);

  function set(changes) {
    if (!stage.model) return;
    const before = { ...state };
    Object.assign(state, changes);
    state.percent = clampTo(stage.model.header.start || 0, 100, Math.round(state.percent));
    if (changes.picked && changes.layer === undefined) state.layer = changes.picked.layer;
    state.layer = clampTo(0, stage.model.L - 1, state.layer);
    if (state.veiled !== before.veiled) setVeil(state.veiled);
    else if (feed?.hand) unveilFeed();
    if (state.view !== before.view) arrangeViews();
    version++;
    schedule();
    settleSoon();
  }

  function setVeil(on) {
    state.veiled = on;
    if (stage.model) stage.model.veiled = on;
    unveilFeed();
    version++;
    if (!stage.model) return;
    for (const view of views) guard(view, () => view.draw(state)); // also those out of sight: nothing that was readable may stay
    settle(); // words and tables at once, for the same reason
  }

  function schedule() {
    if (!frame) frame = requestAnimationFrame(drawFrame);
  }

  function drawFrame() {
    frame = 0;
    if (!stage.model) return deck.draw(offline);
    if (sizes === "") measure();
    deck.draw(offline);
    for (const view of views) {
      if (view.drawn === version || !(view.inSight || atRest) || view.box.hidden) continue;
      const begin = performance.now();
      if (view.stale) guard(view, () => view.resize());
      view.stale = false;
      guard(view, () => view.draw(state));
      view.drawn = version;
      stage.took[view.name] = performance.now() - begin;
    }
    deck.offerLayers(); // a view may only now have found that not all layers have room
    atRest = false;
    root.dataset.percent = root.dataset.painted = state.percent;
  }

  /** Reads the layout, where sizes or the theme may have changed; never while the slider only moves. */
  function measure() {
    stage.theme = readTheme(root);
    stage.dpr = devicePixelRatio;
    const bar = state.lecture ? part.deck.offsetHeight : 0; // in the hall the bar's lines are taken from the views
    const now = [stage.theme.id, root.clientWidth, innerWidth, innerHeight, stage.dpr, state.lecture, state.view, bar].join(" ");
    if (now === sizes || !root.clientWidth) return;
    sizes = now;
    for (const view of views) [view.stale, view.drawn] = [true, -1];
    schedule();
  }

  function arrangeViews() {
    for (const view of views) view.box.hidden = !isShown(view);
    for (const view of views) [view.stale, view.drawn] = [true, -1];
  }

  // ---- at rest ----
  function settleSoon() {
    clearTimeout(resting);
    if (!moving) resting = setTimeout(settle, REST);
  }

  function settle() {
    clearTimeout(resting);
    if (!stage.model) return;
    deck.settle();
    for (const view of views) if (isShown(view)) settleView(view);
    keep();
    askHand();
    atRest = !moving;
    schedule();
  }

  function keep() {
    const { percent, picked, layer, view, hand, guesses, veiled } = state;
    const others = stageMemory.guesses.filter((guess) => guess.run !== stage.model.header.run);
    Object.assign(stageMemory, { percent, picked, layer, view, hand, veiled, guesses: [...others, ...guesses] });
    if (!saved) writeLink(state);
  }

  const handNow = () => (handEmpty(state.hand) ? "" : `${state.percent} ${handKey(state.hand)}`);

  /** The exact accuracy under neurons kept or killed by hand is the server's to work out, once for each set and ratio. */
  function askHand() {
    const { killed, spared } = state.hand;
    const key = handNow();
    if (key === askedHand || !stage.model.exact || saved || offline) return;
    askServer({ what: "hand", percent: state.percent, killed: handPairs(killed), spared: handPairs(spared) });
    askedHand = key; // "" once the last one is let go: that is told too, or the old answer would come back
  }

  function askServer(wish) {
    if (saved || offline) return;
    const id = `${Date.now()}-${++asked}`; // so that the same wish twice is two wishes
    if (wish.what === "hand") handId = id;
    ask({ id, ...wish });
  }

  // ---- one view: its box, its sentence and its table ----
  function makeView(name, make) {
    const box = document.createElement("section");
    box.className = `view ${name}`;
    Object.assign(box.dataset, { view: name, testid: `view-${name}` });
    (part[VIEW_COLUMNS[name]] || part.grid).append(box);
    return { name, make, box, inSight: false, drawn: -1, stale: true, broken: false };
  }

  function buildView(view) {
    try {
      Object.assign(view, view.make(view.box, stage));
    } catch (error) {
      Object.assign(view, { setModel() {}, resize() {}, draw() {}, text: () => "", table: () => null });
      fail(view, error);
    }
    const foot = document.createElement("div");
    foot.className = "deck-foot";
    const button = `<button type="button" aria-expanded="false">as a table</button>`;
    foot.innerHTML = `${button}<p class="said" aria-live="polite"></p><div class="deck-table" tabindex="0" hidden></div>`;
    [view.toggle, view.words, view.tableBox] = foot.children;
    view.toggle.addEventListener("click", () => {
      view.tableBox.hidden = !view.tableBox.hidden;
      view.toggle.setAttribute("aria-expanded", String(!view.tableBox.hidden));
      settleView(view);
    });
    view.fault = document.createElement("p");
    view.fault.hidden = true;
    view.box.append(view.fault, foot);
  }

  /** A view that fails says so in its place; the others go on. */
  function guard(view, work, again = false) {
    if (view.broken && !again) return null;
    try {
      const result = work();
      if (again) [view.broken, view.fault.hidden] = [false, true];
      return result;
    } catch (error) {
      fail(view, error);
      return null;
    }
  }

  function fail(view, error) {
    console.error(`stage, ${view.name}:`, error);
    view.broken = true;
    if (!view.fault) return;
    view.fault.hidden = false;
    say(view.fault, `This picture (${view.name}) cannot be drawn: ${error.message}.`);
  }

  function settleView(view) {
    say(view.words, guard(view, () => view.text(state)) || "");
    const table = guard(view, () => view.table(state));
    view.toggle.hidden = !table;
    if (!table || view.tableBox.hidden) return view.tableBox.replaceChildren();
    fillTable(view.tableBox, table, `${view.name} as a table`);
  }

  // ---- what the server tells, apart from the blob ----
  function hear(detail) {
    const header = stage.model?.header ?? {};
    const agrees = (one) => (name) => header[name] === undefined || one[name] === undefined || one[name] === header[name];
    const ours = (one) => one && ["run", "epoch", "criterion", "scope"].every(agrees(one));
    feed = [detail, feed, saved?.feed].find(ours) ?? null; // one about another stage is passed over
    unveilFeed();
    version++;
    schedule();
    settleSoon();
  }

  /** The feed as it may be seen now: behind the veil no outcome, and an answer on a hand set only while it is that set's. */
  function unveilFeed() {
    const fits = feed?.hand && feed.hand.id === handId && askedHand === handNow() ? feed.hand : null;
    const words = feed?.said || feed?.branch;
    const said = words && state.veiled && /%/.test(words) ? "" : words; // news with a figure may tell an outcome
    const shown = feed && { ...feed, said, hand: state.veiled ? null : fits, ...(state.veiled && { marks: [], retrained: null }) };
    const now = JSON.stringify(shown);
    if (now === feedShown) return; // the same object as long as it says the same: a view need not look twice
    feedShown = now;
    state.feed = shown;
    deck.setFeed(shown);
  }

  // ---- the hand on the slider, keys, play ----
  const slider = makeSlider(part, {
    get: () => state.percent,
    start: () => stage.model?.header.start || 0,
    move: (percent) => {
      player.stop();
      set({ percent });
    },
    hold: (held) => {
      moving = held;
      if (held) player.stop();
      else settle();
    },
  });
  const player = makePlayer({
    from: () => (state.percent >= 100 ? stage.model.header.start || 0 : state.percent),
    span: () => 100 - (stage.model.header.start || 0),
    move: (percent) => percent !== state.percent && set({ percent }),
    playing: (on) => {
      moving = on;
      deck.setPlaying(on);
      if (!on) settle();
    },
  });
  deck.listen({ set, ask: askServer, play: () => stage.model && player.toggle(), save: () => saveStage({ stage, bytes, feed }) });

  function focusSlider() {
    const idle = !document.activeElement || document.activeElement === document.body;
    if (idle) part.slider.focus({ preventScroll: true });
  }

  function onKey(event) {
    if (!stage.model || !isFree(event, part.slider)) return;
    const onSlider = event.composedPath()[0] === part.slider;
    let done = true;
    if (event.key === " ") player.toggle();
    else if (state.lecture && /^[1-6]$/.test(event.key)) set({ view: Number(event.key) });
    else if (state.lecture && event.key.toLowerCase() === "r") set({ veiled: !state.veiled });
    else done = (onSlider || /^Arrow(Left|Right)$/.test(event.key)) && slider.key(event.key);
    if (!done) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // Streamlit has single-letter keys of its own: R would run the page again
  }

  // ---- what changes from outside ----
  const onFeed = (event) => hear(event.detail);
  const onVisible = () => !document.hidden && schedule();
  const onTheme = (event) => event.target === root && measure();
  const watch = new ResizeObserver(measure);
  const health = saved ? null : watchServer({
    busy: () => moving,
    tell: (lost) => {
      offline = lost;
      schedule();
    },
  });
  const clear = saved ? null : keepClear();
  watch.observe(root);
  watch.observe(part.deck);
  addEventListener("resize", measure);
  addEventListener("keydown", onKey, true);
  addEventListener("pruning-feed", onFeed);
  document.addEventListener("visibilitychange", onVisible);
  root.addEventListener("transitionend", onTheme);

  function close() {
    player.stop();
    cancelAnimationFrame(frame);
    clearTimeout(resting);
    seen.disconnect();
    watch.disconnect();
    health?.close();
    clear?.close();
    removeEventListener("resize", measure);
    removeEventListener("keydown", onKey, true);
    removeEventListener("pruning-feed", onFeed);
    document.removeEventListener("visibilitychange", onVisible);
  }
  return { show, close };
}

// ---- where a stage begins, and its link ----
function firstState(saved) {
  const link = fromLink();
  const kept = { ...stageMemory, ...saved?.state };
  const set = (list) => new Set(list);
  const layer = link.layer ?? kept.layer;
  const named = link.unit === undefined ? null : { layer, unit: link.unit };
  const picked = link.layer === undefined ? kept.picked : named;
  return {
    percent: link.percent ?? kept.percent, picked, layer,
    hand: { killed: set(kept.hand?.killed), spared: set(kept.hand?.spared) },
    veiled: kept.veiled || false, lecture: false, view: link.view ?? kept.view, feed: null, guesses: [...kept.guesses],
  };
}

/** What the address says; undefined where it says nothing or nonsense. */
function fromLink() {
  const query = new URLSearchParams(location.search);
  const whole = (name, low, high) => {
    const value = query.get(name);
    return value !== null && /^\d{1,6}$/.test(value) && value >= low && value <= high ? Number(value) : undefined;
  };
  const layer = whole("layer", 1, 99);
  return {
    percent: whole("cut", 0, 100), layer: layer && layer - 1, unit: whole("neuron", 0, 999999), view: whole("view", 1, 6),
    lecture: query.get("lecture") === "1",
  };
}

function writeLink({ percent, picked, layer, view, lecture }) {
  writeAddress({ cut: percent, layer: layer + 1, neuron: picked?.unit, ...(lecture && { view }) });
}

// ---- the slider ----
function makeSlider(part, { get, start, move, hold }) {
  let box = null; // of the track, read once when the pointer goes down
  const at = (event) => Math.round((100 * (event.clientX - box.left)) / box.width);
  const { slider, track } = part;
  slider.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    slider.setPointerCapture(event.pointerId);
    box = track.getBoundingClientRect();
    hold(true);
    move(at(event));
  });
  slider.addEventListener("pointermove", (event) => box && at(event) !== get() && move(at(event)));
  const end = () => {
    if (!box) return;
    box = null;
    hold(false);
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) slider.addEventListener(name, end);

  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
  return {
    key(name) {
      const to = name === "Home" ? start() : name === "End" ? 100 : steps[name] ? get() + steps[name] : null;
      if (to !== null) move(to);
      return to !== null;
    },
  };
}

/** Sweeps by the clock, so that a slow computer drops percents and not the pace; where motion is to be reduced, in a few steps. */
function makePlayer({ from, span, move, playing }) {
  let frame = 0;
  function stop() {
    if (!frame) return;
    cancelAnimationFrame(frame);
    frame = 0;
    playing(false);
  }
  function start() {
    const begin = from();
    const pace = span() / SWEEP_SECONDS; // percents a second
    const stride = calm() ? CALM_STRIDE : 1;
    let passed = 0;
    let last = null;
    const step = (now) => {
      passed += last === null ? 0 : Math.min(0.25, (now - last) / 1000); // a tab that was away does not leap
      last = now;
      const percent = Math.min(100, begin + stride * Math.floor((passed * pace) / stride));
      frame = requestAnimationFrame(step);
      move(percent);
      if (percent >= 100) stop();
    };
    playing(true);
    frame = requestAnimationFrame(step);
  }
  return { stop, toggle: () => (frame ? stop() : start()) };
}

// ---- the bar ----
function makeDeck(part, stage) {
  const { state } = stage;
  const saved = savedStage();
  const viewButtons = LECTURE_VIEWS.map((name, i) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const [word, rest] = VIEW_WORDS[name];
    button.append(`${i + 1} ${word}`);
    if (rest) button.append(Object.assign(document.createElement("span"), { className: "deck-rest", textContent: ` ${rest}` }));
    button.dataset.number = i + 1;
    return button;
  });
  part.viewSwitch.append(...viewButtons);
  let layerButtons = [];
  let outline = ""; // what only changes with the model: "Hidden 1, 300 neurons" ...

  const living = (of) => {
    const { layers } = stage.model.header;
    return stage.model.living(state.percent, state.hand).map((alive, l) => `${alive}${of}${layers[l].units}`);
  };
  const askedOf = () => (stage.model.header.scope === "layer" ? "of each hidden layer" : "of all weights");

  function setModel(model) {
    const { header } = model;
    const start = header.start || 0;
    part.already.style.width = `${start}%`;
    part.already.title = start ? `already cut in the stored network: ${percent(header.start_achieved)} of all weights` : "";
    part.slider.setAttribute("aria-valuemin", start);
    part.slider.setAttribute("aria-valuemax", 100);
    part.slider.setAttribute("aria-label", `How much is cut: share ${askedOf()}, by ${header.criterion_label || "the criterion"}`);
    outline = header.layers.map(({ name }) => name).join();
    layerButtons = header.layers.map(({ name }, l) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name.replace("Hidden ", "") });
      button.dataset.layer = l;
      button.setAttribute("aria-label", name);
      return button;
    });
    part.layers.replaceChildren(...layerButtons);
  }

  function setEmpty(empty) {
    part.main.hidden = empty;
    if (empty) part.byHand.hidden = true;
  }

  function draw(offline) {
    part.offline.hidden = !offline;
    say(part.offline, offline ? "The server is not reachable: the stage goes on, new requests wait." : "");
    if (!stage.model) return;
    const { header } = stage.model;
    const p = state.percent;
    const start = header.start || 0;
    const figures = stage.model.figures(p);
    const outcome = stage.model.outcome(p);
    part.thumb.style.left = `${p}%`;
    part.gone.style.left = `${start}%`;
    part.gone.style.width = `${p - start}%`;
    part.gone.hidden = p === start;
    part.already.hidden = start === 0;
    say(part.ratio, `${p}${NARROW}%`);
    say(part.ratioWords, `${askedOf()}\n${p === start && start ? "cut already" : "requested"}`);
    say(part.accuracy, outcome ? percent(outcome.accuracy) : "?");
    part.accuracy.classList.toggle("unseen", !outcome);
    const one = outcome && !absent(outcome.answer) && answersOne(outcome.answer, stage.model.C);
    say(part.accuracyWords, one ? one.replace(": ", ":\n") : "test accuracy,\ncut once, not retrained");
    const answer = state.feed?.hand;
    const { achieved, achieved_hidden: hidden } = answer ?? { achieved: figures.achieved, achieved_hidden: figures.achievedHidden };
    const alone = ", by the slider alone"; // the figures of a set by hand come with the server's answer
    const whose = answer || handEmpty(state.hand) ? "" : alone;
    say(part.achieved, `achieved ${percent(achieved)} of all, ${percent(hidden)} of hidden weights${whose}`);
    say(part.living, `neurons alive ${living("/").join(" · ")}`);
    drawHand(answer, offline);
    offerLayers();
    say(part.reveal, state.veiled ? "Reveal" : "Veil");
    part.reveal.setAttribute("aria-pressed", String(state.veiled));
    const nothing = p === start && !state.hand.killed.size; // sparing only ever keeps more
    const wait = Boolean(saved || offline);
    part.branch.disabled = wait || nothing;
    const goes = `A new run goes on training from this network, cut at ${p} %.`;
    part.branch.title = nothing ? "Move the slider first: nothing is cut yet." : goes;
    part.retrain.disabled = part.epochs.disabled = wait || Boolean(state.feed?.retrained?.busy);
    for (const button of viewButtons) button.setAttribute("aria-pressed", String(Number(button.dataset.number) === state.view));
    for (const button of layerButtons) button.setAttribute("aria-pressed", String(Number(button.dataset.layer) === state.layer));
  }

  function offerLayers() {
    part.layerChoice.hidden = stage.model.L < 2 || !stage.oneLayer();
  }

  /** The slider's accuracy is not that of a network changed by hand: its own is said here, when the server has counted it. */
  function drawHand(answer, offline) {
    const { killed, spared } = state.hand;
    part.byHand.hidden = handEmpty(state.hand) || !stage.model.exact;
    if (part.byHand.hidden) return;
    const set = [killed.size && `${killed.size} killed`, spared.size && `${spared.size} spared`].filter(Boolean).join(", ");
    const waits = saved ? "can only be counted by the server" : offline ? "waits for the server" : "is being counted …";
    const one = answer && !absent(answer.answer) ? `, ${answersOne(answer.answer, stage.model.C)}` : "";
    const told = answer ? `: test accuracy ${percent(answer.accuracy)}, cut once, not retrained${one}` : ` ${state.veiled ? "is veiled" : waits}`;
    say(part.byHand, `By hand, on top of the slider: ${set}; what that costs${told}`);
  }

  /** Spoken words and guesses: not while the hand moves. */
  function settle() {
    const outcome = stage.model.outcome(state.percent);
    const one = outcome && !absent(outcome.answer) ? `, ${answersOne(outcome.answer, stage.model.C)}` : "";
    const cost = outcome ? `, test accuracy ${percent(outcome.accuracy)}, cut once, not retrained${one}` : "";
    const names = outline.split(",");
    const layers = living(" of ").map((words, l) => `${names[l]}: ${words} neurons alive`);
    part.slider.setAttribute("aria-valuenow", state.percent);
    part.slider.setAttribute("aria-valuetext", `${state.percent} % ${askedOf()} cut${cost}. ${layers.join(", ")}.`);
    showGuesses();
  }

  function showGuesses() {
    const items = state.guesses.map((guess) => {
      const item = document.createElement("li");
      const outcome = stage.model.outcome(guess.percent);
      const off = outcome && digits(Math.abs(guess.value - 100 * outcome.accuracy), 1);
      const truth = outcome ? `, truth ${percent(outcome.accuracy)}, ${off} points off` : "";
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "✕" });
      remove.setAttribute("aria-label", `Remove the guess ${guess.value} % at ${guess.percent} %`);
      remove.addEventListener("click", () => stage.set({ guesses: state.guesses.filter((other) => other !== guess) }));
      item.append(`at ${guess.percent}${NARROW}%: guess ${guess.value}${NARROW}%${truth}`, remove);
      return item;
    });
    part.guesses.replaceChildren(...items);
    part.guesses.hidden = !items.length;
  }

  function setFeed(feed) {
    part.job.hidden = !feed?.job;
    if (feed?.job) {
      say(part.jobWords, feed.job.text || "");
      part.jobShare.hidden = absent(feed.job.share);
      if (!absent(feed.job.share)) part.jobShare.value = feed.job.share;
    }
    say(part.news, feed?.said || "");
    part.news.hidden = !feed?.said;
  }

  function setPlaying(on) {
    part.playSign.setAttribute("d", on ? "M5 3H8.6V17H5ZM11.4 3H15V17H11.4Z" : "M5 3L17 10L5 17Z");
    part.play.setAttribute("aria-pressed", String(on));
    part.play.setAttribute("aria-label", on ? "Pause" : "Play: sweep the slider to 100 %");
    part.play.title = on ? "Pause (space)" : "Sweep the slider to 100 % (space)";
  }

  const pressed = (event, name, then) => {
    const button = event.target.closest("button");
    if (button) then(Number(button.dataset[name]));
  };

  function listen({ set, ask, play, save }) {
    part.play.addEventListener("click", play);
    part.reveal.addEventListener("click", () => set({ veiled: !state.veiled }));
    part.save.addEventListener("click", save);
    const pairs = () => ({ percent: state.percent, killed: handPairs(state.hand.killed), spared: handPairs(state.hand.spared) });
    part.branch.addEventListener("click", () => ask({ what: "branch", ...pairs() }));
    part.retrainForm.addEventListener("submit", (event) => {
      event.preventDefault();
      ask({ what: "retrain", epochs: clampTo(1, 50, Math.round(Number(part.epochs.value) || 2)) });
    });
    part.guessForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = part.guess.value === "" ? NaN : Number(part.guess.value);
      if (!(value >= 0 && value <= 100)) return;
      part.guess.value = "";
      set({ guesses: [...state.guesses, { run: stage.model.header.run, percent: state.percent, value }] });
      part.slider.focus({ preventScroll: true });
    });
    part.viewSwitch.addEventListener("click", (event) => pressed(event, "number", (view) => set({ view })));
    part.layers.addEventListener("click", (event) => pressed(event, "layer", (layer) => set({ layer })));
  }
  setPlaying(false);
  for (const name of ["branch", "retrainForm"]) part[name].hidden = Boolean(saved);
  part.save.hidden = Boolean(saved) || typeof STAGE_SOURCE === "undefined";
  return { setModel, setEmpty, draw, offerLayers, settle, setFeed, setPlaying, listen };
}

/** A view's table: {head, rows} -> a real one. */
function fillTable(box, { head, rows }, caption) {
  const cell = (name, words) => Object.assign(document.createElement(name), { textContent: absent(words) ? "–" : words });
  const line = (cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  };
  const table = document.createElement("table");
  table.setAttribute("aria-label", caption);
  table.createTHead().append(line(head.map((words) => cell("th", words))));
  table.createTBody().append(...rows.map((row) => line(row.map((words) => cell("td", words)))));
  box.replaceChildren(table);
}

// ---- whether the server is there ----
/** Asks `_stcore/health` now and then; after two failures in a row `tell(true)`, when it answers again `tell(false)`. */
function watchServer({ busy, tell }) {
  let found = null; // the address that has answered once
  let failures = 0;
  let lost = false;
  const answers = async (url) => {
    try {
      const reply = await fetch(url, { signal: AbortSignal.timeout(3000), cache: "no-store" });
      return reply.ok && (await reply.text()).trim() === "ok"; // any other page of the server is not its health
    } catch {
      return false;
    }
  };
  /** The app may live under a path of its own, and a page is one level below it. */
  const addresses = () => {
    const folders = location.pathname.split("/").filter(Boolean);
    const under = (up) => [...folders.slice(0, folders.length - up), "_stcore/health"].join("/");
    return Array.from({ length: folders.length + 1 }, (_, up) => `/${under(up)}`);
  };
  let asking = false;
  async function look() {
    if (asking || busy() || document.hidden) return;
    asking = true;
    if (!found) for (const url of addresses()) if (!found && (await answers(url))) found = url;
    if (found) {
      failures = (await answers(found)) ? 0 : failures + 1;
      const now = failures >= 2;
      if (now !== lost) tell((lost = now));
    }
    asking = false;
  }
  const timer = setInterval(look, HEALTH_EVERY);
  look();
  return { close: () => clearInterval(timer) };
}

/** Streamlit's notice that the server is gone would cover the stage, which goes on without one and says so itself. */
function keepClear() {
  const clear = () => {
    const notice = [...document.querySelectorAll('[role="dialog"]')].find((one) => one.textContent.includes("Connection error"));
    notice?.querySelector("button")?.click();
  };
  const watch = new MutationObserver(clear);
  watch.observe(document.body, { childList: true, subtree: true });
  return { close: () => watch.disconnect() };
}

// ---- the stage as one file ----
/** One HTML file that opens by double-click: the bundle's own source, the blob, and where the slider stands. */
function saveStage({ stage, bytes, feed }) {
  const { header } = stage.model;
  const { run, epoch, criterion, scope } = header;
  const { percent: at, picked, layer, view } = stage.state;
  const hand = { killed: [...stage.state.hand.killed], spared: [...stage.state.hand.spared] };
  const marks = feed ? { marks: feed.marks || [], retrained: feed.retrained ? { ...feed.retrained, busy: false } : null } : null;
  const keep = {
    when: new Date().toISOString().slice(0, 16).replace("T", " at ") + " UTC",
    state: { percent: at, picked, layer, view, hand, choices: stage.choices, guesses: [] },
    feed: marks && { run, epoch, criterion, scope, job: null, hand: null, said: "", ...marks },
  };
  const words = [header.run_label || header.dataset, `epoch ${header.epoch}`, header.criterion_label].filter(Boolean).join(", ");
  const page = standalone({ source: STAGE_SOURCE, keep, bytes, title: `Pruning stage: ${words}` });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  const plain = (name) => String(name ?? "").replace(/[^\w.-]+/g, "-");
  link.download = `stage-${plain(header.dataset)}-${plain(header.criterion)}-epoch${header.epoch}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function base64(bytes) {
  const pieces = [];
  for (let i = 0; i < bytes.length; i += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)));
  return btoa(pieces.join(""));
}

/** Must stay the very recipe of the test harness: style, html, the data as JSON, the script with its last export as a name. */
function standalone({ source, keep, bytes, title }) {
  const close = "</"; // spelled apart: this text itself lies in a script of the file it makes
  const escape = (words) => words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const inJson = (value) => JSON.stringify(value).replace(/</g, "\\u003c");
  const at = source.js.lastIndexOf("export default ");
  const js = `${source.js.slice(0, at)}const mountStage = ${source.js.slice(at + 15)}`.replace(/<(?=\/script|!--)/gi, "\\x3c");
  const css = source.css.replace(/<(?=\/style)/gi, "\\3c ");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}${close}title>
<style>
:root { color-scheme: light dark; --st-text-color: #31333f; --st-background-color: #ffffff; }
:root { --st-font: system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
@media (prefers-color-scheme: dark) { :root { --st-text-color: #fafafa; --st-background-color: #0e1117; } }
body { margin: 0; padding: 0.5rem 1.5rem 2rem; background: var(--st-background-color); }
${css}
${close}style></head>
<body>
${source.html}
<script type="application/json" id="stage-saved">${inJson(keep)}${close}script>
<script type="application/octet-stream" id="stage-blob">${base64(bytes)}${close}script>
<script type="module">
const STAGE_SAVED = JSON.parse(document.getElementById("stage-saved").textContent);
${js}
const savedBytes = Uint8Array.from(atob(document.getElementById("stage-blob").textContent), (sign) => sign.charCodeAt(0));
mountStage({ parentElement: document.body, data: savedBytes, setStateValue() {}, setTriggerValue() {} });
${close}script>
</body></html>
`;
}

export default keepMounted(".stage", makeStage);
