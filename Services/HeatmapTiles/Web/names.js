// Words as pictures: places' names, which the map draws beneath what happens there, and numbers. Letters of MapLibre's own would need fonts to be served.
const POINTS = 11.5;
const LINE_POINTS = 14.5;
const MAX_WIDTH = 108;
const HALO = 4;

/** Words as lines that are as wide as asked for, as far as the words allow. */
function lines(words, measure, width) {
  return words.split(/\s+/).reduce((found, word) => {
    const last = found.at(-1);
    if (last && measure(`${last} ${word}`) <= width) found[found.length - 1] = `${last} ${word}`;
    else found.push(word);
    return found;
  }, []);
}

/** A name in capitals with a halo, for `Map.addImage`: the pixels, and how many there are to a point. */
export function nameImage(name, colour, halo) {
  const pixelRatio = Math.max(1, window.devicePixelRatio), canvas = document.createElement('canvas'), context = canvas.getContext('2d');
  const prepare = () => Object.assign(context, {
    font: `600 ${POINTS}px ${getComputedStyle(document.body).fontFamily}`, letterSpacing: `${0.07 * POINTS}px`, textAlign: 'center', textBaseline: 'middle',
    lineJoin: 'round', lineWidth: HALO, strokeStyle: halo, fillStyle: colour,
  });
  prepare();
  const measure = (words) => context.measureText(words).width, found = lines(name.toLocaleUpperCase(), measure, MAX_WIDTH);
  const width = Math.ceil(Math.max(...found.map(measure))) + 2 * HALO, height = Math.ceil(found.length * LINE_POINTS) + 2 * HALO;
  [canvas.width, canvas.height] = [Math.ceil(width * pixelRatio), Math.ceil(height * pixelRatio)];
  prepare();
  context.scale(pixelRatio, pixelRatio);
  for (const draw of ['strokeText', 'fillText']) {
    found.forEach((line, index) => context[draw](line, width / 2, HALO + (index + 0.5) * LINE_POINTS));
  }
  return { pixels: context.getImageData(0, 0, canvas.width, canvas.height), pixelRatio };
}

/** A number to stand in a circle, for `Map.addImage`. */
export function countImage(words, colour) {
  const pixelRatio = Math.max(1, window.devicePixelRatio), side = 32, canvas = document.createElement('canvas'), context = canvas.getContext('2d');
  canvas.width = canvas.height = side * pixelRatio;
  context.scale(pixelRatio, pixelRatio);
  Object.assign(context, { font: `700 10.5px ${getComputedStyle(document.body).fontFamily}`, textAlign: 'center', textBaseline: 'middle', fillStyle: colour });
  context.fillText(words, side / 2, side / 2 + 0.5);
  return { pixels: context.getImageData(0, 0, canvas.width, canvas.height), pixelRatio };
}
