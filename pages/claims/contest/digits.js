// The test images on which two networks part: that only the pruned one gets right, and that only the other does.

const DUEL_NOBODY = 0xffff; // as core/views/pca.py has it

function makeDuelDigits(parent) {
  const rows = ["pruned", "other"].map((way) => {
    const box = panelNode(parent, "div", "duel-way");
    box.dataset.testid = `contest-only-${way}`;
    return { title: panelNode(box, "h3"), list: panelNode(box, "ol") };
  });

  /** `network`: its place in the blob's counts and images; `name`, `short`: of the network beside the pruned one. */
  function show({ theme, header, arrays, network, name, short }) {
    const titles = ["Only the pruned network is right", `Only ${name} is right`];
    rows.forEach(({ title, list }, way) => {
      const count = arrays.counts[2 * network + way];
      say(title, `${titles[way]}: ${duelCount(count)} of ${duelCount(header.test_images)} test images`);
      const shown = arrays.images.length / arrays.counts.length;
      const first = (2 * network + way) * shown;
      const items = count ? [heads(short)] : [];
      for (let i = first; i < first + shown; i++) {
        const place = arrays.images[i];
        if (place !== DUEL_NOBODY) items.push(digit({ theme, header, arrays, place, said: arrays.said[i], name, way }));
      }
      list.replaceChildren(...items);
    });
  }

  /** What the two rows of words under the pictures are. */
  function heads(short) {
    const item = document.createElement("li");
    item.className = "heads";
    panelNode(item, "span", "", "pruned");
    panelNode(item, "span", "", short);
    return item;
  }

  function digit({ theme, header, arrays, place, said, name, way }) {
    const item = document.createElement("li");
    const names = header.classes;
    const [label, mine, theirs] = [names[arrays.pool_label[place]], names[arrays.pool_pruned[place]], names[said]];
    item.title = `Test image ${arrays.pool_place[place]} is ${label}. The pruned network says ${mine}, ${name} says ${theirs}.`;
    if (header.image_shape) item.append(duelPicture(theme, arrays.pool, place, header.image_shape));
    else panelNode(item, "span", "faint", `image ${arrays.pool_place[place]}, is ${label}`);
    panelNode(item, "span", way ? "wrong" : "right", mine);
    panelNode(item, "span", way ? "right" : "wrong", theirs);
    return item;
  }
  return { show };
}

function duelPicture(theme, pool, place, [high, wide]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [wide, high];
  const ctx = canvas.getContext("2d");
  const pixels = ctx.createImageData(wide, high);
  const { text, back } = theme.rgb;
  for (let i = 0; i < wide * high; i++) {
    const ink = blend(back, text, pool[place * wide * high + i] / 255);
    pixels.data.set([...ink, 255], 4 * i);
  }
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}
