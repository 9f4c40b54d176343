// Small drawings of figures through time. Each says in words what it shows.
const SVG = 'http://www.w3.org/2000/svg';

export function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Bars of equal width; those from `future` on are drawn as what is only expected. The highest stands for `most`. */
export function bars(values, label, { width = 288, height = 56, future = values.length, most = Math.max(...values) } = {}) {
  const svg = shape('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, preserveAspectRatio: 'none' });
  const step = width / values.length;
  values.forEach((value, index) => {
    if (!value) return;
    const tall = Math.max(1.5, (value / most) * (height - 2));
    svg.append(shape('rect', {
      class: index >= future ? 'bar is-expected' : 'bar', x: index * step, y: height - tall, width: Math.max(0.7, step - (step > 3 ? 1 : 0.2)),
      height: tall,
    }));
  });
  svg.append(shape('line', { class: 'base', x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }));
  return svg;
}

/** Lines over the same span, each `{values, name}`; gaps where a value is null. */
export function lines(series, label, { width = 560, height = 150 } = {}) {
  const svg = shape('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, preserveAspectRatio: 'none' });
  const most = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), Number.MIN_VALUE);
  for (const part of [0.25, 0.5, 0.75]) svg.append(shape('line', { class: 'rule', x1: 0, x2: width, y1: height * part, y2: height * part }));
  for (const { values, name } of series) {
    let path = '', isDown = false;
    values.forEach((value, index) => {
      if (value === null) { isDown = false; return; }
      const x = values.length > 1 ? (index / (values.length - 1)) * width : width / 2;
      path += `${isDown ? 'L' : 'M'}${x.toFixed(1)} ${(height - 1 - (value / most) * (height - 2)).toFixed(1)}`;
      if (!isDown && (values[index + 1] ?? null) === null) path += 'h1';
      isDown = true;
    });
    if (path) svg.append(shape('path', { class: `line ${name}`, d: path }));
  }
  svg.append(shape('line', { class: 'base', x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }));
  return svg;
}

/** Stated against observed shares, both 0 to 1: a dot for each of `bins`, larger where more rests on it, and the line on which all would lie. */
export function reliability(bins, label) {
  const side = 100, svg = shape('svg', { class: 'chart', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label });
  for (const part of [0.25, 0.5, 0.75]) {
    svg.append(
      shape('line', { class: 'rule', x1: 0, x2: side, y1: side * part, y2: side * part }), shape('line', { class: 'rule', y1: 0, y2: side, x1: side * part, x2: side * part }));
  }
  svg.append(shape('line', { class: 'ideal', x1: 0, y1: side, x2: side, y2: 0 }), shape('rect', { class: 'edge', width: side, height: side }));
  const most = Math.log1p(Math.max(...bins.map(({ decisions }) => decisions)));
  for (const { meanScore, observed, decisions } of bins) {
    // One hundred thousand and ten are both to be seen: the size grows with the logarithm.
    const dot = shape('circle', { class: 'dot-of', cx: meanScore * side, cy: (1 - observed) * side, r: (1.2 + 2.8 * (Math.log1p(decisions) / most)).toFixed(2) });
    svg.append(dot);
  }
  return svg;
}
