// The lists and figures beside the map. Everything shown is set as text, never as markup.
import { formatCount, formatDuration, formatExpected, formatLayer, formatPlace, unitName } from './format.js';
import { terminalName, text, typeName } from './strings.js';

export function make(name, className, words) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (words !== undefined) element.textContent = words;
  return element;
}

/** A button group of which one is chosen, with the arrow keys moving the choice. */
export function segments(root, choices, choose) {
  const buttons = choices.map(({ value, label }) => {
    const button = make('button', '', label);
    button.type = 'button';
    button.dataset.value = value;
    button.setAttribute('role', 'radio');
    button.addEventListener('click', () => choose(value));
    return button;
  });
  root.replaceChildren(...buttons);
  root.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    choose(next.dataset.value);
  });
  return (value) => {
    const chosen = buttons.some((button) => button.dataset.value === value) ? value : buttons[0]?.dataset.value;
    for (const button of buttons) {
      const isChosen = button.dataset.value === value;
      button.setAttribute('aria-checked', isChosen);
      button.tabIndex = button.dataset.value === chosen ? 0 : -1;
    }
  };
}

/** Figures for each layer in the span chosen; those that grew light up. */
export class Counters {
  #root;
  #cells = new Map();

  constructor(root, layers, choose) {
    this.#root = root;
    for (const layer of layers) {
      const cell = make('button', 'counter');
      cell.type = 'button';
      cell.title = text(`about.${layer}`);
      const figure = make('strong', '', '–');
      const unit = make('span', 'muted', text(`unit.${layer}`));
      cell.append(figure, unit);
      cell.addEventListener('click', () => choose(layer));
      this.#cells.set(layer, { cell, figure, unit, value: null });
      root.append(cell);
    }
  }

  update(layers, chosen) {
    this.#root.classList.remove('is-failed');
    for (const info of layers) {
      const known = this.#cells.get(info.name);
      if (!known) continue;
      const value = info.name === 'risk' ? info.expected : info.count;
      known.cell.classList.toggle('is-chosen', info.name === chosen);
      if (known.value === value) continue;
      if (known.value !== null && value > known.value) {
        known.cell.classList.remove('grew');
        void known.cell.offsetWidth; // So that the animation begins again.
        known.cell.classList.add('grew');
      }
      known.value = value;
      known.unit.textContent = unitName(info.name, value);
      known.figure.textContent = formatLayer(info.name, value);
    }
  }
}

export function row(parts, onClick) {
  const item = make('li');
  const button = make('button', 'row');
  button.type = 'button';
  button.append(...parts);
  if (onClick) button.addEventListener('click', onClick);
  else button.disabled = true;
  item.append(button);
  return item;
}

/** A line of a row: the place may be cut short, the time is not. */
export function whereAndWhen(place, when) {
  const line = make('span', 'where-when muted');
  line.append(make('span', '', place), make('span', '', when));
  return line;
}

/** Says how much is counted that has no place, and so is in no figure of the map, and how much has a date that lies outside all of time. */
export function showLeftOut(root, layers, strays) {
  const parts = layers.filter(({ name, withoutPlace }) => name !== 'risk' && withoutPlace > 0)
    .map(({ name, withoutPlace }) => `${formatCount(withoutPlace)} ${unitName(name, withoutPlace)}`);
  const lines = [
    parts.length && make('span', '', text('counters.withoutPlace', { what: parts.join(', ') })),
    strays && make('span', '', text(strays === 1 ? 'counters.oneStray' : 'counters.strays', { count: formatCount(strays) })),
  ].filter(Boolean);
  root.hidden = !lines.length;
  root.title = parts.length ? text('about.withoutPlace') : '';
  root.replaceChildren(...lines);
}

/** Says how much is expected in a length of time; nothing with null. */
export function showExpected(root, expected, milliseconds) {
  root.hidden = expected === null;
  if (expected === null) return;
  const words = text('counters.expected', { unit: unitName('forecast', expected), duration: formatDuration(milliseconds) });
  root.title = text('about.forecast');
  root.replaceChildren(make('strong', '', formatExpected(expected)), ' ', make('span', 'muted', words));
}

function meter(share, layer) {
  const bar = make('span', layer === 'forecast' ? 'meter is-expected' : 'meter');
  const fill = make('span', 'meter-fill');
  fill.style.width = `${Math.round(Math.min(1, Math.max(0.02, share)) * 100)}%`;
  bar.append(fill);
  return bar;
}

/** Words that stand where something would: an item where `root` is a list. */
export const note = (root, words) => make(['OL', 'UL'].includes(root.tagName) ? 'li' : 'p', 'muted empty', words);

/** What tells a hotspot from another of the same district: a machine in it, if there is one, and where it is. */
function whereabouts({ latitude, longitude, atm }) {
  return [atm && terminalName('atm', atm), formatPlace(latitude, longitude)].filter(Boolean).join(' · ');
}

export function showHotspots(root, hotspots, layer, goTo) {
  if (!hotspots.length) return root.replaceChildren(note(root, text('hotspots.none')));
  const value = (spot) => (['risk', 'forecast'].includes(layer) ? spot.expected : spot.count);
  const most = value(hotspots[0]);
  root.replaceChildren(...hotspots.map((spot) => {
    const head = make('span', 'row-head');
    head.append(
      make('strong', '', spot.jurisdiction ?? whereabouts(spot)),
      make('span', 'figure', formatLayer(layer, value(spot))));
    const place = spot.jurisdiction ? [make('span', 'muted', whereabouts(spot))] : [];
    return row([head, ...place, meter(value(spot) / most, layer)], () => goTo(spot.longitude, spot.latitude));
  }));
}

/** What stands in a list that cannot be shown: why, and for a failure a way to try again. */
export function showFailure(root, error, retry) {
  if (error?.status === 403) return root.replaceChildren(note(root, text('forbidden')));
  const item = note(root, text('failed'));
  if (retry) {
    const button = make('button', 'retry', text('retry'));
    button.type = 'button';
    button.addEventListener('click', retry);
    item.append(' ', button);
  }
  root.replaceChildren(item);
}

export function showLoading(root) {
  root.replaceChildren(note(root, text('loading')));
}

/** Fills a select without losing what was chosen. */
export function fillSelect(select, options, chosen) {
  const given = options.some((option) => option.value === chosen) ? options : [...options, { value: chosen, label: typeName(chosen) }];
  const key = JSON.stringify(given);
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...given.map(({ value, label }) => new Option(label, value)));
  }
  select.value = chosen;
}
