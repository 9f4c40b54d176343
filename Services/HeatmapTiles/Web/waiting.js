// Dims what still shows what was chosen before, until what is chosen now is there.
const PATIENCE_MILLISECONDS = 300;

export class Waiting {
  #badge;
  #parts = new Map();

  /** `badge` is shown while anything is waited for. */
  constructor(badge) {
    this.#badge = badge;
  }

  /**
   * Waits for what is asked for a part of the page. Only the newest answer ends the waiting, and none that is `false`: what stands there then is
   * still what was chosen before.
   */
  async until(part, answer) {
    const state = this.#parts.get(part) ?? { timer: null };
    this.#parts.set(part, state);
    state.answer = answer;
    state.timer ??= setTimeout(() => this.#mark(part, true), PATIENCE_MILLISECONDS);
    const isThere = await answer;
    if (state.answer !== answer || isThere === false) return;
    clearTimeout(state.timer);
    state.timer = null;
    this.#mark(part, false);
  }

  isWaiting(part) {
    return part.classList.contains('is-waiting');
  }

  #mark(part, isWaiting) {
    part.classList.toggle('is-waiting', isWaiting);
    // The map says itself whether it is busy.
    if (part.id !== 'map') part.ariaBusy = String(isWaiting);
    const isAnyWaiting = [...this.#parts.keys()].some((part) => this.isWaiting(part));
    if (this.#badge.hidden === isAnyWaiting) this.#badge.hidden = !isAnyWaiting;
  }
}

/** Ends when the map has drawn its heat without a fault. */
export function untilDrawn(map) {
  let hasFailed = false;
  const fail = () => { hasFailed = true; };
  return new Promise((done) => {
    const finish = () => {
      if (!hasFailed) {
        map.removeEventListener('fault', fail);
        map.removeEventListener('drawn', finish);
        done();
      }
      hasFailed = false;
    };
    map.addEventListener('fault', fail);
    map.addEventListener('drawn', finish);
  });
}
