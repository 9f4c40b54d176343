// Bars of events through time, and a span over them that is dragged, typed or moved with the arrow keys.
import { HOUR, formatDay, formatDayOfYear, formatMoment } from './format.js';
import { text } from './strings.js';

const SVG = 'http://www.w3.org/2000/svg';
const MIN_PIXELS = 3;
const DATE_PIXELS = 44;
const YEAR_PIXELS = 68;

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class Timeline extends EventTarget {
  #root;
  #svg;
  #bars;
  #dates;
  #shades;
  #window;
  #handles;
  #series = null;
  #span = [0, 1];
  #drag = null;

  constructor(root) {
    super();
    this.#root = root;
    this.#svg = shape('svg', { role: 'img', preserveAspectRatio: 'none' });
    this.#svg.setAttribute('aria-label', text('timeline.histogram'));
    this.#bars = shape('g', { class: 'bars' });
    this.#shades = [shape('rect', { class: 'shade', y: 0 }), shape('rect', { class: 'shade', y: 0 })];
    this.#window = shape('rect', { class: 'window', y: 0 });
    // Above the shades, which would make their letters pale.
    this.#dates = shape('g', { class: 'dates' });
    this.#svg.append(this.#bars, ...this.#shades, this.#window, this.#dates);
    this.#handles = ['start', 'end'].map((end) => this.#makeHandle(end));
    root.append(this.#svg, ...this.#handles);
    root.addEventListener('pointerdown', (event) => this.#begin(event));
    root.addEventListener('pointermove', (event) => this.#move(event));
    root.addEventListener('pointerup', (event) => this.#finish(event));
    root.addEventListener('pointercancel', () => { this.#drag = null; });
    new ResizeObserver(() => this.#draw()).observe(root);
    this.#say(text('loading'));
  }

  /** Says that there are no bars because they could not be had. */
  fail() {
    if (!this.#series) this.#say(text('failed'));
  }

  /** What stands where the bars would. */
  #say(words) {
    this.#root.dataset.note = words;
    this.#root.classList.toggle('is-empty', !this.#series);
  }

  /** Bars as the service gives them: `{from, bucketHours, counts}`; those from `future` on (if given) are only expected. */
  setSeries(series) {
    this.#series = series.from ? { ...series, start: Date.parse(series.from) } : null;
    this.#say('');
    this.#draw();
  }

  setSpan(span) {
    if (this.#drag) return;
    this.#span = span;
    this.#place();
  }

  get bucketMilliseconds() {
    return (this.#series?.bucketHours ?? 1) * HOUR;
  }

  /** The time that the bars cover, in milliseconds. */
  get range() {
    if (!this.#series) return null;
    return [this.#series.start, this.#series.start + this.#series.counts.length * this.bucketMilliseconds];
  }

  /** Which ends of the bars a span reaches, both where it is all of time. The bars are whole buckets; the data begins and ends within the outermost. */
  reached([from, to]) {
    const [start, end] = this.range, bar = this.bucketMilliseconds, [isStart, isEnd] = [from < start + bar, to > end - bar];
    return { isStart, isEnd, isAll: isStart && isEnd };
  }

  #makeHandle(end) {
    const handle = document.createElement('div');
    handle.className = 'handle';
    handle.tabIndex = 0;
    handle.setAttribute('role', 'slider');
    handle.setAttribute('aria-label', text(`timeline.${end}`));
    handle.dataset.end = end;
    handle.addEventListener('keydown', (event) => {
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -24, PageUp: 24, Home: -Infinity, End: Infinity }[event.key];
      if (!steps || !this.range) return;
      event.preventDefault();
      this.#moveHandle(end, steps);
    });
    return handle;
  }

  /** Moves one end by so many bars, as far as there are bars and the other end lets it; the other end stays where it is. */
  #moveHandle(end, steps) {
    const bar = this.bucketMilliseconds, [from, to] = this.#span;
    if (end === 'start') this.#tell([Math.min(this.#snap(from + steps * bar), Math.max(from, to - bar)), to]);
    else this.#tell([from, Math.max(this.#snap(to + steps * bar), Math.min(to, from + bar))]);
  }

  #timeAt(clientX) {
    const box = this.#root.getBoundingClientRect(), [start, end] = this.range;
    return start + Math.min(1, Math.max(0, (clientX - box.left) / box.width)) * (end - start);
  }

  #begin(event) {
    if (!this.range || event.button !== 0) return;
    const time = this.#timeAt(event.clientX);
    const end = event.target.dataset?.end;
    // Where all is chosen there is nowhere to move it to: a new span begins.
    const isInside = event.target === this.#window && !this.reached(this.#span).isAll;
    this.#drag = { end, isInside, time, x: event.clientX, span: [...this.#span], moved: false };
    this.#root.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    if (Math.abs(event.clientX - drag.x) >= MIN_PIXELS) drag.moved = true;
    if (!drag.moved) return;
    const time = this.#timeAt(event.clientX);
    if (drag.end === 'start') this.#span = [time, drag.span[1]];
    else if (drag.end === 'end') this.#span = [drag.span[0], time];
    else if (drag.isInside) this.#span = drag.span.map((edge) => edge + time - drag.time);
    else this.#span = [drag.time, time];
    this.#span.sort((a, b) => a - b);
    this.#place();
  }

  #finish(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag) return;
    if (drag.moved) return this.#choose(this.#span);
    // A click chooses the bar under it.
    const step = this.bucketMilliseconds, [start] = this.range;
    const bar = start + Math.floor((this.#timeAt(event.clientX) - start) / step) * step;
    this.#choose([bar, bar + step]);
  }

  /** Takes whole buckets, at least one, inside the bars. */
  #choose(span) {
    const step = this.bucketMilliseconds, [start, end] = this.range;
    let [from, to] = [this.#snap(Math.min(...span)), this.#snap(Math.max(...span))];
    if (to <= from) [from, to] = from >= end ? [end - step, end] : [from, from + step];
    this.#tell([from, to]);
  }

  /** The edge of a bar that is nearest to a time. */
  #snap(time) {
    const step = this.bucketMilliseconds, [start, end] = this.range;
    return start + Math.round((Math.min(end, Math.max(start, time)) - start) / step) * step;
  }

  #tell(span) {
    this.#span = span;
    this.#place();
    this.dispatchEvent(new CustomEvent('choose', { detail: this.#span }));
  }

  #draw() {
    this.#bars.replaceChildren();
    this.#dates.replaceChildren();
    const { width, height } = this.#root.getBoundingClientRect();
    if (!width) return;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    if (this.#series) {
      const counts = this.#series.counts, most = Math.max(1, ...counts), step = width / counts.length;
      const gap = step > 4 ? 1 : step > 2 ? 0.5 : 0;
      counts.forEach((count, index) => {
        if (!count) return;
        const tall = Math.max(1.5, Math.sqrt(count / most) * (height - 16));
        const isExpected = index >= (this.#series.future ?? counts.length);
        this.#bars.append(shape('rect', {
          x: index * step, y: height - tall, width: Math.max(0.5, step - gap), height: tall, class: isExpected ? 'is-expected' : '',
        }));
      });
      if (this.#series.future) {
        const now = this.#series.future * step;
        this.#bars.append(shape('line', { class: 'now', x1: now, x2: now, y1: 0, y2: height }));
      }
      this.#drawDays(width);
    }
    this.#place();
  }

  /** A thin mark and a date where days begin, as many as there is room for. */
  #drawDays(width) {
    const [start, end] = this.range, room = Math.max(1, Math.floor(width / 84));
    const days = (end - start) / (24 * HOUR);
    const every = [1, 2, 7, 14, 30, 90, 365].find((count) => days / count <= room) ?? 365;
    const day = new Date(start);
    day.setHours(0, 0, 0, 0);
    // The year stands where it changes, if it does.
    let year = new Date(start).getFullYear() === new Date(end).getFullYear() ? new Date(start).getFullYear() : null;
    for (let mark = new Date(day); mark < end; mark.setDate(mark.getDate() + every)) {
      if (mark < start) continue;
      const x = ((mark - start) / (end - start)) * width, isNew = mark.getFullYear() !== year;
      if (x >= width - (isNew ? YEAR_PIXELS : DATE_PIXELS)) continue;
      this.#dates.append(shape('line', { x1: x, x2: x, y1: 0, y2: 12 }));
      const label = shape('text', { x: x + 3, y: 10 });
      label.textContent = isNew ? formatDayOfYear(mark) : formatDay(mark);
      year = mark.getFullYear();
      this.#dates.append(label);
    }
  }

  #place() {
    const { width, height } = this.#root.getBoundingClientRect();
    const range = this.range;
    this.#root.classList.toggle('is-empty', !range);
    if (!range || !width) return;
    const [start, end] = range;
    const place = (time) => Math.min(width, Math.max(0, ((time - start) / (end - start)) * width));
    const [left, right] = this.#span.map(place);
    const set = (element, x, wide) => {
      element.setAttribute('x', x);
      element.setAttribute('width', Math.max(0, wide));
      element.setAttribute('height', height);
    };
    set(this.#shades[0], 0, left);
    set(this.#shades[1], right, width - right);
    set(this.#window, left, right - left);
    this.#handles.forEach((handle, index) => {
      handle.style.left = `${[left, right][index]}px`;
      handle.setAttribute('aria-valuemin', start);
      handle.setAttribute('aria-valuemax', end);
      handle.setAttribute('aria-valuenow', Math.round(this.#span[index]));
      handle.setAttribute('aria-valuetext', formatMoment(this.#span[index]));
    });
  }
}
