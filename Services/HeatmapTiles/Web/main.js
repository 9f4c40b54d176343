// Puts the page together: who is signed in, what is chosen, and what is shown for it.
import { Acknowledgements } from './acknowledgements.js';
import { AlertList } from './alerts.js';
import * as api from './api.js';
import { ComplaintList } from './complaints.js';
import { Controls, knownTypes } from './controls.js';
import { Detail } from './detail.js';
import { formatClock, formatMoment, formatSpan } from './format.js';
import { Healing } from './healing.js';
import { Items } from './items.js';
import { showLegend } from './legend.js';
import { Live, keepUp, latest } from './live.js';
import { askAgain, withSession } from './login.js';
import { RiskMap } from './map.js';
import { ModelsPage } from './models.js';
import { Notes, emptiness, strangeness } from './notes.js';
import { alertFilter, chooseSpan, complaintFilter, expectedTotal, outlook, recordedFilter, unfiltered } from './outlook.js';
import { Player } from './player.js';
import { Counters, segments, showExpected, showFailure, showHotspots, showLeftOut, showLoading } from './panels.js';
import { rove } from './rove.js';
import { boxOf } from './shapes.js';
import { ITEMS, LAYERS, RECORDED, ViewState } from './state.js';
import { fillTexts, switchLanguage, text } from './strings.js';
import { showTheme, switchTheme, whenThemeChanges } from './theme.js';
import { Timeline } from './timeline.js';
import { Waiting, untilDrawn } from './waiting.js';
import { zoneName } from './zones.js';

const HOTSPOTS_SHOWN = 8;
const HOTSPOT_ZOOM = 15;
const element = (id) => document.getElementById(id);

class Dashboard {
  #state = new ViewState();
  #live = new Live();
  #healing = new Healing(() => this.#heal());
  #notes = new Notes(element('map-note'));
  #waiting = new Waiting(element('waiting'));
  #map = null;
  #timeline;
  #controls;
  #counters;
  #alerts;
  #complaints;
  #items;
  #models;
  #player;
  #summary = null;
  /** The districts as GeoJSON; null while they are not known. */
  #areas = null;
  /** The districts that this viewer is limited to; empty for everywhere. */
  #limits = [];
  #markList;
  /** The list that the viewer wants to see; null for the one that suits the layer. */
  #list = null;
  /** When the connection was lost, in milliseconds; null while it stands. */
  #lostAt = null;
  #isHeatOld = false;
  /** Layers with events that are not shown yet. */
  #oldLayers = new Set();

  start(session) {
    api.whenSignedOut(askAgain);
    api.whenFailed((retryAfter) => this.#healing.fail(retryAfter));
    element('app').hidden = false;
    element('user').textContent = session.subject;
    this.#limits = session.jurisdictions;
    if (this.#limits.length) element('user').title = text('user.scope', { areas: session.jurisdictions.join(', ') });
    this.#showLegend();
    try {
      this.#map = new RiskMap(element('map'), document.documentElement.dataset.theme, this.#state.place);
    } catch {
      this.#notes.set('graphics', text('map.noGraphics'));
    }
    this.#timeline = new Timeline(element('histogram'));
    this.#player = new Player(this.#state, this.#timeline);
    this.#controls = new Controls(this.#state, this.#player, this.#limits.length > 0);
    this.#counters = new Counters(element('counters'), RECORDED, (layer) => this.#state.set({ layer }));
    this.#models = new ModelsPage(element('models'), this.#limits, () => this.#state.set({ page: 'map' }));
    this.#makeLists(session);
    this.#wireView();
    this.#wireBar();
    this.#wireLive();
    // A district that the address names is looked for before anything is asked about it.
    const areas = this.#loadAreas();
    this.#begin(this.#state.jurisdiction ? areas : null).then(() => this.#live.start());
    this.#loadBaseMap();
  }

  /** Shows the first view once it is known what there is. */
  async #begin(areas) {
    const isPlaced = this.#state.place !== null;
    await Promise.all([this.#loadSummary(), areas]);
    this.#checkLink();
    await chooseSpan(this.#state);
    // The way back leads to this view as well.
    this.#state.write();
    this.#showAll();
    if (!isPlaced) await this.#fit();
    this.#items.show(!isPlaced);
  }

  #loadBaseMap() {
    if (!this.#map) return;
    api.baseMap().then(({ style }) => this.#map.setBaseMap(style)).catch(() => this.#noteTiles());
  }

  /** The service can be reached again, or may be: what could not be had is asked for anew. */
  #heal() {
    this.#notes.clear('tiles');
    const areas = this.#areas ? null : this.#loadAreas();
    if (this.#summary) {
      this.#showAll();
      if (!this.#state.place) this.#fit();
    } else {
      this.#begin(areas);
    }
    if (this.#models.isOpen && this.#models.hasFailed) this.#models.show();
  }

  #noteTiles() {
    this.#notes.set('tiles', text('map.failed'), () => this.#healing.now());
    this.#healing.fail();
  }

  /** What the address names and there is not is said, and the default is shown for it. */
  #checkLink() {
    this.#state.check(this.#areas?.features.map(({ id }) => id), knownTypes(this.#summary, this.#state.layer));
    this.#notes.set('link', strangeness(this.#state.strange));
    this.#state.write();
  }

  #makeLists({ scopes }) {
    const acknowledgements = new Acknowledgements(scopes);
    const alerts = this.#alerts = new AlertList(element('alerts'), { count: element('alerts-count'), openOnly: element('open-only') }, acknowledgements);
    const complaints = this.#complaints = new ComplaintList(element('complaints'));
    for (const source of [acknowledgements, alerts]) source.addEventListener('fault', ({ detail }) => this.#notes.set('fault', detail));
    alerts.addEventListener('new', ({ detail: alert }) => {
      if (alert.latitude !== undefined) this.#map?.pulse(alert.longitude, alert.latitude);
    });
    const detail = new Detail(element('detail'), acknowledgements);
    detail.addEventListener('place', ({ detail: { longitude, latitude } }) => this.#map?.goTo(longitude, latitude));
    this.#items = new Items(this.#state, detail, this.#map, {
      alerts, complaints, notes: this.#notes, district: () => this.#controls.district,
    });
    const lists = ['alerts', 'complaints'].map((value) => ({ value, label: text(`layer.${value}`) }));
    this.#markList = segments(element('lists'), lists, (list) => {
      this.#list = list;
      this.#showList();
    });
    const roots = ['alerts', 'complaints', 'hotspots'].map(element);
    for (const work of [rove, showLoading]) roots.forEach(work);
  }

  #showList() {
    const shown = this.#list ?? (this.#state.layer === 'complaints' ? 'complaints' : 'alerts');
    this.#markList(shown);
    for (const id of ['alerts', 'complaints']) element(id).hidden = id !== shown;
    element('alerts-tools').hidden = shown !== 'alerts';
    const filters = unfiltered(this.#state).map((name) => text(`filters.${name}`)).join(', '), note = element('list-note');
    note.hidden = !filters;
    note.textContent = filters && text(shown === 'complaints' ? 'lists.unfilteredDots' : 'lists.unfiltered', { filters });
  }

  #wireBar() {
    element('models-open').addEventListener('click', () => this.#state.set({ page: 'models' }));
    element('language').addEventListener('click', () => { switchLanguage(); location.reload(); });
    element('theme').addEventListener('click', switchTheme);
    whenThemeChanges((theme) => { this.#showLegend(); this.#map?.setTheme(theme); });
    element('logout').addEventListener('click', async () => {
      await api.logout().catch(() => {});
      location.reload();
    });
    element('zone').title = element('zone').textContent = text('timeline.zone', { zone: zoneName() });
  }

  #wireView() {
    const state = this.#state;
    this.#timeline.addEventListener('choose', ({ detail: [from, to] }) => {
      this.#player.pause();
      state.set({ preset: null, from, to }, { isPassing: true });
    });
    state.addEventListener('change', ({ detail: { changes, ...how } }) => this.#follow(Object.keys(changes), how));
    this.#map?.addEventListener('move', () => {
      state.place = this.#map.place();
      state.write();
      this.#notes.clear('tiles');
      this.#loadHotspots();
    });
    this.#map?.addEventListener('fault', ({ detail }) => {
      if (detail?.status === 401) askAgain();
      else this.#noteTiles();
    });
    this.#map?.addEventListener('idle', () => this.#noteEmptiness());
  }

  /** Shows what has changed in the view's state, by the viewer or on the way back. */
  #follow(changes, { isRestored, isPassing }) {
    const isOnly = (...keys) => changes.every((key) => keys.includes(key));
    this.#notes.clear('fault', 'tiles');
    if (isRestored) {
      this.#player.pause();
      this.#checkLink();
      if (changes.includes('place') && this.#state.place) this.#map?.jumpTo(this.#state.place);
    } else if (!isPassing && !isOnly(...ITEMS)) {
      this.#notes.clear('link');
    }
    if (changes.includes('layer')) {
      this.#player.pause();
      this.#list = null;
    }
    this.#items.show();
    if (isOnly(...ITEMS, 'page', 'place')) return this.#showPage();
    if (changes.includes('jurisdiction') && !isRestored) this.#fit(true);
    // The bars show all of time: they stay when only the span moves.
    this.#showAll(!isOnly('preset', 'from', 'to', ...ITEMS));
  }

  #wireLive() {
    this.#live.addEventListener('state', ({ detail }) => {
      element('live').className = `live is-${detail}`;
      element('live').textContent = text(`live.${detail}`);
      if (detail === 'off') this.#lostAt ??= this.#live.heardAt ?? Date.now();
      const isHealed = detail === 'on' && this.#lostAt;
      if (isHealed) this.#lostAt = null;
      this.#notes.set('lost', this.#lostAt ? text('live.lost', { when: formatClock(this.#lostAt) }) : '');
      if (isHealed) this.#heal();
    });
    this.#live.addEventListener('heard', () => this.#healing.hear());
    this.#live.addEventListener('change', ({ detail }) => {
      element('live').title = formatClock(Date.now());
      // A viewer of some districts is told no revision.
      if (detail.revision !== undefined && detail.revision === this.#summary?.revision) return;
      // Any payment may move its cell over the least risk, in all layers.
      const layers = this.#state.facets().min_risk ? LAYERS : detail.layers ?? LAYERS;
      for (const layer of layers) this.#oldLayers.add(layer);
      // Where nothing has changed that is in view, the heat stays as it is.
      const isDrawn = layers.includes(this.#state.drawnLayer);
      if (isDrawn && (!detail.cells || !this.#map || this.#map.sees(detail.cells))) this.#isHeatOld = true;
      this.#onChange();
    });
    // Where the session has ended, the answer leads back to the login.
    this.#live.addEventListener('broken', () => api.session().catch(() => {}));
  }

  /** New events have come: what shows now of the layers that they are in is asked for again. */
  #onChange = latest(async () => {
    const old = this.#oldLayers;
    this.#oldLayers = new Set();
    // The heat need not wait for the figures: where they move the span on, it is shown anew.
    if (this.#isHeatOld) {
      this.#notes.clear('tiles');
      this.#map?.refresh();
    }
    this.#isHeatOld = false;
    const hasMoved = await keepUp(() => this.#state.span(), () => this.#loadSummary());
    if (hasMoved) this.#map?.show(this.#state.drawnLayer, this.#state.filter());
    this.#showAll(true, hasMoved ? new Set(LAYERS) : old);
    if (this.#summary && this.#summary.jurisdictions !== this.#areas?.features.length) this.#loadAreas();
  });

  /** Shows the view; with `old`, only what new events of those layers make look different. */
  #showAll(withSeries = true, old = null) {
    const state = this.#state, isOld = (...layers) => !old || layers.some((layer) => old.has(layer));
    this.#controls.show(this.#summary);
    this.#showList();
    const [from, to] = state.span();
    element('span').textContent = formatSpan(from, to);
    this.#timeline.setSpan([from, to]);
    element('counters-title').textContent = text(state.layer === 'forecast' ? 'counters.forecast' : 'counters.title');
    element('hotspots-title').textContent = text('hotspots.title', { unit: text(`unit.${state.drawnLayer}`) });
    this.#showLegend();
    // Where only events are new, what stands is not wrong meanwhile, unless it could not be had before.
    const isDue = (id) => !old || this.#waiting.isWaiting(element(id));
    const show = (id, answer) => { if (isDue(id)) this.#waiting.until(element(id), answer); };
    if (!old) this.#showHeat();
    if (withSeries && isOld(state.layer, state.drawnLayer)) show('histogram', this.#loadSeries());
    if (isDue('counters')) show('counters', this.#loadSummary());
    if (isOld('forecast')) show('expected-total', this.#loadExpected());
    if (isOld(state.drawnLayer)) show('hotspots', this.#loadHotspots());
    if (isOld('alerts')) show('alerts', this.#loadAlerts());
    if (isOld('complaints')) show('complaints', this.#loadComplaints());
    if (isOld(state.layer)) show('detail-body', this.#items.follow());
    this.#showPage();
  }

  /** Draws the view's heat; what cannot be loaded of it leaves what was drawn before dim. */
  #showHeat() {
    const map = this.#map, { drawnLayer } = this.#state;
    if (map?.show(drawnLayer, this.#state.filter())) this.#waiting.until(element('map'), untilDrawn(map));
  }

  #showPage() {
    const isModels = this.#state.page === 'models';
    if (isModels && !this.#models.isOpen) this.#models.show();
    if (!isModels && this.#models.isOpen) {
      this.#models.hide();
      element('models-open').focus();
    }
  }

  #loadSummary = latest(async () => {
    try {
      const summary = await api.summary(this.#summary ? recordedFilter(this.#state) : {});
      this.#summary = summary;
      const span = (from, to) => (from ? [Date.parse(from), Date.parse(to)] : null);
      this.#state.data = span(summary.from, summary.to);
      this.#state.forecast = span(summary.forecastFrom, summary.forecastTo);
      this.#counters.update(summary.layers, this.#state.layer);
      showLeftOut(element('left-out'), summary.layers, this.#state.preset === 'all' ? summary.strays : 0);
      this.#notes.clear('figures');
      this.#noteEmptiness();
      return true;
    } catch {
      this.#notes.set('figures', text('counters.failed'), () => this.#healing.now());
      return false;
    }
  });

  #loadExpected = latest(async () => {
    const [from, to] = this.#state.span(), expected = await expectedTotal(this.#state).catch(() => undefined);
    if (expected !== undefined) showExpected(element('expected-total'), expected, to - from);
    return expected !== undefined;
  });

  /** Shows the district that is chosen; without one, where there are events in the span and all the jurisdictions. */
  async #fit(isAnimated = false) {
    const district = this.#areas?.features.find(({ id }) => id === this.#state.jurisdiction);
    if (district) return this.#map?.fit(boxOf(district), isAnimated);
    const { types, ...filter } = recordedFilter(this.#state);
    const { bounds } = await api.bounds(filter).catch(() => ({}));
    if (bounds && !this.#state.jurisdiction) this.#map?.fit(bounds, isAnimated);
  }

  #loadSeries = latest(async () => {
    try {
      const layer = this.#state.layer, facets = this.#state.facets();
      this.#timeline.setSeries(layer === 'forecast' ? await outlook(this.#state) : await api.series({ layer, ...facets }));
      this.#timeline.setSpan(this.#state.span());
      this.#controls.showStep();
      this.#notes.clear('bars');
      return true;
    } catch {
      this.#timeline.fail();
      this.#notes.set('bars', text('timeline.failed'), () => this.#healing.now());
      return false;
    }
  });

  #loadHotspots = latest(async () => {
    try {
      const bbox = this.#map?.bounds().map((degrees) => degrees.toFixed(5)).join(',');
      const layer = this.#state.drawnLayer;
      const spots = await api.hotspots({ layer, bbox, zoom: HOTSPOT_ZOOM, limit: HOTSPOTS_SHOWN, ...this.#state.filter() });
      showHotspots(element('hotspots'), spots, layer, (longitude, latitude) => {
        this.#map?.goTo(longitude, latitude);
        this.#map?.showCell(longitude, latitude, HOTSPOT_ZOOM);
      });
    } catch (error) {
      showFailure(element('hotspots'), error, () => this.#loadHotspots());
    }
  });

  #loadAlerts = latest(() => this.#alerts.load(alertFilter(this.#state)));

  #loadComplaints = latest(async () => {
    this.#map?.setComplaints(await this.#complaints.load(complaintFilter(this.#state)));
  });

  async #loadAreas() {
    try {
      this.#areas = await api.areas();
      this.#map?.setAreas(this.#areas);
      this.#controls.setAreas(this.#areas);
    } catch {
      // Asked for again when something changes: the summary tells how many there are.
    }
  }

  #noteEmptiness() {
    if (this.#summary) this.#notes.set('empty', emptiness(this.#summary, this.#state, this.#limits));
  }

  /** What the colours mean; what is only expected has its own, and says so. */
  #showLegend() {
    const layer = this.#state.drawnLayer;
    showLegend(element('legend'), layer, document.documentElement.dataset.theme);
    element('expected').hidden = layer !== 'forecast' || !this.#state.forecast;
    if (this.#state.forecast) element('expected').textContent = text('forecast.badge', { when: formatMoment(this.#state.forecast[0]) });
  }
}

fillTexts();
showTheme();
withSession((session) => new Dashboard().start(session));
