// The note over the map. There is one place and may be several things to say: the most pressing is shown, the others wait.
import { filtersOn } from './outlook.js';
import { make } from './panels.js';
import { text } from './strings.js';

const KINDS = ['lost', 'fault', 'link', 'figures', 'bars', 'tiles', 'graphics', 'empty'];

/**
 * What is to be said of a summary in which the view's layer has nothing, and why; empty words when it has something. `limits` are the districts
 * that the viewer is limited to, none for everywhere.
 */
export function emptiness(summary, state, limits) {
  const { layer } = state, areas = limits.join(', ');
  if (limits.length && !summary.jurisdictions) return text('map.noDistricts', { areas });
  if (layer === 'forecast') return summary.forecastFrom ? '' : text('forecast.none');
  if (!summary.from) return limits.length ? text('map.noDataOfYours', { areas }) : text('map.noData');
  if (summary.layers.find(({ name }) => name === layer)?.count !== 0) return '';
  const filters = filtersOn(state).map((key) => text(key)).join(', '), unit = text(`unit.${layer}`);
  return filters ? text('map.emptyFiltered', { unit, filters }) : text('map.empty', { unit });
}

const WORDS_SHOWN = 40;

/** What is to be said of the parts of a link that are not understood; empty words when there are none. */
export function strangeness(parts) {
  const shorten = (value) => (value.length > WORDS_SHOWN ? `${value.slice(0, WORDS_SHOWN)}…` : value);
  const what = parts.map(({ name, value }) => text('link.part', { name: text(`link.${name}`), value: shorten(value) })).join(', ');
  return what && text('link.strange', { what });
}

export class Notes {
  #root;
  #said = {};
  #words = make('span');
  #retry = make('button', 'retry', text('retry'));

  constructor(root) {
    this.#root = root;
    this.#retry.type = 'button';
    this.#retry.addEventListener('click', () => this.#shown?.retry());
    root.replaceChildren(this.#words);
  }

  get #shown() {
    return KINDS.map((kind) => this.#said[kind]).find((said) => said?.words);
  }

  /** Says something of a kind; nothing with empty words. `retry` is what a button beside them does; none without. */
  set(kind, words, retry = null) {
    this.#said[kind] = { words, retry };
    const shown = this.#shown, said = shown?.words ?? '';
    // The same words again would be read out again.
    if (this.#words.textContent !== said) this.#words.textContent = said;
    if (!shown?.retry) this.#retry.remove();
    else if (!this.#retry.isConnected) this.#root.append(this.#retry);
    this.#root.hidden = !said;
  }

  clear(...kinds) {
    for (const kind of kinds) this.set(kind, '');
  }
}
