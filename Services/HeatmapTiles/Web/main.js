// Puts the page together: who is signed in, what is chosen, and what is shown for it.
import { AlertList } from './alerts.js';
import * as api from './api.js';
import { Detail } from './detail.js';
import { HOUR, formatClock, formatMoment, formatPercent, formatSpan, zoneName } from './format.js';
import { showLegend } from './legend.js';
import { Live, keepUp, latest } from './live.js';
import { withSession } from './login.js';
import { RiskMap } from './map.js';
import { ModelsPage } from './models.js';
import { Notes, emptiness } from './notes.js';
import { alertFilter, isChosen, outlook, recordedFilter } from './outlook.js';
import { Player } from './player.js';
import { Counters, fillSelect, segments, showFailure, showHotspots, showLoading } from './panels.js';
import { LAYERS, PRESETS, RECORDED, ViewState, dayTimes } from './state.js';
import { fillTexts, switchLanguage, text, typeName } from './strings.js';
import { Timeline } from './timeline.js';

const COMPLAINTS_SHOWN = 200;
const CLOSE_ZOOM = 16;
const HOTSPOTS_SHOWN = 8;
const HOTSPOT_ZOOM = 15;
const EVENTS_WORTH_SEEING = 300;
const element = (id) => document.getElementById(id);

class Dashboard {
  #state = new ViewState();
  #live = new Live();
  #notes = new Notes(element('map-note'));
  #map = null;
  #timeline;
  #counters;
  #mark = {};
  #alerts;
  #detail;
  #models;
  #complaints = [];
  #player;
  #summary = null;

  start(session) {
    element('app').hidden = false;
    element('user').textContent = session.subject;
    if (session.jurisdictions.length) element('user').title = text('user.scope', { areas: session.jurisdictions.join(', ') });
    this.#setTheme(localStorage.getItem('theme') ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'));
    try {
      this.#map = new RiskMap(element('map'), document.documentElement.dataset.theme, this.#state.place);
    } catch {
      this.#notes.set('graphics', text('map.noGraphics'));
    }
    this.#timeline = new Timeline(element('histogram'));
    this.#player = new Player(this.#state, this.#timeline);
    this.#counters = new Counters(element('counters'), RECORDED, (layer) => this.#state.set({ layer }));
    this.#alerts = new AlertList(element('alerts'), session.scopes);
    this.#detail = new Detail(element('detail'));
    this.#models = new ModelsPage(element('models'), () => this.#state.set({ page: 'map' }));
    for (const id of ['alerts', 'hotspots']) showLoading(element(id));
    this.#wireControls();
    this.#wireDetails();
    this.#wireLive();
    const areas = this.#loadAreas();
    // A district that the address names is looked for before anything is asked about it.
    this.#begin(this.#state.place !== null, this.#state.jurisdiction ? areas : null).then(() => this.#live.start());
    this.#loadBaseMap();
  }

  /** Shows the first view once it is known what there is. */
  async #begin(isPlaced, areas) {
    await Promise.all([this.#loadSummary(), areas]);
    await this.#chooseSpan();
    this.#showAll();
    if (!isPlaced) this.#fit();
  }

  #loadBaseMap() {
    if (!this.#map) return;
    api.baseMap().then(({ style }) => this.#map.setBaseMap(style)).catch(() => this.#notes.set('tiles', text('map.failed')));
  }

  /** The connection stands again: what could not be had meanwhile is asked for anew. */
  #heal() {
    this.#notes.clear('tiles');
    if (!this.#areaCount) this.#loadAreas();
    if (this.#summary) this.#showAll();
    else this.#begin(this.#state.place !== null, null);
    if (this.#models.isOpen) this.#models.show();
  }

  #wireDetails() {
    const state = this.#state;
    this.#alerts.addEventListener('choose', ({ detail: alert }) => this.#showAlert(alert));
    this.#alerts.addEventListener('fault', ({ detail }) => this.#notes.set('fault', detail));
    this.#alerts.addEventListener('new', ({ detail: alert }) => {
      if (alert.latitude !== undefined) this.#map?.pulse(alert.longitude, alert.latitude);
    });
    this.#detail.addEventListener('place', ({ detail: { longitude, latitude } }) => this.#map?.goTo(longitude, latitude));
    this.#detail.addEventListener('close', () => {
      this.#map?.mark(null);
      if (state.alert) state.set({ alert: '' });
    });
    this.#map?.addEventListener('cell', ({ detail: { quadkey, longitude, latitude } }) => {
      const place = `${latitude.toFixed(3)}, ${longitude.toFixed(3)}`;
      this.#detail.showCell(quadkey, state.layer, recordedFilter(state), state.facets(), place);
    });
    this.#map?.addEventListener('complaint', ({ detail }) => {
      const complaint = this.#complaints[detail];
      if (complaint) this.#detail.showComplaint(complaint);
    });
    element('models-open').addEventListener('click', () => state.set({ page: 'models' }));
    element('language').addEventListener('click', () => { switchLanguage(); location.reload(); });
    // A link that is opened in this tab changes only what follows the #.
    window.addEventListener('hashchange', () => {
      const alert = new URLSearchParams(location.hash.slice(1)).get('alert') ?? '';
      if (alert && alert !== state.alert) {
        state.alert = alert;
        this.#openLinked();
      }
    });
  }

  #showAlert(alert) {
    // The payment's hour is to be in the span, or the map would not show it.
    const hour = Math.floor(Date.parse(alert.eventTime) / HOUR) * HOUR, [from, to] = this.#state.span(), isSeen = hour >= from && hour < to;
    this.#state.set({ alert: alert.decisionID, ...(isSeen ? {} : { preset: null, from: hour - 12 * HOUR, to: hour + 12 * HOUR }) });
    const { longitude, latitude } = alert, isPlaced = latitude !== undefined && this.#map;
    if (isPlaced) this.#map.goTo(longitude, latitude);
    this.#detail.showAlert(alert, isPlaced ? () => this.#map.showCell(longitude, latitude, CLOSE_ZOOM) : null);
  }

  /** Opens the alert that the address names. */
  async #openLinked() {
    const state = this.#state, id = state.alert;
    if (!id) return;
    try {
      this.#showAlert(this.#alerts.choose(id) ?? await api.alert(id));
    } catch (error) {
      if (error.status === 401) return this.#signedOut();
      this.#notes.set('fault', text(error.status === 404 ? 'alerts.gone' : 'alerts.notLoaded'));
      state.alert = '';
      state.write();
    }
  }

  #wireControls() {
    const state = this.#state;
    this.#mark.layers = segments(
      element('layers'), LAYERS.map((value) => ({ value, label: text(`layer.${value}`) })), (layer) => state.set({ layer }));
    this.#mark.presets = segments(
      element('presets'), Object.keys(PRESETS).map((value) => ({ value, label: text(`preset.${value}`) })), (preset) => {
        this.#player.pause();
        state.set({ preset });
      });
    element('jurisdiction').addEventListener('change', (event) => state.set({ jurisdiction: event.target.value }));
    element('type').addEventListener('change', (event) => state.set({ type: event.target.value }));
    element('daytime').addEventListener('change', (event) => state.set({ daytime: event.target.value }));
    fillSelect(element('daytime'), dayTimes.map((value) => ({ value, label: text(`daytime.${value}`) })), state.daytime);
    element('min-risk').addEventListener('input', (event) => state.set({ minRisk: Number(event.target.value) }));
    element('play').addEventListener('click', () => this.#player.toggle());
    this.#player.addEventListener('change', () => this.#setPlayButton());
    element('theme').addEventListener('click', () => {
      this.#setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark', true);
    });
    element('logout').addEventListener('click', async () => {
      await api.logout().catch(() => {});
      location.reload();
    });
    element('zone').textContent = text('timeline.zone', { zone: zoneName() });
    this.#timeline.addEventListener('choose', ({ detail: [from, to] }) => {
      this.#player.pause();
      state.set({ preset: null, from, to });
    });
    state.addEventListener('change', ({ detail }) => {
      // The bars show all of time: they stay when only the span moves.
      const changes = Object.keys(detail);
      this.#notes.clear('fault', 'tiles');
      if (changes.includes('layer')) this.#player.pause();
      if (changes.every((key) => ['alert', 'page'].includes(key))) return this.#showPage();
      this.#showAll(changes.some((key) => !['preset', 'from', 'to'].includes(key)));
    });
    this.#map?.addEventListener('move', () => {
      state.place = this.#map.place();
      state.write();
      this.#notes.clear('tiles');
      this.#loadHotspots();
    });
    this.#map?.addEventListener('fault', ({ detail }) => {
      if (detail?.status === 401) this.#signedOut();
      else this.#notes.set('tiles', text('map.failed'));
    });
    this.#map?.addEventListener('idle', () => this.#noteEmptiness());
    this.#setPlayButton();
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
    this.#live.addEventListener('change', ({ detail }) => {
      element('live').title = formatClock(Date.now());
      if (this.#summary && detail.revision === this.#summary.revision) return;
      for (const layer of detail.layers ?? LAYERS) this.#oldLayers.add(layer);
      // Where nothing has changed that is in view, the heat stays as it is.
      const isDrawn = detail.layers?.includes(this.#state.drawnLayer) ?? true;
      if (isDrawn && (!detail.cells || !this.#map || this.#map.sees(detail.cells))) this.#isHeatOld = true;
      this.#onChange();
    });
    this.#live.addEventListener('broken', () => api.session().catch((error) => { if (error.status === 401) this.#signedOut(); }));
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
    if (this.#summary && this.#summary.jurisdictions !== this.#areaCount) this.#loadAreas();
  });

  #areaCount = 0;
  /** When the connection was lost, in milliseconds; null while it stands. */
  #lostAt = null;
  #isHeatOld = false;
  /** Layers with events that are not shown yet. */
  #oldLayers = new Set();

  /** Shows the view; with `old`, only what new events of those layers make look different. */
  #showAll(withSeries = true, old = null) {
    const state = this.#state, isOld = (...layers) => !old || layers.some((layer) => old.has(layer));
    this.#mark.layers(state.layer);
    this.#mark.presets(state.preset);
    element('min-risk').value = state.minRisk;
    element('min-risk-value').textContent = formatPercent(state.minRisk);
    element('daytime').value = state.daytime;
    const [from, to] = state.span();
    element('span').textContent = formatSpan(from, to);
    this.#timeline.setSpan([from, to]);
    element('counters-title').textContent = text(state.layer === 'forecast' ? 'counters.forecast' : 'counters.title');
    element('hotspots-title').textContent = text('hotspots.title', { unit: text(`unit.${state.drawnLayer}`) });
    this.#fillChoices();
    this.#showLegend();
    if (!old) this.#map?.show(state.drawnLayer, state.filter());
    if (withSeries && isOld(state.layer, state.drawnLayer)) this.#loadSeries();
    if (!old) this.#loadSummary();
    if (isOld(state.drawnLayer)) this.#loadHotspots();
    if (isOld('alerts')) this.#loadAlerts();
    if (isOld('complaints')) this.#loadComplaints();
    if (isOld(state.layer)) this.#detail.follow(state.layer, recordedFilter(state), state.facets());
    this.#showPage();
  }

  #showPage() {
    const isModels = this.#state.page === 'models';
    if (isModels && !this.#models.isOpen) this.#models.show();
    if (!isModels && this.#models.isOpen) {
      this.#models.hide();
      element('models-open').focus();
    }
  }

  #fillChoices() {
    const isForecast = this.#state.layer === 'forecast', isCrime = isForecast || this.#state.layer === 'complaints';
    element('type-label').textContent = text(isCrime ? 'filters.crimeType' : 'filters.channel');
    const info = this.#summary?.layers.find((layer) => layer.name === this.#state.layer);
    const known = (isForecast ? this.#summary?.forecastTypes : info?.types) ?? [];
    const types = known.map((value) => ({ value, label: typeName(value) }));
    fillSelect(element('type'), [{ value: '', label: text('filters.allTypes') }, ...types], this.#state.type);
    element('min-risk').disabled = isForecast;
  }

  #loadSummary = latest(async () => {
    try {
      const summary = await api.summary(this.#summary ? recordedFilter(this.#state) : {});
      this.#summary = summary;
      const span = (from, to) => (from ? [Date.parse(from), Date.parse(to)] : null);
      this.#state.data = span(summary.from, summary.to);
      this.#state.forecast = span(summary.forecastFrom, summary.forecastTo);
      this.#counters.update(summary.layers, this.#state.layer);
      this.#notes.clear('figures');
      this.#noteEmptiness();
    } catch (error) {
      this.#notes.set('figures', text('counters.failed'));
      this.#failed(error);
    }
  });

  /** Shows where there are events in the span that is chosen first, and all the jurisdictions. */
  async #fit() {
    const { types, ...filter } = recordedFilter(this.#state);
    const { bounds } = await api.bounds(filter).catch(() => ({}));
    if (bounds) this.#map?.fit(bounds);
  }

  /** Unless the address says which: the shortest span that holds enough to look at. */
  async #chooseSpan() {
    const state = this.#state;
    if (!state.isSpanOpen || !state.data || state.layer === 'forecast') return;
    for (const preset of ['24h', '7d', '30d', 'all']) {
      state.preset = preset;
      const summary = await api.summary(state.filter()).catch(() => null);
      const info = summary?.layers.find((layer) => layer.name === 'transactions');
      if (!info || info.count >= EVENTS_WORTH_SEEING) return;
    }
  }

  #loadSeries = latest(async () => {
    try {
      const layer = this.#state.layer, facets = this.#state.facets();
      this.#timeline.setSeries(layer === 'forecast' ? await outlook(this.#state) : await api.series({ layer, ...facets }));
      this.#timeline.setSpan(this.#state.span());
    } catch (error) {
      this.#timeline.fail();
      this.#failed(error);
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
      this.#failed(error, element('hotspots'), () => this.#loadHotspots());
    }
  });

  #loadAlerts = latest(async () => {
    try {
      await this.#alerts.load(alertFilter(this.#state));
      if (!this.#isLinkOpened) {
        this.#isLinkOpened = true;
        this.#openLinked();
      }
    } catch (error) {
      this.#failed(error, element('alerts'), () => this.#loadAlerts());
    }
  });

  #isLinkOpened = false;

  #loadComplaints = latest(async () => {
    try {
      const district = element('jurisdiction').selectedOptions[0]?.textContent;
      this.#complaints = (await api.complaints(COMPLAINTS_SHOWN)).filter(isChosen(this.#state, district));
      this.#map?.setComplaints(this.#complaints);
    } catch (error) {
      this.#failed(error);
    }
  });

  async #loadAreas() {
    try {
      const areas = await api.areas();
      this.#areaCount = areas.features.length;
      this.#map?.setAreas(areas);
      const options = areas.features.map((feature) => ({ value: feature.id, label: feature.properties.name }));
      fillSelect(element('jurisdiction'), [{ value: '', label: text('filters.everywhere') }, ...options], this.#state.jurisdiction);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error, list, retry) {
    if (error.status === 401) return this.#signedOut();
    if (list) showFailure(list, error, retry);
  }

  #signedOut() {
    this.#live.stop();
    location.reload();
  }

  #noteEmptiness() {
    if (this.#summary) this.#notes.set('empty', emptiness(this.#summary, this.#state.layer));
  }

  #setPlayButton() {
    const button = element('play');
    button.classList.toggle('is-playing', this.#player.isPlaying);
    button.setAttribute('aria-label', text(this.#player.isPlaying ? 'timeline.pause' : 'timeline.play'));
  }

  #setTheme(name, isChosen = false) {
    document.documentElement.dataset.theme = name;
    if (isChosen) localStorage.setItem('theme', name);
    this.#showLegend();
    this.#map?.setTheme(name);
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
withSession((session) => new Dashboard().start(session));
