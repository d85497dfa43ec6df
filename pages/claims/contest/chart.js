// Accuracy against rank or cost: three curves, the networks of the chosen matching as marks, and a cursor that stands at one stop of
// the curves at a time. The shared chart (claims/plots.js) reads every x of every line; here one stop has another x on each curve.

const DUEL_COUNT = new Intl.NumberFormat("en-US");
const duelCount = (n) => (absent(n) ? "–" : DUEL_COUNT.format(n));
const DUEL_SHAPES = {
  diamond: (x, y, r) => `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`,
  ring: (x, y, r) => `M${x - r} ${y}A${r} ${r} 0 1 1 ${x + r} ${y}A${r} ${r} 0 1 1 ${x - r} ${y}Z`,
  triangle: (x, y, r) => `M${x} ${y - r}L${x + r} ${y + 0.8 * r}H${x - r}Z`,
};

/**
 * makeDuelChart(parent, move) -> { show({ theme, curves: [{ kind, points: [[x, y]] }], marks: [{ shape, kind, x, y, words, aside }], stops:
 * [{ x, dots: [[kind, x, y]], words }], low, high, xTitle }), stand(stop), plot, close() }; `move(stop)` is told where a hand puts it.
 */
function makeDuelChart(parent, move) {
  const box = panelNode(parent, "div", "plot-box duel");
  const what = { role: "slider", tabindex: 0, "aria-label": "Cursor along the ranks", "data-testid": "contest-chart" };
  const plot = box.appendChild(svg("svg", what));
  const clip = `duel-${Math.random().toString(36).slice(2)}`;
  const frame = plot.appendChild(svg("clipPath", { id: clip })).appendChild(svg("rect"));
  const names = ["axes", "lines", "cursor", "marks", "words"];
  const group = Object.fromEntries(names.map((name) => [name, plot.appendChild(svg("g", { class: name }))]));
  group.lines.setAttribute("clip-path", `url(#${clip})`);
  let shown = null;
  let at = null;
  let stop = 0;

  function show(what) {
    shown = what;
    draw();
  }

  function draw() {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    if (!shown || !width) return;
    const em = shown.theme.size;
    const { low, high } = shown;
    const [above, below, right] = [0.7 * em, 2.7 * em, 1.2 * em];
    const tall = Math.max(1, height - above - below);
    const { share, grades } = plotScale({ low, high, log: false, tall, em, word: (v) => percent(v, 0) });
    const left = plotWide(grades.map((grade) => grade.words), em) + 0.7 * em;
    const wide = Math.max(1, width - left - right);
    const most = Math.max(1, ...shown.curves.flatMap(({ points }) => points.map(([v]) => v)), ...shown.marks.map((mark) => mark.x));
    const x = (v) => left + (wide * v) / most;
    const y = (v) => above + tall * (1 - share(v));
    at = { x, y, em, left, wide, above, base: above + tall };
    const seen = { x: left, y: above - 3, width: wide + right, height: tall + 3 };
    for (const [name, value] of Object.entries(seen)) frame.setAttribute(name, value);
    for (const name of ["axes", "lines", "marks", "words"]) group[name].replaceChildren();
    for (const { v, words } of grades) {
      group.axes.append(svg("line", { class: "plot-grid", x1: left, x2: left + wide, y1: y(v), y2: y(v) }));
      group.axes.append(svg("text", { x: left - 0.35 * em, y: y(v), dy: "0.34em", "text-anchor": "end" }, words));
    }
    group.axes.append(svg("path", { class: "plot-axis", d: `M${left} ${above}V${at.base}H${left + wide}` }));
    for (const v of ticks(0, most, Math.max(2, Math.floor(wide / (5.5 * em))))) {
      group.axes.append(svg("line", { class: "plot-axis", x1: x(v), x2: x(v), y1: at.base, y2: at.base + 5 }));
      group.axes.append(svg("text", { x: x(v), y: at.base, dy: "1.2em", "text-anchor": "middle" }, duelCount(v)));
    }
    group.axes.append(svg("text", { x: left + wide / 2, y: at.base, dy: "2.4em", "text-anchor": "middle" }, shown.xTitle));
    for (const { kind, points } of shown.curves) {
      group.lines.append(svg("path", { class: `line ${kind}`, "data-kind": kind, d: pen(points.map(([v, w]) => [x(v), y(w)])) }));
    }
    for (const mark of shown.marks) drawMark(mark);
    stand(stop);
  }

  function drawMark({ shape, kind, x: mx, y: my, words, aside = 0, big = false }) {
    const { x, y, em, left, wide } = at;
    const [px, py] = [x(mx) + aside * em, y(my)];
    const d = DUEL_SHAPES[shape](px, py, (big ? 0.65 : 0.42) * em);
    const mark = svg("path", { class: `mark ${shape} ${kind}`, "data-mark": `${kind} ${shape}`, d });
    mark.append(svg("title", {}, `${words}: ${percent(my, 2)}`));
    group.marks.append(mark);
    if (!big) return;
    const after = px + 12 * em < left + wide;
    const [beside, anchor] = after ? [1.9 * em, "start"] : [-1.9 * em, "end"];
    const place = { class: "pruned-word", x: px + beside, y: py - 1.15 * em, dy: "0.34em", "text-anchor": anchor };
    group.words.append(svg("text", place, `${words} ${percent(my, 2)}`));
  }

  /** Puts the cursor at a stop. */
  function stand(place) {
    stop = place;
    group.cursor.replaceChildren();
    const here = shown?.stops[stop];
    if (!here || !at) return;
    const px = at.x(here.x);
    group.cursor.append(svg("line", { class: "plot-cursor", x1: px, x2: px, y1: at.above, y2: at.base }));
    const { em, base } = at;
    group.cursor.append(svg("path", { class: "grip", d: `M${px - 0.4 * em} ${base + 0.5 * em}h${0.8 * em}l${-0.4 * em} ${-0.5 * em}Z` }));
    for (const [kind, dx, dy] of here.dots) {
      if (dy >= shown.low) group.cursor.append(svg("circle", { class: `line dot ${kind}`, cx: at.x(dx), cy: at.y(dy), r: 0.32 * at.em }));
    }
    plot.setAttribute("aria-valuemin", 0);
    plot.setAttribute("aria-valuemax", shown.stops.length - 1);
    plot.setAttribute("aria-valuenow", stop);
    plot.setAttribute("aria-valuetext", here.words);
  }

  const nearest = (event) => {
    const v = event.clientX - plot.getBoundingClientRect().left;
    const away = shown.stops.map((one) => Math.abs(at.x(one.x) - v));
    return away.indexOf(Math.min(...away));
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !at) return;
    plot.setPointerCapture?.(event.pointerId);
    move(nearest(event));
  });
  plot.addEventListener("pointermove", (event) => at && event.buttons & 1 && move(nearest(event)));
  plot.addEventListener("keydown", (event) => {
    if (!shown || !isPlain(event)) return;
    const last = shown.stops.length - 1;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -last, End: last, PageDown: -8, PageUp: 8 };
    const to = event.key in steps ? stop + steps[event.key] : undefined;
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    stop = Math.min(last, Math.max(0, to)); // at once: the next key may come before the frame that draws this one
    move(stop);
  });
  return { show, stand, plot, close: plotWatch(plot, draw) };
}
