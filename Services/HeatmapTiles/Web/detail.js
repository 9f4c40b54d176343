// What is known of one thing: a cell of the map, an alert, a complaint.
import { gist } from './alerts.js';
import * as api from './api.js';
import { bars } from './chart.js';
import {
  formatChange, formatChance, formatDated, formatDuration, formatExpected, formatFine, formatLayer, formatMoment, formatMoney, formatPercent, formatReason, formatTime, unitName,
} from './format.js';
import { make, note, showFailure, showLoading } from './panels.js';
import { terminalName, text, typeName } from './strings.js';

const GOLDEN_MILLISECONDS = 60 * 60_000;
const CLOCK_MILLISECONDS = 30_000;

export class Detail extends EventTarget {
  #root;
  #title;
  #body;
  #opener = null;
  /** The list that it is in, and what names its item there. */
  #openerItem = {};
  #asked = null;
  #ticking = null;
  #acknowledgements;
  /** The cell that is shown: its quadkey and place; null when something else is, or nothing. */
  #cell = null;

  constructor(root, acknowledgements) {
    super();
    this.#root = root;
    this.#acknowledgements = acknowledgements;
    this.#title = root.querySelector('h2');
    this.#body = root.querySelector('.detail-body');
    root.querySelector('.close').addEventListener('click', () => this.close());
    document.addEventListener('keydown', (event) => {
      // What lies over it is closed first.
      if (event.key === 'Escape' && !event.defaultPrevented) this.close();
    });
  }

  get isOpen() {
    return !this.#root.hidden;
  }

  close() {
    if (!this.isOpen) return;
    this.#stop();
    this.#root.hidden = true;
    this.#cell = null;
    this.#focusOpener();
    this.#opener = null;
    this.dispatchEvent(new CustomEvent('close'));
  }

  /** Gives the focus back; a list that was shown anew meanwhile has another button in the same item's place. */
  #focusOpener() {
    if (this.#opener?.isConnected) return this.#opener.focus();
    const { list, key } = this.#openerItem;
    [...list?.children ?? []].find((item) => keyOf(item) === key)?.querySelector('.row')?.focus();
  }

  #open(title) {
    this.#stop();
    this.#cell = null;
    if (!this.isOpen) {
      this.#opener = document.activeElement;
      const item = this.#opener.closest('.list > li');
      this.#openerItem = { list: item?.parentElement, key: item && keyOf(item) };
    }
    this.#title.textContent = title;
    this.#root.hidden = false;
    this.#title.focus();
    showLoading(this.#body);
    this.#asked = new AbortController();
    return this.#asked.signal;
  }

  #stop() {
    this.#asked?.abort();
    clearInterval(this.#ticking);
  }

  /** The view's filter has changed: a cell that is shown is shown under the new one. What stands stays until its figures are there. */
  follow(view) {
    if (!this.#cell) return;
    this.#asked.abort();
    this.#asked = new AbortController();
    return this.#fillCell(this.#cell, view, this.#asked.signal);
  }

  /** A cell by its quadkey, in a view as `cellView` gives it. */
  async showCell(quadkey, view, place) {
    const signal = this.#open(text('cell.titleNowhere', { place }));
    this.#cell = { quadkey, place };
    await this.#fillCell(this.#cell, view, signal);
  }

  async #fillCell({ quadkey, place }, view, signal) {
    const { layer, filter, facets, district } = view;
    try {
      const cell = await api.cell(quadkey, filter, signal);
      // The history is of all time, so that the span chosen has something beside it.
      const { jurisdiction, ...rest } = facets;
      const drawn = layer === 'forecast' ? 'complaints' : layer;
      const history = await api.series({ layer: drawn, bbox: cell.bounds.join(','), ...rest }, signal);
      if (cell.jurisdiction) this.#title.textContent = text('cell.title', { place: cell.jurisdiction });
      this.#body.replaceChildren(
        ...(cell.jurisdiction ? [make('p', 'muted small', place)] : []), ...this.#counts(cell, view),
        ...this.#history(history, drawn), ...section('cell.forecast', outlook(cell, district)),
        ...section('cell.reasons', reasons(cell)), ...section('cell.atms', terminals(cell)));
    } catch (error) {
      if (error.name === 'AbortError') return;
      showFailure(this.#body, error, () => this.showCell(quadkey, view, place));
    }
  }

  /** An alert as the service lists it, who has taken it, and the button to look at the cell around it. */
  showAlert(alert, showCell) {
    const amount = formatMoney(alert.amountMinorUnits, alert.currency);
    const signal = this.#open(amount ? text('alert.title', { amount }) : text('alert.untitled'));
    const list = make('dl', 'facts'), fact = (key, value) => { if (value) list.append(make('dt', '', text(`alert.${key}`)), make('dd', '', value)); };
    fact('time', formatDated(Date.parse(alert.eventTime)));
    fact('amount', amount);
    fact('channel', typeName(alert.channel));
    fact('risk', formatPercent(alert.risk));
    fact('place', alert.jurisdiction ?? (alert.latitude === undefined ? text('alerts.nowhere') : ''));
    fact('terminal', alert.terminal);
    fact('bank', alert.bankID);
    fact('transaction', alert.transactionID);
    fact('decision', alert.decisionID);
    const why = make('ol', 'plain');
    why.append(...alert.reasons.map((reason) => make('li', '', formatReason(reason, alert.currency))));
    const taken = make('div', 'taken');
    const showTaken = () => {
      const hadFocus = taken.contains(document.activeElement);
      taken.replaceChildren(...[this.#acknowledgements.element(alert.decisionID, gist(alert), formatDated(Date.parse(alert.eventTime)))].filter(Boolean));
      if (hadFocus) (taken.querySelector('button') ?? this.#title).focus();
    };
    showTaken();
    this.#acknowledgements.addEventListener('change', showTaken, { signal });
    this.#body.replaceChildren(taken, list, ...section('alert.reasons', [why]));
    if (showCell) {
      const button = make('button', '', text('alert.cell'));
      button.type = 'button';
      button.addEventListener('click', showCell);
      this.#body.append(button);
    }
  }

  #counts(cell, { layer, hasBefore, district }) {
    const title = layer === 'forecast' ? 'counters.forecast' : 'cell.counts';
    if (isOutside(cell, district) && cell.layers.every(({ count }) => !count)) return section(title, [make('p', 'muted', text('cell.outside'))]);
    const list = make('dl', 'facts');
    let isCompared = false;
    for (const info of cell.layers) {
      if (info.name === 'transactions') continue;
      const value = info.name === 'risk' ? info.expected : info.count, figure = make('dd', '', formatLayer(info.name, value));
      list.append(make('dt', '', unitName(info.name, value)));
      if (info.name === 'risk' && info.count) figure.append(` · ${text('cell.risk', { risk: formatPercent(info.risk) })}`);
      if (hasBefore && info.name !== 'risk' && info.change !== undefined) {
        figure.append(' ', make('span', 'muted', `(${formatChange(info.change)})`));
        isCompared = true;
      }
      list.append(figure);
    }
    const types = make('p', 'muted', cell.types.filter(({ layer }) => layer === 'transactions' || layer === 'complaints')
      .map(({ type, count }) => `${typeName(type)} ${formatFine(count)}`).join(' · '));
    // Where there is such a span but nothing in either, there is nothing to say of it.
    const words = isCompared ? ['cell.changes'] : hasBefore ? [] : ['cell.noChanges'];
    return section(title, [list, ...words.map((key) => make('p', 'muted small', text(key))), types]);
  }

  #history(series, layer) {
    const values = layer === 'risk' ? series.expected : series.counts;
    if (!series.from || !values.some((value) => value > 0)) return section('cell.history', [make('p', 'muted', text('cell.noHistory'))]);
    const start = Date.parse(series.from), step = series.bucketHours * 3600_000;
    // Empty time before the first event says nothing.
    const first = values.findIndex((value) => value > 0), shown = values.slice(first);
    const label = text('cell.historyLabel', {
      unit: text(`unit.${layer}`), from: formatMoment(start + first * step), to: formatMoment(start + values.length * step),
      most: formatLayer(layer, Math.max(...shown)), hours: series.bucketHours,
    });
    return section('cell.history', [bars(shown, label), make('p', 'muted small', label)]);
  }

  /** A complaint as the service lists it. */
  async showComplaint(complaint) {
    const signal = this.#open(text('complaint.title', { type: typeName(complaint.crimeType) }));
    const occurred = Date.parse(complaint.occurredAt);
    const clock = make('p', 'golden');
    clock.setAttribute('role', 'timer');
    const tick = () => {
      const left = occurred + GOLDEN_MILLISECONDS - Date.now();
      clock.classList.toggle('is-over', left <= 0);
      clock.textContent = left > 0
        ? text('complaint.golden', { left: Math.ceil(left / 60_000) }) : text('complaint.goldenOver', { past: formatDuration(-left) });
    };
    tick();
    this.#ticking = setInterval(tick, CLOCK_MILLISECONDS);
    const facts = [
      text('complaint.occurred', { when: formatMoment(occurred) }),
      text('complaint.reported', { when: formatMoment(Date.parse(complaint.reportedAt)) }),
      complaint.amountMinorUnits === undefined
        ? null : text('complaint.amount', { amount: formatMoney(complaint.amountMinorUnits, complaint.currency) }),
      complaint.jurisdiction || complaint.district || (complaint.latitude === undefined ? text('alerts.nowhere') : ''),
    ].filter(Boolean);
    const list = make('ul', 'plain');
    list.append(...facts.map((words) => make('li', '', words)));
    const ranking = make('div');
    showLoading(ranking);
    this.#body.replaceChildren(clock, ...section('complaint.facts', [list]), ...section('complaint.atms', [ranking]));
    try {
      const goTo = (longitude, latitude) => this.dispatchEvent(new CustomEvent('place', { detail: { longitude, latitude } }));
      ranking.replaceChildren(...cashOut(await api.cashOut(complaint, signal), goTo));
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.status === 404 || error.status === 501) ranking.replaceChildren(make('p', 'muted', text('complaint.noAtms')));
      else showFailure(ranking, error, () => this.showComplaint(complaint));
    }
  }
}

/** Whether a district is chosen that a cell's middle is not in: nothing of the cell is counted then, unless a part of it is within. */
const isOutside = (cell, district) => Boolean(district) && cell.jurisdiction !== district;

const keyOf = (item) => JSON.stringify(item.dataset);

function section(title, parts) {
  return [make('h3', '', text(title)), ...parts];
}

/** Where and when the money may be taken out, likeliest first. */
function cashOut(answer, goTo) {
  const gone = make('p', 'gone');
  gone.append(make('strong', '', formatChance(answer.goneProbability)), ' ', text('complaint.gone'));
  if (!answer.atms.length) return [gone, make('p', 'muted', text('complaint.noAtms'))];
  const list = make('ol', 'plain ranking'), most = Math.max(...answer.atms.flatMap((atm) => atm.windows));
  list.append(...answer.atms.map((atm) => {
    const item = make('li'), button = make('button', 'row');
    const head = make('span', 'row-head');
    head.append(make('strong', '', terminalName('atm', atm.terminal)), make('span', 'risk', formatChance(atm.probability)));
    button.type = 'button';
    button.append(head);
    if (atm.institution) button.append(make('span', 'muted', atm.institution));
    const best = atm.windows.indexOf(Math.max(...atm.windows)), window = answer.windows[best];
    if (window) {
      const times = { from: formatMoment(Date.parse(window.startsAt)), to: formatTime(Date.parse(window.endsAt)) };
      const words = text('complaint.window', { ...times, probability: formatChance(atm.windows[best]) });
      button.append(make('span', 'muted', words), bars(atm.windows, words, { height: 24, future: 0, most }));
    }
    button.disabled = atm.latitude === undefined;
    button.addEventListener('click', () => goTo(atm.longitude, atm.latitude));
    item.append(button);
    return item;
  }));
  const rest = make('p', 'muted small', text('complaint.elsewhere', { probability: formatChance(answer.elsewhereProbability) }));
  const basis = make('p', 'muted small', text(answer.isTraced ? 'complaint.traced' : 'complaint.untraced'));
  const scale = make('p', 'muted small', text('complaint.scale', { probability: formatChance(most) }));
  return [gone, list, scale, rest, basis];
}

/** A mean with the whole numbers between which the count itself will likely lie; one number alone, or none, is said in words. */
function expectation(expected, low, high) {
  if (expected === 0) return formatExpected(0);
  const key = high === 0 ? 'cell.forecastNone' : low === high ? 'cell.forecastOne' : 'cell.forecastText';
  return text(key, { expected: formatExpected(expected), low: formatFine(low), high: formatFine(high) });
}

/** What is expected in a cell: a figure with its interval for each of some spans, and the hours. */
function outlook(cell, district) {
  const { forecast } = cell;
  if (forecast && isOutside(cell, district) && forecast.expected.every((expected) => !expected)) return [make('p', 'muted', text('cell.outside'))];
  if (!forecast) return [make('p', 'muted', text('cell.noForecast'))];
  const list = make('dl', 'facts');
  for (const { hours, expected, low, high } of forecast.spans) {
    list.append(
      make('dt', '', text('cell.forecastSpan', { hours: formatFine(hours) })),
      make('dd', '', expectation(expected, low, high)));
  }
  const words = text('cell.forecastLabel', { from: formatMoment(Date.parse(forecast.from)), coverage: formatPercent(forecast.coverage) });
  return [list, bars(forecast.expected, words, { future: 0, height: 40 }), make('p', 'muted small', words)];
}

function reasons(cell) {
  if (!cell.reasons.length) return [make('p', 'muted', text('cell.noReasons'))];
  const list = make('ol', 'plain');
  list.append(...cell.reasons.map((reason) => {
    const item = make('li', '', formatReason(reason, reason.currency));
    if (reason.alerts > 1) item.append(' ', make('span', 'muted', text('cell.reasonAlerts', { count: formatFine(reason.alerts) })));
    return item;
  }));
  return [list];
}

function terminals(cell) {
  const list = make('ul', 'plain');
  if (!cell.terminals.length) list.append(note(list, text('cell.noAtms')));
  list.append(...cell.terminals.map((terminal) => {
    const item = make('li', terminal.kind, terminalName(terminal.kind, terminal.terminal));
    if (terminal.institution) item.append(' ', make('span', 'muted', terminal.institution));
    return item;
  }));
  return [list];
}
