// Server-sent events: hears that the map has changed, tells whether the connection stands, and heals it.

/**
 * Runs `work` at most once at a time, and once more when it was asked for meanwhile.
 * What it gives back is kept when work that began after the call has ended.
 */
export function latest(work) {
  let running = null, next = null;
  return function run() {
    if (running) {
      next ??= running.catch(() => {}).then(() => {
        next = null;
        return run();
      });
      return next;
    }
    running = work().finally(() => { running = null; });
    return running;
  };
}

/**
 * Asks for what is new, and once more when a span that ends with the newest data has moved on with it: an hour began with the new events,
 * and what was asked for at first ends before it. Gives back whether the span has moved.
 */
export async function keepUp(span, load) {
  const before = span().join();
  await load();
  if (span().join() === before) return false;
  await load();
  return true;
}

/** The service says that it is alive every 15 s; when even that is late, it hangs or the network does. */
const SILENCE_MILLISECONDS = 20_000;

export class Live extends EventTarget {
  #source = null;
  #retry = null;
  #silence = null;
  #failures = 0;
  /** When the service was heard last, in milliseconds; null before that. */
  heardAt = null;

  constructor() {
    super();
    // A connection of a machine without a network stays open for long; the browser knows better.
    window.addEventListener('offline', () => { if (this.#source) this.#lose(); });
    window.addEventListener('online', () => {
      if (!this.#source) return;
      this.stop();
      this.start();
    });
  }

  start() {
    if (!this.#failures) this.#tell('connecting');
    const source = new EventSource('/live');
    this.#source = source;
    this.#awaitNews();
    source.addEventListener('open', () => {
      this.#failures = 0;
      this.#hear();
      this.#tell('on');
    });
    source.addEventListener('alive', () => this.#hear());
    source.addEventListener('change', (event) => {
      this.#hear();
      this.dispatchEvent(new CustomEvent('change', { detail: JSON.parse(event.data) }));
    });
    source.addEventListener('error', () => {
      this.#tell('off');
      // A browser gives up for good after an error status (a server starting, a session that ended); so begin anew.
      if (source.readyState === EventSource.CLOSED) this.#startAgain();
    });
  }

  stop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#source?.close();
  }

  #hear() {
    this.heardAt = Date.now();
    this.dispatchEvent(new CustomEvent('heard'));
    this.#awaitNews();
  }

  #awaitNews() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(), SILENCE_MILLISECONDS);
  }

  #lose() {
    this.#tell('off');
    this.#startAgain();
  }

  #startAgain() {
    this.stop();
    this.#failures += 1;
    const wait = Math.min(30_000, 1000 * 2 ** Math.min(5, this.#failures)) * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => this.start(), wait);
    this.dispatchEvent(new CustomEvent('broken'));
  }

  #tell(state) {
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}
