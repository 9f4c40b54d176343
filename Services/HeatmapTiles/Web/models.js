// The models: which there are, how good they were found, and how their scores run through time.
import * as api from './api.js';
import { lines, reliability } from './chart.js';
import { formatChance, formatCount, formatDay, formatExact, formatFine, formatMoment, formatPercent } from './format.js';
import { make, note, showFailure, showLoading } from './panels.js';
import { hasText, text } from './strings.js';

export class ModelsPage {
  #root;
  /** The parts of the page, each with a body. */
  #sections = Object.fromEntries(['register', 'judged', 'plots'].map((name) => [name, make('section')]));
  /** Those that show an answer, and what each was last asked for. */
  #filled = new Set();
  #asked = new Map();
  /** Whether something of what shows could not be had. */
  hasFailed = false;

  #limits;

  /** `limits`: the districts that the viewer is limited to, none for everywhere. */
  constructor(root, limits, onClose) {
    this.#root = root;
    this.#limits = limits;
    for (const [name, section] of Object.entries(this.#sections)) section.append(make('div', name === 'register' ? '' : 'plots'));
    root.querySelector('.models-body').replaceChildren(...Object.values(this.#sections));
    root.querySelector('.close').addEventListener('click', onClose);
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.isOpen) return;
      event.preventDefault();
      onClose();
    });
  }

  get isOpen() {
    return !this.#root.hidden;
  }

  hide() {
    this.#setOpen(false);
  }

  /** While the page is open, nothing behind it can be reached, by the keyboard either. */
  #setOpen(isOpen) {
    this.#root.hidden = !isOpen;
    for (const other of this.#root.parentElement.children) if (other !== this.#root) other.inert = isOpen;
  }

  async show() {
    if (!this.isOpen) {
      this.#setOpen(true);
      this.#root.querySelector('h2').focus();
    }
    this.hasFailed = false;
    const models = api.models();
    // Before a model decides there is nothing to judge.
    const health = api.modelHealth().catch(async (error) => {
      if ((await models.catch(() => [])).length) throw error;
      return null;
    });
    const series = ['transactions', 'fraud'].map((layer) => api.series({ layer, bucket_hours: 24 }));
    await Promise.all([
      this.#fill(this.#sections.register, models, (root, models) => this.#showModels(root, models)),
      this.#fill(this.#sections.judged, health, (root, health) => { if (health) showHealth(root, health); }),
      this.#fill(this.#sections.plots, Promise.all(series), (root, [scored, fraud]) => this.#showPlots(root, scored, fraud)),
    ]);
  }

  /** Shows an answer as soon as it is there. What a section showed before stays, dim, until then; where no answer comes, with a note over it. */
  async #fill(section, answer, show) {
    const body = section.lastChild, hasContent = this.#filled.has(section);
    this.#asked.set(section, answer);
    body.classList.toggle('is-waiting', hasContent);
    if (hasContent) section.replaceChildren(body);
    else showLoading(body);
    let found;
    try {
      found = await answer;
    } catch (error) {
      if (this.#asked.get(section) !== answer) return;
      this.hasFailed = true;
      const words = hasContent ? make('div') : body;
      showFailure(words, error, () => this.show());
      section.replaceChildren(...new Set([words, body]));
      return;
    }
    this.#filled.add(section);
    body.classList.remove('is-waiting');
    body.replaceChildren();
    section.replaceChildren(body);
    show(body, found);
  }

  #showModels(root, models) {
    if (!models.length) return root.append(note(root, text('models.none')));
    const table = make('table');
    const names = [...new Set(models.flatMap((model) => Object.keys(model.metrics)))].sort();
    const columns = ['version', 'stage', 'trained', 'promoted', 'threshold'];
    const head = make('tr');
    const heading = (words) => { const cell = make('th', '', words); cell.scope = 'col'; return cell; };
    head.append(...columns.map((name) => heading(text(`models.${name}`))), ...names.map((name) => namedBy(heading(metricName(name) ?? name), name, metricName(name))));
    const when = (time) => (time ? formatMoment(Date.parse(time)) : '–');
    const rows = models.map((model) => {
      const line = make('tr', `is-${model.stage}`);
      const version = make('th', '', model.version);
      version.scope = 'row';
      line.append(
        version, make('td', '', text(`models.stage.${model.stage}`)), make('td', '', when(model.trainedAt)), make('td', '', when(model.promotedAt)),
        make('td', 'number', formatPercent(model.alertThreshold)),
        ...names.map((name) => make('td', 'number', model.metrics[name] === undefined ? '–' : formatExact(model.metrics[name]))));
      return line;
    });
    const top = make('thead'), body = make('tbody');
    top.append(head);
    body.append(...rows);
    const isHeldOut = names.some((name) => name.startsWith('held_out'));
    table.append(make('caption', '', text(isHeldOut ? 'models.metrics' : 'models.metricsOfTraining')), top, body);
    const scroller = make('div', 'scroller');
    scroller.tabIndex = 0;
    scroller.setAttribute('role', 'region');
    scroller.setAttribute('aria-label', text('models.title'));
    scroller.append(table);
    root.append(scroller);
  }

  #showPlots(root, scored, fraud) {
    if (!scored.from || !scored.counts.length) return root.append(note(root, text(this.#limits.length ? 'models.noEventsOfYours' : 'models.noEvents')));
    const start = Date.parse(scored.from), step = scored.bucketHours * 3600_000;
    // The series are of what is on the map.
    const whose = text(this.#limits.length ? 'models.placedIn' : 'models.placed', { areas: this.#limits.join(', ') });
    const times = make('p', 'axis muted');
    times.append(make('span', '', formatDay(start)), make('span', '', formatDay(start + scored.counts.length * step)));
    // The layers' series need not begin on the same day.
    const shift = fraud.from ? Math.round((Date.parse(fraud.from) - start) / step) : 0;
    const decided = scored.counts.map((_, index) => fraud.counts[index - shift] ?? 0);
    const sum = (values) => formatFine(values.reduce((total, value) => total + value, 0));
    const decisions = text('models.decisionsLabel', { expected: sum(scored.expected), fraud: sum(decided) });
    const means = scored.counts.map((count, index) => (count ? scored.expected[index] / count : null));
    const known = means.filter((mean) => mean !== null);
    const drift = text('models.driftLabel', { low: formatExact(Math.min(...known)), high: formatExact(Math.max(...known)) });
    const key = make('p', 'key');
    key.append(make('span', 'swatch expected', text('models.expected')), make('span', 'swatch decided', text('models.decided')));
    root.append(
      figure(text('models.decisions', { whose }), [
        scaled(lines([{ values: scored.expected, name: 'expected' }, { values: decided, name: 'decided' }], decisions),
          Math.max(...scored.expected, ...decided), times), key,
        make('p', 'muted small', decisions),
      ]),
      figure(text('models.drift', { whose }), [
        scaled(lines([{ values: means, name: 'expected' }], drift), Math.max(...known), times.cloneNode(true)), make('p', 'muted small', drift),
      ]));
  }
}

/** A drawing with what its height means beside it and its times below. */
function scaled(drawing, most, times) {
  const box = make('div', 'plot'), scale = make('div', 'scale muted');
  scale.setAttribute('aria-hidden', 'true');
  scale.append(...[most, most / 2, 0].map((value) => make('span', '', formatExact(value))));
  box.append(scale, drawing, times);
  return box;
}

/** How the model's probabilities hold where the truth came out, and which of its features no longer look as they did in training. */
function showHealth(root, { version, days, outcomes, drift }) {
  const facts = (rows) => {
    const list = make('dl', 'facts');
    for (const [name, value, key] of rows) if (value !== undefined) list.append(namedBy(make('dt', '', name), key), make('dd', '', value));
    return list;
  };
  const share = (value) => (value === undefined ? undefined : formatExact(value));
  const calibration = outcomes
    ? [facts([
      [text('models.judged'), formatCount(outcomes.decisions)], [text('models.judgedFrauds'), formatCount(outcomes.frauds)],
      [text('models.calibrationError'), share(outcomes.calibrationError)], [text('models.averagePrecision'), share(outcomes.averagePrecision)],
      [text('models.statedCoverage'), share(outcomes.statedCoverage)], [text('models.observedCoverage'), share(outcomes.observedCoverage)],
    ]), ...reliabilityOf(outcomes.reliability), make('p', 'muted small', text('models.calibrationMeaning'))]
    : [make('p', 'muted', text('models.noOutcomes'))];
  const moved = drift.length
    ? [facts(drift.map(({ feature, stabilityIndex }) => [feature, formatExact(stabilityIndex), feature])), make('p', 'muted small', text('models.movedMeaning'))]
    : [make('p', 'muted', text('models.noMoved'))];
  root.append(figure(text('models.calibration', { version, days }), calibration), figure(text('models.moved', { version, days }), moved));
}

function figure(title, parts) {
  const box = make('figure', 'card');
  box.append(make('figcaption', '', title), ...parts);
  return box;
}

/** What was stated against what was seen: a drawing, and the same as a table for who cannot see it. */
function reliabilityOf(bins) {
  if (!bins.length) return [];
  const box = make('div', 'plot reliability'), scale = make('div', 'scale muted'), axis = make('p', 'axis muted');
  const ends = [1, 0.5, 0].map(formatPercent);
  scale.setAttribute('aria-hidden', 'true');
  scale.append(...ends.map((end) => make('span', '', end)));
  axis.setAttribute('aria-hidden', 'true');
  axis.append(...ends.toReversed().map((end) => make('span', '', end)));
  box.append(scale, reliability(bins, text('models.reliabilityLabel', { count: bins.length })), axis);
  const table = make('table', 'small'), head = make('tr'), top = make('thead'), body = make('tbody');
  for (const name of ['stated', 'observed', 'judged']) {
    const cell = make('th', '', text(`models.${name}`));
    cell.scope = 'col';
    head.append(cell);
  }
  body.append(...bins.map(({ meanScore, observed, decisions }) => {
    const line = make('tr'), first = make('th', 'number', formatChance(meanScore));
    first.scope = 'row';
    line.append(first, make('td', 'number', formatChance(observed)), make('td', 'number', formatCount(decisions)));
    return line;
  }));
  top.append(head);
  table.append(make('caption', '', text('models.reliabilityMeaning')), top, body);
  return [box, table];
}

/** Makes an element say a name that the page has no words for: readable, and in the language that names are in. */
function namedBy(element, name, words = null) {
  if (!name || words) return element;
  element.textContent = name.replaceAll('_', ' ');
  element.lang = 'en';
  return element;
}

/** What the page calls a metric; null for one that it has no words for. */
function metricName(name) {
  return hasText(`metric.${name}`) ? text(`metric.${name}`) : null;
}
