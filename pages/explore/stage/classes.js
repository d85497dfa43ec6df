// Which classes pay: accuracy per class at the slider's percent, the confusion matrix, and every class over the whole slider.
//
// Three pictures with the same rows, one a class. Only the bars are drawn anew while the slider moves; the matrix changes at every tenth
// percent, and over the strip only a marker moves. Nothing of an outcome is on a canvas while the veil is down.

const CLASSES_LOST = 0.1; // a class counts as lost from where it has lost ten points
const CLASSES_TEXTLESS = 1.05; // rows lower than this, in em, carry no words of their own

/** [text on a colour]: the page's own text or background, whichever stands out. */
function classesInk(theme, colour) {
  const light = ([r, g, b]) => 0.3 * r + 0.59 * g + 0.11 * b;
  const far = (ink) => Math.abs(light(ink) - light(colour));
  return css(far(theme.rgb.text) >= far(theme.rgb.back) ? theme.rgb.text : theme.rgb.back);
}

/** Per class the smallest percent at which it has lost ten points against the stored network; null: never. */
function classesLost(model) {
  const start = model.header.start || 0;
  const before = model.classesAt(start);
  if (!before) return null;
  return before.map((was, c) => {
    if (absent(was)) return null;
    for (let p = start; p <= 100; p++) if (was - model.classesAt(p)[c] >= CLASSES_LOST - 1e-9) return p;
    return null;
  });
}

/** Classes in the order in which they are lost; of those lost together, the one that loses more over the whole slider. */
function classesQueue(model, lost) {
  const sums = lost.map((_, c) => {
    let sum = 0;
    for (let p = model.header.start || 0; p <= 100; p++) sum += model.classesAt(p)[c] || 0;
    return sum;
  });
  return lost.map((_, c) => c).sort((a, b) => (lost[a] ?? 200) - (lost[b] ?? 200) || sums[a] - sums[b]);
}

/** A canvas sized to the device's pixels, its context in CSS px. */
function classesCanvas(parent, testid) {
  const panel = panelNode(parent, "div", "panel");
  const title = panelNode(panel, "p", "title");
  const frame = panelNode(panel, "div", "frame");
  const canvas = panelNode(frame, "canvas");
  canvas.dataset.testid = testid;
  canvas.setAttribute("role", "img");
  const ctx = canvas.getContext("2d");
  let [width, height, dpr] = [0, 0, 1];
  return {
    panel, title, frame, canvas, ctx,
    size(w, h, ratio) {
      dpr = ratio;
      const [wide, high] = [Math.round(w * dpr), Math.round(h * dpr)];
      [width, height] = [wide / dpr, high / dpr];
      if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      panel.style.width = `${width}px`;
    },
    clear(font) {
      ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
      ctx.clearRect(0, 0, width, height);
      ctx.font = font;
      ctx.textBaseline = "middle";
    },
    width: () => width,
  };
}

function makeClasses(box, stage) {
  const choices = stage.choices;
  choices.classOrder ||= "natural";
  choices.classPanel ||= "bars";
  const head = panelNode(box, "div", "head");
  const title = panelNode(head, "h3", "", "Accuracy per class ");
  panelNode(title, "span", "faint", "test images, cut once, not retrained");
  const orders = [["natural", "natural"], ["lost", "lost first"]];
  const press = panelSwitch(head, "Order of the classes", orders, () => choices.classOrder, (value) => {
    choices.classOrder = value;
    press();
    stale();
    draw(stage.state);
  });
  const panelsBar = panelNode(head, "span", "which");
  const pictures = [["bars", "accuracy"], ["strip", "over slider"], ["matrix", "confusion"]];
  const picture = () => (choices.classPanel === "strip" && !single ? "bars" : choices.classPanel);
  let single = false; // in a narrow box of the hall bars and strip are pictures of their own
  const pressPanel = panelSwitch(panelsBar, "Picture", pictures, picture, (value) => {
    choices.classPanel = value;
    pressPanel();
    layout();
    draw(stage.state);
  });
  const said = panelNode(box, "p", "lost");
  said.dataset.testid = "classes-lost";
  const panels = panelNode(box, "div", "panels");
  const bars = classesCanvas(panels, "class-bars");
  const strip = classesCanvas(panels, "class-strip");
  const matrix = classesCanvas(panels, "confusion");
  const marker = panelNode(strip.frame, "i", "marker");
  const note = panelNode(box, "p", "faint");
  const shades = []; // 256 colours from the background to the accent
  const inks = [];
  let model = null;
  let width = 0;
  let font = "";
  let theme = "";
  let at = null; // lengths of the drawing
  let order = []; // row -> class
  let lost = null; // class -> percent at which ten points are lost; null behind the veil
  let queue = null;
  let before = null;
  let wasVeiled = null;
  let drawnStrip = "";
  let drawnMatrix = "";
  const figures = new Map(); // words -> canvas
  const matrices = new Map(); // percent -> canvas: words are slow to draw, so each matrix is drawn once
  let warming = 0; // timer
  let drawnBars = []; // row -> the value that is drawn, null: to be drawn

  function setModel(next) {
    model = next;
    wasVeiled = null;
    stale();
    resize();
  }

  function resize() {
    width = panels.clientWidth;
    panelTighten(box, stage);
    const style = getComputedStyle(box);
    font = `${style.fontSize} ${style.fontFamily}`;
    layout();
  }

  const stale = () => {
    at = null;
    drawnStrip = drawnMatrix = "";
    drawnBars = [];
    matrices.clear();
    figures.clear();
  };

  /** Lengths, from the widest name and what the page offers. Names longer than three letters are numbered in the matrix's columns. */
  function layout() {
    stale();
    if (!model || !width || !stage.theme) return;
    const em = stage.theme.size;
    const { C, header } = model;
    const lecture = Boolean(stage.state?.lecture);
    bars.ctx.font = font;
    const wide = (words) => bars.ctx.measureText(words).width;
    const long = header.classes.some((name) => String(name).length > 3);
    const names = header.classes.map((name, c) => (long ? `${c}  ${name}` : String(name)));
    const shorts = header.classes.map((name, c) => (long ? String(c) : String(name)));
    const nameWide = Math.min(Math.max(...names.map(wide)) + 0.6 * em, Math.max(0.4 * width, 5 * em), 10 * em);
    const shortWide = Math.max(...shorts.map(wide)) + 0.6 * em;
    const valueWide = wide(`100.0${NARROW}%`) + 0.5 * em;
    const gap = 1.6 * em;
    const bothWide = nameWide + valueWide + 5 * em + shortWide + 9 * em;
    single = lecture && width - gap - 4 < bothWide;
    const only = lecture ? picture() : null;
    // Where the box is low, too, the sentence about the whole slider stands over the picture of the whole slider alone.
    said.hidden = single && box.classList.contains("tight") && only !== "strip";
    const words = single && only === "bars" ? 1.6 : 3.3; // over and under the rows
    const room = lecture ? Math.max(4 * em, box.clientHeight - panels.offsetTop - words * em) : 17 * em;
    const step = Math.max(0.3 * em, Math.min((lecture ? 1.9 : 1.55) * em, Math.max(room / C, C <= 12 && !lecture ? 1.2 * em : 0)));
    const most = Math.max(...header.class_sizes, 1);
    const digitsWide = wide(String(most));
    const worded = step >= CLASSES_TEXTLESS * em && (width - shortWide) / C >= digitsWide + 0.1 * em; // counts fit into the cells
    const cell = Math.min(worded ? digitsWide + 0.5 * em : Math.max(1.4 * step, C > 20 ? 0 : 2 * em), (width - shortWide) / C);
    const matrixFull = shortWide + C * cell;
    const beside = !lecture && width - matrixFull - 2 * gap > nameWide + valueWide + 6 * em + shortWide + 12 * em;
    const shared = (beside ? width - matrixFull - 2 * gap : width - gap) - 4; // each picture is rounded to whole pixels
    const stacked = shared < bothWide;
    const barsWide = stacked ? width : Math.min(26 * em, Math.max(nameWide + valueWide + 6 * em, 0.5 * shared));
    const stripWide = stacked ? width : Math.min(shared - barsWide, 36 * em);
    const start = header.start || 0;
    const edge = Math.max(0, CLASSES_TEXTLESS * em - step); // so that the first and last name are whole
    at = {
      em, names, shorts, step, nameWide, shortWide, valueWide, cell, counts: worded,
      from: start < 30 ? 0 : 10 * Math.floor(start / 10), // as the plot of the cost: nothing happens further left
      every: Math.ceil((CLASSES_TEXTLESS * em) / step), // rows from one name to the next
      top: edge / 2, high: C * step + edge, foot: 1.4 * em,
      bar: barsWide - nameWide - valueWide, stripFrom: shortWide, stripWide: stripWide - shortWide - 0.9 * em,
    };
    const dpr = stage.dpr || 1;
    panelsBar.hidden = !lecture;
    panelsBar.querySelector("[data-value=strip]").hidden = !single;
    pressPanel();
    bars.panel.hidden = only === "matrix" || only === "strip";
    strip.panel.hidden = only === "matrix" || (single && only === "bars");
    matrix.panel.hidden = lecture && only !== "matrix";
    bars.size(barsWide, at.high, dpr);
    strip.size(stripWide, at.high + at.foot, dpr);
    matrix.size(shortWide + C * cell, at.high + at.foot, dpr);
    marker.style.height = `${at.high}px`;
    say(note, long && !at.counts ? "Columns of the matrix are numbered like the classes." : "");
    note.hidden = !note.textContent;
  }

  function setTheme() {
    if (theme === stage.theme.id) return;
    theme = stage.theme.id;
    for (let i = 0; i < 256; i++) {
      const colour = panelShade(stage.theme, i / 255);
      shades[i] = css(colour);
      inks[i] = classesInk(stage.theme, colour);
    }
    layout();
  }
  const shade = (share) => Math.round(255 * Math.min(1, Math.max(0, share || 0)));

  /** What depends on the outcomes, when the veil falls or lifts. */
  function setVeil(veiled) {
    if (veiled === wasVeiled) return;
    wasVeiled = veiled;
    matrix.canvas.title = "";
    lost = veiled ? null : classesLost(model);
    before = veiled ? null : model.classesAt(model.header.start || 0);
    queue = lost && classesQueue(model, lost);
    say(said, lost ? lostInWords() : "Which classes are lost first: veiled.");
    drawnStrip = drawnMatrix = "";
    drawnBars = [];
    if (stage.state.lecture) resize(); // the sentence may have got or lost a line
  }

  function lostInWords() {
    const gone = queue.filter((c) => lost[c] !== null);
    if (!gone.length) return "No class loses ten points at any ratio.";
    const first = gone.slice(0, 3);
    const names = first.map((c) => model.header.classes[c]).join(", ");
    return `Lost first: ${names} (−10 points at ${first.map((c) => lost[c]).join(", ")}${NARROW}%).`;
  }

  function draw(state) {
    if (!model || !stage.theme || !width) return;
    if (!model.C) return void say(said, "This stage was stored without classes.");
    setTheme();
    if (!at) layout();
    const veiled = Boolean(state.veiled || model.veiled);
    setVeil(veiled);
    if (!at) return; // not on show: it is measured and drawn when it is
    order = choices.classOrder === "lost" && queue ? queue : model.header.classes.map((_, c) => c);
    const alone = panelHandEmpty(state.hand) ? "" : ", slider alone"; // what is set by hand is not in these figures
    say(bars.title, `at ${state.percent}${NARROW}%${alone} (tick: ${model.header.start ? "as stored" : "uncut"})`);
    if (!bars.panel.hidden) drawBars(veiled ? null : model.classesAt(state.percent));
    if (!strip.panel.hidden) {
      drawStrip(veiled);
      marker.style.transform = `translateX(${at.stripFrom + (at.stripWide * (state.percent - at.from + 0.5)) / (101 - at.from)}px)`;
    }
    if (!matrix.panel.hidden) drawMatrix(veiled ? null : model.confusionAt(state.percent), veiled);
  }

  const y = (row) => at.top + row * at.step;
  const whole = (v) => Math.round(v * stage.dpr) / stage.dpr; // on device pixels, else what is drawn over leaves seams

  function labels(ctx, words, right, row) {
    if (row % at.every) return;
    ctx.textAlign = "left";
    ctx.fillStyle = stage.theme.text;
    ctx.fillText(words, 0, y(row) + at.step / 2 + 0.05 * at.em, right);
  }

  /** Only rows whose value changed: words are what takes long on a canvas. */
  function drawBars(values) {
    const { ctx } = bars;
    const { em, valueWide, step } = at;
    const [nameWide, bar, thick] = [whole(at.nameWide), whole(at.bar), Math.max(1, whole(0.72 * step))];
    const topOf = (row) => whole(y(row) + (step - thick) / 2);
    const first = !drawnBars.length;
    if (first) {
      bars.clear(font);
      order.forEach((c, row) => labels(ctx, at.names[c], nameWide - 0.5 * em, row));
    }
    if (!values) {
      if (!first) return;
      ctx.fillStyle = stage.theme.dead;
      order.forEach((c, row) => ctx.fillRect(nameWide, topOf(row), bar, thick));
      questions(ctx, nameWide, bar + valueWide);
      drawnBars = order.map(() => null);
      return;
    }
    order.forEach((c, row) => {
      if (!first && drawnBars[row] === values[c]) return;
      drawnBars[row] = values[c];
      const top = topOf(row);
      const tick = whole(nameWide + bar * before[c] - 1.5);
      ctx.clearRect(nameWide - 2, whole(y(row)), bar + 4, whole(y(row + 1)) - whole(y(row)));
      ctx.fillStyle = stage.theme.dead;
      ctx.fillRect(nameWide, top, bar, thick);
      ctx.fillStyle = stage.theme.train;
      ctx.fillRect(nameWide, top, whole(bar * (values[c] || 0)), thick);
      ctx.fillStyle = stage.theme.text;
      if (!absent(before[c])) ctx.fillRect(tick, whole(y(row)), 3, whole(y(row + 1)) - whole(y(row)) - (step > 6 ? 1 : 0));
      if (row % at.every) return;
      const tall = at.every * step; // the words' own room
      const left = nameWide + bar + 2;
      ctx.clearRect(left, whole(y(row) + (step - tall) / 2), valueWide, whole(tall));
      const words = figure(absent(values[c]) ? "no image" : percent(values[c]), valueWide - 2, 1.3 * em);
      ctx.drawImage(words, left, whole(top + thick / 2 - 0.65 * em), valueWide - 2, 1.3 * em);
    });
  }

  /** Words at the right edge of a canvas of their own, kept: writing on a canvas in the page makes the browser settle all styles first. */
  function figure(words, wide, high) {
    if (!figures.has(words)) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [Math.round(wide * stage.dpr), Math.round(high * stage.dpr)];
      const ctx = canvas.getContext("2d");
      ctx.scale(canvas.width / wide, canvas.height / high);
      ctx.font = font;
      ctx.textBaseline = "middle";
      ctx.textAlign = "right";
      ctx.fillStyle = stage.theme.text;
      ctx.fillText(words, wide, high / 2 + 0.05 * at.em);
      figures.set(words, canvas);
    }
    return figures.get(words);
  }

  /** A field of question marks with the word over what is veiled. */
  function questions(ctx, left, wide) {
    const { em, high } = at;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, 0, wide, high);
    ctx.clip();
    ctx.fillStyle = stage.theme.slash;
    ctx.textAlign = "left";
    for (let row = 0, top = 0.8 * em; top < high; top += 1.4 * em, row++) {
      for (let x = left + (row % 2 ? 1.3 : 0.3) * em; x < left + wide; x += 2.4 * em) ctx.fillText("?", x, top);
    }
    ctx.textAlign = "center";
    ctx.lineWidth = 0.6 * em;
    ctx.lineJoin = "round";
    ctx.strokeStyle = stage.theme.back;
    ctx.strokeText("veiled", left + wide / 2, high / 2);
    ctx.fillStyle = stage.theme.text;
    ctx.fillText("veiled", left + wide / 2, high / 2);
    ctx.restore();
  }

  /** Class by percent, once: accuracy as a colour, so that one sees in which order the rows fade. */
  function drawStrip(veiled) {
    const now = `${veiled} ${choices.classOrder}`;
    if (now === drawnStrip) return;
    drawnStrip = now;
    const { ctx } = strip;
    const { em, stripFrom, stripWide, from, high } = at;
    const across = (p) => stripFrom + (stripWide * (p - from)) / (101 - from);
    const start = model.header.start || 0;
    say(strip.title, "over the slider");
    strip.clear(font);
    order.forEach((c, row) => labels(ctx, at.shorts[c], stripFrom - 0.4 * em, row));
    ctx.fillStyle = stage.theme.dead;
    ctx.fillRect(stripFrom, 0, stripWide, high);
    if (veiled) questions(ctx, stripFrom, stripWide);
    else {
      const edge = (p) => whole(across(p));
      for (let p = start; p <= 100; p++) {
        const values = model.classesAt(p);
        order.forEach((c, row) => {
          ctx.fillStyle = shades[shade(values[c])];
          ctx.fillRect(edge(p), whole(y(row)), edge(p + 1) - edge(p), whole(y(row + 1)) - whole(y(row)));
        });
      }
    }
    ctx.fillStyle = stage.theme.faint;
    for (const p of stripWide > 9 * em ? [from, (from + 100) / 2, 100] : [from, 100]) {
      ctx.textAlign = p === 100 ? "right" : p === from ? "left" : "center";
      const [words, where] = p === 100 ? [`100${NARROW}%`, stripFrom + stripWide + 0.9 * em] : [String(p), across(p + 0.5)];
      ctx.fillText(words, where, high + 0.75 * em);
    }
    strip.canvas.setAttribute("aria-label", `Accuracy per class over the slider${veiled ? ": veiled." : `. ${lostInWords()}`}`);
  }

  function drawMatrix(answers, veiled) {
    const now = `${veiled} ${answers?.percent} ${choices.classOrder}`;
    if (now === drawnMatrix) return;
    drawnMatrix = now;
    const { ctx, canvas } = matrix;
    if (!answers) {
      matrices.clear();
      matrix.clear(font);
      say(matrix.title, veiled ? "confusion matrix: veiled" : "confusion matrix: not stored");
      matrixFrame(ctx);
      ctx.fillStyle = stage.theme.dead;
      ctx.fillRect(at.shortWide, 0, model.C * at.cell, at.high);
      if (veiled) questions(ctx, at.shortWide, model.C * at.cell);
      canvas.setAttribute("aria-label", matrix.title.textContent);
      return;
    }
    say(matrix.title, `confusion at ${answers.percent}${NARROW}%: truth ↓, answer →`);
    const what = `Confusion matrix at ${answers.percent}${NARROW}%, ${model.C} classes`;
    canvas.setAttribute("aria-label", `${what}; row: true class, column: answer.`);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.drawImage(matrixAt(answers), 0, 0);
    if (!warming) warming = setTimeout(warm, 300);
  }

  /** Draws the other matrices while nothing else is to be done, so that the slider finds them ready. */
  function warm() {
    warming = 0;
    if (!at || model.veiled || stage.state.veiled || matrix.panel.hidden) return;
    const next = (model.header.coarse || []).find((p) => !matrices.has(p));
    if (next === undefined) return;
    matrixAt(model.confusionAt(next));
    warming = setTimeout(warm, 30);
  }

  function matrixAt(answers) {
    if (!matrices.has(answers.percent)) matrices.set(answers.percent, matrixDrawn(answers));
    return matrices.get(answers.percent);
  }

  /** The names of rows and columns. */
  function matrixFrame(ctx) {
    const { em, shortWide, cell, high } = at;
    order.forEach((c, row) => labels(ctx, at.shorts[c], shortWide - 0.4 * em, row));
    ctx.fillStyle = stage.theme.faint;
    ctx.textAlign = "center";
    const every = Math.ceil((shortWide + 0.1 * em) / cell);
    order.forEach((c, column) => column % every || ctx.fillText(at.shorts[c], shortWide + (column + 0.5) * cell, high + 0.75 * em));
  }

  function matrixDrawn(answers) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [matrix.canvas.width, matrix.canvas.height];
    const ctx = canvas.getContext("2d");
    ctx.scale(stage.dpr, stage.dpr);
    ctx.font = font;
    ctx.textBaseline = "middle";
    matrixFrame(ctx);
    const { em, shortWide, cell, step, high, counts } = at;
    const { C } = model;
    order.forEach((c, row) => {
      const from = c * C;
      let sum = 0;
      for (let k = 0; k < C; k++) sum += answers.counts[from + k];
      order.forEach((k, column) => {
        const count = answers.counts[from + k];
        const i = shade(sum ? count / sum : 0);
        ctx.fillStyle = count ? shades[Math.max(i, 8)] : stage.theme.back; // one image must still be seen
        ctx.fillRect(shortWide + column * cell, y(row), cell - (cell > 6 ? 1 : 0), step - (step > 6 ? 1 : 0));
        if (!counts || !count) return;
        ctx.fillStyle = inks[i];
        ctx.fillText(String(count), shortWide + (column + 0.5) * cell, y(row) + step / 2 + 0.05 * em, cell);
      });
    });
    ctx.strokeStyle = stage.theme.line;
    ctx.lineWidth = 1;
    ctx.strokeRect(shortWide - 0.5, 0.5, C * cell, high - 1);
    return canvas;
  }

  // ---- names and figures of what is pointed at, for matrices too small for words ----
  matrix.canvas.addEventListener("pointermove", (event) => {
    const answers = at && model.confusionAt(stage.state.percent);
    const row = Math.floor((event.offsetY - at?.top) / at?.step);
    const column = Math.floor((event.offsetX - at?.shortWide) / at?.cell);
    if (!answers || stage.state.veiled || column < 0 || !(order[row] >= 0) || !(order[column] >= 0)) return void (matrix.canvas.title = "");
    const [c, k] = [order[row], order[column]];
    const { classes } = model.header;
    matrix.canvas.title = `${costCount(answers.counts[c * model.C + k])} images of ${classes[c]} answered ${classes[k]}`;
  });
  matrix.canvas.addEventListener("pointerleave", () => (matrix.canvas.title = ""));

  function text(state) {
    if (!model) return "";
    if (state.veiled || model.veiled) return "Accuracy per class: veiled.";
    setVeil(false);
    const values = model.classesAt(state.percent).map((v, c) => `${model.header.classes[c]} ${percent(v)}`);
    return `Accuracy per class at ${state.percent}${NARROW}%, cut once, not retrained: ${values.join(", ")}. ${lostInWords()}`;
  }

  function table(state) {
    if (!model) return null;
    const stored = model.header.start ? "as stored" : "uncut";
    const columns = ["class", "test images", `right at ${state.percent}${NARROW}%`, stored, "ten points lost at"];
    const veiled = state.veiled || model.veiled;
    if (!veiled) setVeil(false);
    const values = veiled ? null : model.classesAt(state.percent);
    const rows = model.header.classes.map((name, c) => {
      const when = lost?.[c] === null ? "never" : `${lost?.[c]}${NARROW}%`;
      const outcomes = values ? [percent(values[c]), percent(before[c]), when] : ["veiled", "veiled", "veiled"];
      return [String(name), costCount(model.header.class_sizes[c]), ...outcomes];
    });
    return { head: columns, rows };
  }

  /** A class's row in the three pictures, and a cell of the matrix, in CSS px of their canvases. */
  box.classRow = (c) => ({ y: y(order.indexOf(c)), h: at.step, barX: at.nameWide, barWidth: at.bar });
  box.confusionCell = (c, k) => ({ x: at.shortWide + order.indexOf(k) * at.cell, y: y(order.indexOf(c)), w: at.cell, h: at.step });
  return { setModel, resize, draw, text, table };
}
