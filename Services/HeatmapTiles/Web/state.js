// What the viewer has chosen. It lives in the address, so that a view can be sent to a colleague; nothing personal is in it.
import { HOUR } from './format.js';

const DAY_TIMES = {
  all: {},
  night: { hours_of_day: '0-5,22,23' },
  morning: { hours_of_day: '6-11' },
  afternoon: { hours_of_day: '12-17' },
  evening: { hours_of_day: '18-21' },
  weekend: { days_of_week: '6,7' },
};

export const PRESETS = { '6h': 6, '24h': 24, '7d': 7 * 24, '30d': 30 * 24, all: null };
/** What has happened, and last what is expected. */
export const RECORDED = ['risk', 'transactions', 'fraud', 'alerts', 'complaints'];
export const LAYERS = [...RECORDED, 'forecast'];
/** How much of the past stands beside a forecast. */
export const HINDSIGHT_HOURS = 72;

export class ViewState extends EventTarget {
  layer = 'risk';
  preset = '24h';
  /** Milliseconds since 1970, whole hours; used when no preset is. */
  from = null;
  to = null;
  type = '';
  jurisdiction = '';
  minRisk = 0;
  daytime = 'all';
  /** The identifier of the alert that is looked at; it comes in links from mails. It names no person. */
  alert = '';
  /** Where the map is looking: latitude, longitude and zoom; null until it has found its place. */
  place = null;
  /** `map` or `models`. */
  page = 'map';
  /** Whether the span is the page's own choice, not the viewer's. */
  isSpanOpen = true;
  /** The first hour with data and the end of the last, in milliseconds; null while there is none. */
  data = null;
  /** The hours that the forecast covers, in milliseconds; null while there is none. */
  forecast = null;

  constructor() {
    super();
    this.read(new URLSearchParams(location.hash.slice(1)));
  }

  read(parameters) {
    const choice = (name, choices, fallback) => (choices.includes(parameters.get(name)) ? parameters.get(name) : fallback);
    this.layer = choice('layer', LAYERS, this.layer);
    this.daytime = choice('daytime', Object.keys(DAY_TIMES), this.daytime);
    this.preset = choice('span', Object.keys(PRESETS), this.preset);
    const from = Date.parse(parameters.get('from') ?? ''), to = Date.parse(parameters.get('to') ?? '');
    if (from < to) Object.assign(this, { from, to, preset: null });
    this.isSpanOpen = !parameters.has('span') && this.preset !== null;
    this.type = parameters.get('type') ?? '';
    this.jurisdiction = parameters.get('district') ?? '';
    this.alert = parameters.get('alert') ?? '';
    const place = (parameters.get('place') ?? '').split(',').map(Number);
    const limits = [85, 180, 22];
    this.place = place.length === 3 && place.every((number, index) => Math.abs(number) <= limits[index]) ? place : null;
    this.page = choice('page', ['map', 'models'], 'map');
    this.minRisk = Math.min(0.9, Math.max(0, Number(parameters.get('risk')) || 0));
  }

  /** Changes what is given and tells everybody once. */
  set(changes) {
    // Channels are the same in all layers of payments.
    if (changes.layer && [changes.layer, this.layer].some((layer) => ['complaints', 'forecast'].includes(layer))) changes.type ??= '';
    const wasForecast = this.layer === 'forecast';
    Object.assign(this, changes);
    // A span of the past is none of the future, and the other way round.
    if (!this.preset && wasForecast !== (this.layer === 'forecast')) changes.preset = this.preset = '24h';
    this.write();
    this.dispatchEvent(new CustomEvent('change', { detail: changes }));
  }

  write() {
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
    if (this.alert) parameters.set('alert', this.alert);
    if (this.place) parameters.set('place', this.place.join(','));
    if (this.page !== 'map') parameters.set('page', this.page);
    if (this.daytime !== 'all') parameters.set('daytime', this.daytime);
    history.replaceState(null, '', `#${parameters}`);
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

  /** The filter without its span, as the service's parameters. In a forecast all cells count. */
  facets() {
    const daytime = DAY_TIMES[this.daytime], isForecast = this.layer === 'forecast';
    return {
      types: this.type || undefined,
      jurisdiction: this.jurisdiction || undefined,
      min_risk: (!isForecast && this.minRisk) || undefined,
      ...daytime,
      utc_offset_minutes: Object.keys(daytime).length ? -new Date().getTimezoneOffset() : undefined,
    };
  }

  /** The whole filter as the service's parameters. */
  filter() {
    const [from, to] = this.span();
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...this.facets() };
  }
}

export const dayTimes = Object.keys(DAY_TIMES);
