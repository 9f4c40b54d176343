// Server-sent events: hears that the map has changed, tells whether the connection stands, and heals it.

/** Runs `work` at most once at a time, and once more when it was asked for meanwhile. */
export function latest(work) {
  let running = false, again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } finally {
      running = false;
      if (again) { again = false; run(); }
    }
  };
}

export class Live extends EventTarget {
  #source = null;
  #retry = null;
  #failures = 0;

  start() {
    this.#tell('connecting');
    this.#source = new EventSource('/live');
    this.#source.addEventListener('open', () => {
      this.#failures = 0;
      this.#tell('on');
    });
    this.#source.addEventListener('change', (event) => {
      this.dispatchEvent(new CustomEvent('change', { detail: JSON.parse(event.data) }));
    });
    this.#source.addEventListener('error', () => {
      this.#tell('off');
      // A browser gives up for good after an error status (a server starting, a session that ended); so begin anew.
      if (this.#source.readyState === EventSource.CLOSED) {
        clearTimeout(this.#retry);
        this.#failures += 1;
        const wait = Math.min(30_000, 1000 * 2 ** Math.min(5, this.#failures)) * (0.75 + Math.random() / 2);
        this.#retry = setTimeout(() => this.start(), wait);
        this.dispatchEvent(new CustomEvent('broken'));
      }
    });
  }

  stop() {
    clearTimeout(this.#retry);
    this.#source?.close();
  }

  #tell(state) {
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}
