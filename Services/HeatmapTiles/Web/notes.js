// The note over the map. There is one place and may be several things to say: the most pressing is shown, the others wait.
import { text } from './strings.js';

const KINDS = ['lost', 'fault', 'link', 'figures', 'tiles', 'graphics', 'empty'];

/** What is to be said of a summary in which a layer has nothing; empty words when it has something. */
export function emptiness(summary, layer) {
  if (layer === 'forecast') return summary.forecastFrom ? '' : text('forecast.none');
  if (!summary.from) return text('map.noData');
  return summary.layers.find(({ name }) => name === layer)?.count === 0 ? text('map.empty', { unit: text(`unit.${layer}`) }) : '';
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
  #words = {};

  constructor(root) {
    this.#root = root;
  }

  /** Says something of a kind; nothing with empty words. */
  set(kind, words) {
    this.#words[kind] = words;
    const shown = KINDS.map((kind) => this.#words[kind]).find(Boolean) ?? '';
    // The same words again would be read out again.
    if (this.#root.textContent !== shown) this.#root.textContent = shown;
    this.#root.hidden = !shown;
  }

  clear(...kinds) {
    for (const kind of kinds) this.set(kind, '');
  }
}
