// What the viewer has chosen. It lives in the address, so that a view can be sent to a colleague; nothing personal is in it.
import { HOUR } from './format.js';
import { utcOffsetMinutes } from './zones.js';

/** From and to which hour each lasts, or on which days of the week; Monday is 1. */
export const DAY_TIMES = {
  all: {},
  night: { hours: [22, 6] },
  morning: { hours: [6, 12] },
  afternoon: { hours: [12, 18] },
  evening: { hours: [18, 22] },
  weekend: { days: '6,7' },
};

export const PRESETS = { '6h': 6, '24h': 24, '7d': 7 * 24, '30d': 30 * 24, all: null };
/** What has happened, and last what is expected. */
export const RECORDED = ['risk', 'transactions', 'fraud', 'alerts', 'complaints'];
export const LAYERS = [...RECORDED, 'forecast'];
/** How much of the past stands beside a forecast. */
export const HINDSIGHT_HOURS = 72;

/** What may be looked at beside the map: at most one at a time. */
export const ITEMS = ['alert', 'cell', 'complaint'];

const DEFAULTS = {
  layer: 'risk',
  preset: '24h',
  /** Milliseconds since 1970, whole hours; used when no preset is. */
  from: null,
  to: null,
  type: '',
  jurisdiction: '',
  minRisk: 0,
  daytime: 'all',
  /** The decision's identifier of the alert that is looked at; it comes in links from mails. It names no person. */
  alert: '',
  /** The quadkey of the cell that is looked at. */
  cell: '',
  /** The complaint that is looked at: who reported it, a slash, and its identifier there. */
  complaint: '',
  /** Where the map is looking: latitude, longitude and zoom; null until it has found its place. */
  place: null,
  /** `map` or `models`. */
  page: 'map',
};

/** What the service takes: `from` and `to` at most this far apart, and before this moment. */
const LONGEST_SPAN = 3660 * 24 * HOUR, LAST_MOMENT = Date.UTC(2089, 0);
const PLACE_LIMITS = [85, 180, 22];
const MOST_RISK = 0.9;

export class ViewState extends EventTarget {
  /** Whether the span is the page's own choice, not the viewer's. */
  isSpanOpen = true;
  /** What the address holds that is not understood, each with its name and value; the default is shown for it. */
  strange = [];
  /** The first hour with data and the end of the last, in milliseconds; null while there is none. */
  data = null;
  /** The span of the past that was brushed when the forecast was chosen; null where a preset was. */
  #past = null;
  /** The hours that the forecast covers, in milliseconds; null while there is none. */
  forecast = null;

  constructor() {
    super();
    this.read();
    window.addEventListener('popstate', () => this.#restore());
  }

  /** Takes what the address says. */
  read() {
    Object.assign(this, DEFAULTS, { strange: [] });
    const parameters = new URLSearchParams(location.hash.slice(1));
    const take = (name, key, read) => {
      const value = parameters.get(name);
      if (!value) return;
      const understood = read(value);
      if (understood === null) this.strange.push({ name, value });
      else this[key] = understood;
    };
    const oneOf = (choices) => (value) => (choices.includes(value) ? value : null);
    take('layer', 'layer', oneOf(LAYERS));
    take('daytime', 'daytime', oneOf(Object.keys(DAY_TIMES)));
    take('page', 'page', oneOf(['map', 'models']));
    take('span', 'preset', oneOf(Object.keys(PRESETS)));
    take('place', 'place', readPlace);
    take('risk', 'minRisk', (value) => (Number(value) >= 0 && Number(value) <= MOST_RISK ? Number(value) : null));
    take('cell', 'cell', (value) => (/^[0-3]{8,17}$/.test(value) ? value : null));
    // Whether there are such ones, the service must be asked.
    for (const name of ['type', 'alert', 'complaint']) take(name, name, (value) => value);
    take('district', 'jurisdiction', (value) => value);
    this.#readSpan(parameters.get('from'), parameters.get('to'));
    this.isSpanOpen = this.preset !== null && !(parameters.get('span') in PRESETS);
  }

  #readSpan(from, to) {
    const [first, last] = [from, to].map((value) => (/^\d{4}-\d\d/.test(value ?? '') ? Date.parse(value) : NaN));
    const end = Math.ceil(last / HOUR) * HOUR;
    if (first < last && end > 0 && end <= LAST_MOMENT) {
      // As far back as the service looks; what is asked for before that is before all data.
      Object.assign(this, { from: Math.max(0, end - LONGEST_SPAN, Math.floor(first / HOUR) * HOUR), to: end, preset: null });
      return;
    }
    // Where each alone can be read, it is the two together that make no sense.
    const given = [{ name: 'from', value: from, time: first }, { name: 'to', value: to, time: last }].filter(({ value }) => value);
    const unread = given.filter(({ time }) => Number.isNaN(time));
    this.strange.push(...(unread.length ? unread : given).map(({ name, value }) => ({ name, value })));
  }

  /** Leaves out of the view what there is not: a district of other `areas`, a type that is none of `types`. Null where they are not known. */
  check(areas, types) {
    if (areas && this.jurisdiction && !areas.includes(this.jurisdiction)) {
      this.strange.push({ name: 'district', value: this.jurisdiction });
      this.jurisdiction = '';
    }
    if (types && this.type && !types.includes(this.type)) {
      this.strange.push({ name: 'type', value: this.type });
      this.type = '';
    }
  }

  /** The way back, or on: the address has changed, and the view follows it. */
  #restore() {
    const before = Object.keys(DEFAULTS).map((key) => [key, String(this[key])]);
    this.read();
    const changes = Object.fromEntries(before.filter(([key, value]) => String(this[key]) !== value).map(([key]) => [key, this[key]]));
    this.dispatchEvent(new CustomEvent('change', { detail: { changes, isRestored: true, isPassing: false } }));
  }

  /**
   * Changes what is given and tells everybody once. The view before is a step back in the browser's history, unless what changes is one of many
   * on the way to a view (`isPassing`).
   */
  set(changes, { isPassing = false } = {}) {
    // Channels are the same in all layers of payments.
    if (changes.layer && [changes.layer, this.layer].some((layer) => ['complaints', 'forecast'].includes(layer))) changes.type ??= '';
    const wasForecast = this.layer === 'forecast', before = this.preset ? null : { preset: null, from: this.from, to: this.to };
    Object.assign(this, changes);
    if (wasForecast !== (this.layer === 'forecast')) {
      // A span of the past is none of the future, and the other way round; on the way back, the past's own is there again.
      const span = wasForecast && this.#past ? this.#past : before ? { preset: '24h' } : {};
      this.#past = wasForecast ? null : before;
      Object.assign(changes, span);
      Object.assign(this, span);
    }
    this.write({ isStep: !isPassing });
    this.dispatchEvent(new CustomEvent('change', { detail: { changes, isRestored: false, isPassing } }));
  }

  write({ isStep = false } = {}) {
    const parameters = new URLSearchParams();
    parameters.set('layer', this.layer);
    if (this.preset) parameters.set('span', this.preset);
    else {
      parameters.set('from', new Date(this.from).toISOString());
      parameters.set('to', new Date(this.to).toISOString());
    }
    if (this.type) parameters.set('type', this.type);
    if (this.jurisdiction) parameters.set('district', this.jurisdiction);
    if (this.minRisk) parameters.set('risk', this.minRisk);
    for (const item of ITEMS) if (this[item]) parameters.set(item, this[item]);
    if (this.place) parameters.set('place', this.place.join(','));
    if (this.page !== 'map') parameters.set('page', this.page);
    if (this.daytime !== 'all') parameters.set('daytime', this.daytime);
    const address = `#${parameters}`;
    if (address === location.hash) return;
    if (isStep) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }

  /** The span in milliseconds. A preset ends with the newest data, so it moves on as events arrive. */
  span() {
    if (!this.preset) return [this.from, this.to];
    if (this.layer === 'forecast') return this.#futureSpan();
    const [first, last] = this.data ?? [Math.floor(Date.now() / HOUR) * HOUR - 24 * HOUR, Math.ceil(Date.now() / HOUR) * HOUR];
    const hours = PRESETS[this.preset];
    return [hours === null ? first : Math.max(first, last - hours * HOUR), last];
  }

  #futureSpan() {
    const hour = Math.floor(Date.now() / HOUR) * HOUR;
    const [first, last] = this.forecast ?? [hour, hour + HINDSIGHT_HOURS * HOUR], hours = PRESETS[this.preset];
    return [first, hours === null ? last : Math.min(last, first + hours * HOUR)];
  }

  /** What the map draws: while the span lies in the past, what happened is drawn in the forecast's place. */
  get drawnLayer() {
    if (this.layer !== 'forecast') return this.layer;
    return this.forecast && this.span()[1] <= this.forecast[0] ? 'complaints' : 'forecast';
  }

  /** Whether what the layer shows has a risk: what people report and what is expected of them has none. */
  get hasRisk() {
    return !['complaints', 'forecast'].includes(this.layer);
  }

  /** The filter without its span, as the service's parameters. */
  facets() {
    const { hours, days } = DAY_TIMES[this.daytime];
    return {
      types: this.type || undefined,
      jurisdiction: this.jurisdiction || undefined,
      min_risk: (this.hasRisk && this.minRisk) || undefined,
      hours_of_day: hours && `${hours[0]}-${(hours[1] + 23) % 24}`,
      days_of_week: days,
      utc_offset_minutes: hours || days ? utcOffsetMinutes() : undefined,
    };
  }

  /** The whole filter as the service's parameters. */
  filter() {
    const [from, to] = this.span();
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...this.facets() };
  }
}

function readPlace(text) {
  const place = text.split(',').map(Number);
  return place.length === 3 && place.every((number, index) => Math.abs(number) <= PLACE_LIMITS[index]) ? place : null;
}
