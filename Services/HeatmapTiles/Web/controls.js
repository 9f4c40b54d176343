// What the viewer chooses with: the layers, the spans, the filters, and the step of the play. They show what the view's state holds.
import { HOUR, formatHour, formatPercent } from './format.js';
import { fillSelect, segments } from './panels.js';
import { STEPS } from './player.js';
import { DAY_TIMES, LAYERS, PRESETS } from './state.js';
import { text, typeName } from './strings.js';
import { utcOffsetMinutes } from './zones.js';

const element = (id) => document.getElementById(id);

export class Controls {
  #state;
  #player;
  /** Choices of districts; null while they are not known. */
  #districts = null;
  #isLimited;
  #markLayer;
  #markPreset;

  /** `isLimited`: whether the viewer sees some districts only. */
  constructor(state, player, isLimited) {
    this.#isLimited = isLimited;
    this.#state = state;
    this.#player = player;
    const choices = (values, kind) => values.map((value) => ({ value, label: text(`${kind}.${value}`) }));
    this.#markLayer = segments(element('layers'), choices(LAYERS, 'layer'), (layer) => state.set({ layer }));
    this.#markPreset = segments(element('presets'), choices(Object.keys(PRESETS), 'preset'), (preset) => {
      player.pause();
      state.set({ preset });
    });
    for (const key of ['jurisdiction', 'type', 'daytime']) {
      element(key).addEventListener('change', (event) => state.set({ [key]: event.target.value }));
    }
    fillSelect(element('daytime'), Object.keys(DAY_TIMES).map((value) => ({ value, label: daytimeName(value) })), state.daytime);
    // However far it is pulled at once, it is one step on the way back.
    let isPulled = false;
    element('min-risk').addEventListener('input', (event) => {
      state.set({ minRisk: Number(event.target.value) }, { isPassing: isPulled });
      isPulled = true;
    });
    element('min-risk').addEventListener('change', () => { isPulled = false; });
    this.#wirePlay();
  }

  #wirePlay() {
    const player = this.#player, button = element('play'), step = element('step');
    const show = () => {
      button.classList.toggle('is-playing', player.isPlaying);
      button.setAttribute('aria-label', text(player.isPlaying ? 'timeline.pause' : 'timeline.play'));
    };
    button.addEventListener('click', () => player.toggle());
    player.addEventListener('change', show);
    show();
    step.replaceChildren(...STEPS.map((milliseconds) => new Option(text(`step.${milliseconds / HOUR}`), milliseconds)));
    step.addEventListener('change', () => { player.step = Number(step.value); });
  }

  /** Shows what is chosen, out of what there is by the service's summary (null before it is known). */
  show(summary) {
    const state = this.#state, isForecast = state.layer === 'forecast', isCrime = isForecast || state.layer === 'complaints';
    this.#markLayer(state.layer);
    this.#markPreset(state.preset);
    element('min-risk').value = state.minRisk;
    element('min-risk').disabled = !state.hasRisk;
    element('min-risk-value').textContent = state.hasRisk ? formatPercent(state.minRisk) : '–';
    const why = element('min-risk-why');
    why.hidden = state.hasRisk;
    why.textContent = state.hasRisk ? '' : text(`filters.noRisk.${state.layer}`);
    element('daytime').value = state.daytime;
    if (this.#districts) fillSelect(element('jurisdiction'), this.#districts, state.jurisdiction);
    element('type-label').textContent = text(isCrime ? 'filters.crimeType' : 'filters.channel');
    const types = (knownTypes(summary, state.layer) ?? []).map((value) => ({ value, label: typeName(value) }));
    fillSelect(element('type'), [{ value: '', label: text('filters.allTypes') }, ...types], state.type);
    this.showStep();
  }

  /** Shows how far the play moves at once in the time that the bars cover. */
  showStep() {
    element('step').value = this.#player.step;
  }

  /** Fills in the districts, as GeoJSON has them. */
  setAreas(areas) {
    const options = areas.features.map((feature) => ({ value: feature.id, label: feature.properties.name }));
    const all = !this.#isLimited ? 'everywhere' : options.length ? 'allOfYours' : 'noneOfYours';
    this.#districts = [{ value: '', label: text(`filters.${all}`) }, ...options];
    fillSelect(element('jurisdiction'), this.#districts, this.#state.jurisdiction);
  }

  /** The name of the district that is chosen. */
  get district() {
    return element('jurisdiction').selectedOptions[0]?.textContent;
  }
}

/**
 * A time of day with its hours as they are counted: by whole hours of UTC, so that in a zone that is half an hour beside them the night begins at
 * half past ten.
 */
export function daytimeName(daytime) {
  const late = ((utcOffsetMinutes() % 60) + 60) % 60, { hours = [0, 0], days } = DAY_TIMES[daytime];
  const [from, to] = hours.map((hour) => formatHour(hour, late));
  return text(days && late ? `daytime.${daytime}.late` : `daytime.${daytime}`, { from, to });
}

/** The types that a layer can be filtered by; null while they are not known. */
export function knownTypes(summary, layer) {
  if (!summary) return null;
  return layer === 'forecast' ? summary.forecastTypes : summary.layers.find(({ name }) => name === layer)?.types ?? [];
}
