// Tries again what could not be had, without being told to: later and later while it fails, at once when the service is heard.
const FIRST_MILLISECONDS = 2_000;
const MOST_MILLISECONDS = 30_000;
/** After a try, a failure within this time is that try's; requests are given up sooner. */
const TRY_MILLISECONDS = 25_000;

export class Healing {
  #work;
  #timer = null;
  /** Tries that have failed since all was well. */
  #failures = 0;
  #triedAt = -Infinity;
  #isDue = false;

  /** `work` asks again for all that shows. */
  constructor(work) {
    this.#work = work;
    document.addEventListener('visibilitychange', () => { if (this.#isDue && !document.hidden) this.now(); });
  }

  /** Something could not be had just now. `retryAfter`: the seconds after which the service wants to be asked again, or null. */
  fail(retryAfter = null) {
    if (this.#timer || this.#isDue) return;
    if (performance.now() - this.#triedAt > TRY_MILLISECONDS) this.#failures = 0;
    const wait = Math.min(MOST_MILLISECONDS, FIRST_MILLISECONDS * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // Nobody looks; it is tried when somebody does.
      if (document.hidden) this.#isDue = true;
      else this.now();
    }, Math.max(wait, (retryAfter ?? 0) * 1000));
  }

  /** The service has said something: what failed may be had again. */
  hear() {
    if (this.#timer && performance.now() - this.#triedAt >= FIRST_MILLISECONDS) this.now();
  }

  now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#isDue = false;
    this.#triedAt = performance.now();
    this.#work();
  }
}
