// Moves the span on through time, hour by hour, and begins again at the end.
const MILLISECONDS = 700;
/** Of a span that covers all of time, this part is shown at once. */
const PART = 12;

export class Player extends EventTarget {
  #state;
  #timeline;
  #ticking = null;

  constructor(state, timeline) {
    super();
    this.#state = state;
    this.#timeline = timeline;
  }

  get isPlaying() {
    return this.#ticking !== null;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.#play();
  }

  pause() {
    clearInterval(this.#ticking);
    this.#ticking = null;
    this.dispatchEvent(new CustomEvent('change'));
  }

  #play() {
    const range = this.#timeline.range;
    if (!range) return;
    const step = this.#timeline.bucketMilliseconds, [start, end] = range;
    let [from, to] = this.#state.span();
    const isAll = to - from >= end - start;
    const wide = isAll ? Math.max(step, Math.round((end - start) / PART / step) * step) : to - from;
    // What has reached the end, or lies outside the bars, begins anew.
    if (to >= end || from < start) from = start;
    this.#ticking = setInterval(() => {
      this.#state.set({ preset: null, from, to: from + wide });
      from += step;
      if (from + wide > end) from = start;
    }, MILLISECONDS);
    this.dispatchEvent(new CustomEvent('change'));
  }
}
