// Moves the span on through time step by step, and begins again at the end.
import { HOUR } from './format.js';

const MILLISECONDS = 700;
const DAY = 24 * HOUR;

/** The steps to choose from, in milliseconds, and how much of a span that covers all of time is shown at once with each. */
const WIDTHS = new Map([[HOUR, DAY], [6 * HOUR, 2 * DAY], [DAY, 7 * DAY], [7 * DAY, 28 * DAY]]);
export const STEPS = [...WIDTHS.keys()];
/** Up to so much time is gone through hour by hour unless the viewer chooses otherwise: four minutes. */
const LONGEST_BY_HOUR = 14 * DAY;
const LONGEST_BY_DAY = 400 * DAY;

export class Player extends EventTarget {
  #state;
  #timeline;
  #chosen = null;
  /** The step while it plays: what suited at the beginning holds on, for the span that moves is another one. */
  #kept = null;
  #ticking = null;
  #from = 0;

  constructor(state, timeline) {
    super();
    this.#state = state;
    this.#timeline = timeline;
  }

  get isPlaying() {
    return this.#ticking !== null;
  }

  /** How far the span moves at once, in milliseconds: as the viewer has chosen, else what suits the time to go through and skips none of it. */
  get step() {
    if (this.#chosen ?? this.#kept) return this.#chosen ?? this.#kept;
    const [start, end] = this.#timeline.range ?? [0, 0], [from, to] = this.#state.span();
    const suited = end - start <= LONGEST_BY_HOUR ? HOUR : end - start <= LONGEST_BY_DAY ? DAY : 7 * DAY;
    return STEPS.findLast((step) => step <= Math.min(suited, to - from)) ?? HOUR;
  }

  set step(step) {
    this.#chosen = step;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.#play();
  }

  pause() {
    clearInterval(this.#ticking);
    this.#ticking = null;
    this.#kept = null;
    this.dispatchEvent(new CustomEvent('change'));
  }

  #play() {
    const range = this.#timeline.range;
    if (!range) return;
    const [start, end] = range;
    this.#kept = this.step;
    const [from, to] = this.#state.span(), { isEnd, isAll } = this.#timeline.reached([from, to]);
    const wide = isAll ? Math.max(HOUR, Math.min(WIDTHS.get(this.step), Math.floor((end - start) / 2 / HOUR) * HOUR)) : to - from;
    // What has reached the end, or lies outside the bars, begins anew.
    this.#from = isEnd || from < start ? start : from;
    let isFirst = true;
    this.#ticking = setInterval(() => {
      this.#state.set({ preset: null, from: this.#from, to: this.#from + wide }, { isPassing: !isFirst });
      isFirst = false;
      this.#from += this.step;
      if (this.#from + wide > end) this.#from = start;
    }, MILLISECONDS);
    this.dispatchEvent(new CustomEvent('change'));
  }
}
