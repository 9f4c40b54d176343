// What is looked at beside the map: the panel and the map's frame follow what the view's state names.
import * as api from './api.js';
import { HOUR, formatPlace } from './format.js';
import { latitudeAt, longitudeAt, placeOf } from './mercator.js';
import { cellView } from './outlook.js';
import { ITEMS } from './state.js';
import { text } from './strings.js';

const CLOSE_ZOOM = 16;
const NOTHING = Object.fromEntries(ITEMS.map((kind) => [kind, '']));

export class Items {
  #state;
  #detail;
  #map;
  #alerts;
  #complaints;
  #notes;
  #district;
  /** What is shown, as the state names it. */
  #shown = '';
  /** Whether the map goes to what is shown next even where that is in view already. */
  #isGoing = false;

  /** `map` is null where the browser can draw none; `district` gives the name of the chosen one. */
  constructor(state, detail, map, { alerts, complaints, notes, district }) {
    this.#district = district;
    [this.#state, this.#detail, this.#map, this.#alerts, this.#complaints, this.#notes] = [state, detail, map, alerts, complaints, notes];
    alerts.addEventListener('choose', ({ detail: id }) => this.#open('alert', id, true));
    complaints.addEventListener('choose', ({ detail: key }) => this.#open('complaint', key, true));
    map?.addEventListener('cell', ({ detail: quadkey }) => this.#open('cell', quadkey, false));
    map?.addEventListener('complaint', ({ detail: key }) => this.#open('complaint', key, false));
    detail.addEventListener('close', () => { if (this.#kind) state.set({ ...NOTHING }); });
  }

  get #kind() {
    return ITEMS.find((kind) => this.#state[kind]) ?? '';
  }

  #open(kind, key, isGoing) {
    this.#shown = '';
    this.#isGoing = isGoing;
    this.#state.set({ ...NOTHING, [kind]: key });
  }

  /** Shows what the state names; nothing is done where that is shown already. */
  async show(isGoing = this.#isGoing) {
    this.#isGoing = false;
    const kind = this.#kind, key = this.#state[kind] ?? '', name = kind && `${kind} ${key}`;
    if (name === this.#shown) return;
    this.#shown = name;
    if (kind !== 'cell') this.#map?.mark(null);
    this.#map?.spot(null);
    if (!kind) return this.#detail.close();
    try {
      if (kind === 'cell') this.#showCell(key, isGoing);
      else if (kind === 'alert') await this.#showAlert(key, isGoing);
      else await this.#showComplaint(key, isGoing);
    } catch (error) {
      if (this.#shown !== name) return;
      this.#shown = '';
      const isGone = error.status === 404;
      this.#notes.set('fault', text(`${kind}s.${isGone ? 'gone' : 'notLoaded'}`), isGone ? null : () => {
        this.#notes.clear('fault');
        this.#open(kind, key, isGoing);
      });
      this.#state[kind] = '';
      this.#state.write();
      this.#detail.close();
    }
  }

  /** The view has changed: what is counted of a cell that is shown is counted anew. */
  follow() {
    return this.#detail.follow(cellView(this.#state, this.#district()));
  }

  async #showAlert(id, isGoing) {
    const state = this.#state, alert = this.#alerts.choose(id) ?? await api.alert(id);
    if (state.alert !== id) return;
    // The payment's hour is to be in the span, or the map would not show it.
    const hour = Math.floor(Date.parse(alert.eventTime) / HOUR) * HOUR, [from, to] = state.span();
    if (hour < from || hour >= to) state.set({ preset: null, from: hour - 12 * HOUR, to: hour + 12 * HOUR }, { isPassing: true });
    const { longitude, latitude } = alert, isPlaced = latitude !== undefined && this.#map;
    if (isPlaced) {
      this.#map.spot([longitude, latitude]);
      this.#goTo(longitude, latitude, isGoing);
    }
    this.#detail.showAlert(alert, isPlaced ? () => this.#map.showCell(longitude, latitude, CLOSE_ZOOM) : null);
  }

  async #showComplaint(key, isGoing) {
    const complaint = await this.#complaints.find(key);
    if (this.#state.complaint !== key) return;
    if (!complaint) throw new api.RequestFailed(404, key);
    if (complaint.latitude !== undefined) {
      this.#map?.spot([complaint.longitude, complaint.latitude]);
      this.#goTo(complaint.longitude, complaint.latitude, isGoing);
    }
    this.#detail.showComplaint(complaint);
  }

  #showCell(quadkey, isGoing) {
    const zoom = quadkey.length, [x, y] = placeOf(quadkey);
    const longitude = longitudeAt(x + 0.5, zoom), latitude = latitudeAt(y + 0.5, zoom);
    this.#map?.mark([longitudeAt(x, zoom), latitudeAt(y + 1, zoom), longitudeAt(x + 1, zoom), latitudeAt(y, zoom)]);
    this.#goTo(longitude, latitude, isGoing);
    this.#detail.showCell(quadkey, cellView(this.#state, this.#district()), formatPlace(latitude, longitude));
  }

  #goTo(longitude, latitude, isGoing) {
    if (isGoing || !this.#map?.isInView(longitude, latitude)) this.#map?.goTo(longitude, latitude);
  }
}
