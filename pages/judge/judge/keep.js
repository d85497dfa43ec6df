// Saves the figure of the open card as SVG or PNG, with what it was made from printed in. Nothing is sent anywhere.

const JUDGE_STYLE = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "paint-order"];

/** A text in lines of at most `most` letters. */
function judgeLines(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length + 1 > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines;
}

/** The figure as an SVG that stands alone: its styles written in, title and verdict above, its settings below. */
function judgeAlone(figure, { header, card, theme }) {
  const em = theme.size;
  const [wide, tall] = [figure.clientWidth, figure.clientHeight];
  const copy = figure.cloneNode(true);
  const before = figure.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((node, i) => {
    const style = getComputedStyle(before[i]);
    node.setAttribute("style", JUDGE_STYLE.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    node.removeAttribute("class");
  });
  const most = Math.floor(wide / (0.5 * em));
  const above = [card.title, ...judgeLines(`${judgeCapital(card.headline)}. ${card.sentence}`, most)];
  const below = [...judgeLines(judgeMarks(card), most), ...judgeLines(`${header.setting}. ${header.provenance}`, most), ...judgeLines(header.rule[1] || "", most)];
  const top = (above.length + 1) * 1.3 * em;
  const height = top + tall + (below.length + 1) * 1.3 * em;
  const alone = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width: wide + 2 * em, height, viewBox: `${-em} 0 ${wide + 2 * em} ${height}` });
  const font = `font-family:sans-serif;font-size:${em}px`;
  alone.append(svg("rect", { x: -em, y: 0, width: wide + 2 * em, height, fill: theme.back }));
  above.forEach((line, i) => alone.append(svg("text", { x: 0, y: (i + 1.1) * 1.3 * em, fill: theme.text, style: `${font};font-weight:${i ? 400 : 700}` }, line)));
  below.forEach((line, i) => alone.append(svg("text", { x: 0, y: top + tall + (i + 1) * 1.3 * em, fill: theme.faint, style: font }, line)));
  const inner = svg("g", { transform: `translate(0 ${top})` });
  inner.append(...copy.childNodes);
  alone.append(inner);
  return { text: new XMLSerializer().serializeToString(alone), wide: wide + 2 * em, height };
}

function judgeKeeper(part, now) {
  const urls = [];
  const give = (content, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    urls.push(link.href);
    link.download = name;
    link.click();
  };
  const name = (kind) => `${now().header.key.replace(/[^\w.-]+/g, "-")}-${now().card.name}.${kind}`;
  const made = () => judgeAlone(part.figure, now());
  part.saveSvg.addEventListener("click", () => give(new Blob([made().text], { type: "image/svg+xml" }), name("svg")));
  part.savePng.addEventListener("click", () => {
    const { text, wide, height } = made();
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * wide, 2 * height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((content) => content && give(content, name("png")), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
  return { close: () => urls.splice(0).forEach((url) => URL.revokeObjectURL(url)) };
}

export default keepMounted("[data-testid=judge]", (root, report) => makeJudge(root, report));
