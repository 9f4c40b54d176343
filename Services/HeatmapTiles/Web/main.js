// Puts the page together: who is signed in, what is chosen, and what is shown for it.
import { AlertList } from './alerts.js';
import * as api from './api.js';
import { Detail } from './detail.js';
import { formatClock, formatPercent, formatSpan, zoneName } from './format.js';
import { Live } from './live.js';
import { RiskMap } from './map.js';
import { ModelsPage } from './models.js';
import { themes } from './palette.js';
import { Counters, fillSelect, segments, showFailure, showHotspots, showLoading } from './panels.js';
import { LAYERS, PRESETS, ViewState, dayTimes } from './state.js';
import { fillTexts, switchLanguage, text, typeName } from './strings.js';
import { Timeline } from './timeline.js';

const COMPLAINTS_SHOWN = 200;
const CLOSE_ZOOM = 16;
const HOTSPOTS_SHOWN = 8;
const PLAY_MILLISECONDS = 700;
const EVENTS_WORTH_SEEING = 300;
const element = (id) => document.getElementById(id);

/** Runs `work` at most once at a time, and once more when it was asked for meanwhile. */
function latest(work) {
  let running = false, again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } finally {
      running = false;
      if (again) { again = false; run(); }
    }
  };
}

class Dashboard {
  #state = new ViewState();
  #live = new Live();
  #map = null;
  #timeline;
  #counters;
  #mark = {};
  #alerts;
  #detail;
  #models;
  #complaints = [];
  #playing = null;
  #isFitted = false;
  #summary = null;

  start(session) {
    element('app').hidden = false;
    element('user').textContent = session.subject;
    if (session.jurisdictions.length) element('user').title = text('user.scope', { areas: session.jurisdictions.join(', ') });
    this.#setTheme(localStorage.getItem('theme') ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'));
    try {
      this.#map = new RiskMap(element('map'), document.documentElement.dataset.theme);
    } catch {
      this.#note(text('map.noGraphics'));
    }
    this.#timeline = new Timeline(element('histogram'));
    this.#counters = new Counters(element('counters'), LAYERS, (layer) => this.#state.set({ layer }));
    this.#alerts = new AlertList(element('alerts'), session.scopes);
    this.#detail = new Detail(element('detail'));
    this.#models = new ModelsPage(element('models'), () => this.#state.set({ page: 'map' }));
    for (const id of ['alerts', 'hotspots']) showLoading(element(id));
    this.#wireControls();
    this.#wireDetails();
    this.#wireLive();
    this.#loadSummary().then(() => this.#chooseSpan()).then(() => {
      this.#showAll();
      this.#live.start();
    });
    this.#loadAreas();
    if (this.#map) api.baseMap().then(({ style }) => this.#map.setBaseMap(style)).catch(() => this.#note(text('map.failed')));
  }

  #wireDetails() {
    const state = this.#state;
    this.#alerts.addEventListener('choose', ({ detail: alert }) => this.#showAlert(alert));
    this.#alerts.addEventListener('fault', ({ detail }) => this.#note(detail));
    this.#alerts.addEventListener('new', ({ detail: alert }) => {
      if (alert.latitude !== undefined) this.#map?.pulse(alert.longitude, alert.latitude);
    });
    this.#detail.addEventListener('close', () => {
      this.#map?.mark(null);
      if (state.alert) state.set({ alert: '' });
    });
    this.#map?.addEventListener('cell', ({ detail: { quadkey, longitude, latitude } }) => {
      const place = `${latitude.toFixed(3)}, ${longitude.toFixed(3)}`;
      this.#detail.showCell(quadkey, state.layer, state.filter(), state.facets(), place);
    });
    this.#map?.addEventListener('complaint', ({ detail }) => {
      const complaint = this.#complaints[detail];
      if (complaint) this.#detail.showComplaint(complaint);
    });
    element('models-open').addEventListener('click', () => state.set({ page: 'models' }));
    element('language').addEventListener('click', () => {
      switchLanguage();
      location.reload();
    });
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
    this.#state.set({ alert: alert.decisionID });
    if (alert.latitude === undefined) return;
    this.#map?.goTo(alert.longitude, alert.latitude);
    this.#map?.showCell(alert.longitude, alert.latitude, CLOSE_ZOOM);
  }

  /** Opens the alert that the address names. */
  #openLinked() {
    if (!this.#state.alert) return;
    const alert = this.#alerts.choose(this.#state.alert);
    if (alert) this.#showAlert(alert);
    else this.#note(text('alerts.gone'));
  }

  #wireControls() {
    const state = this.#state;
    this.#mark.layers = segments(
      element('layers'), LAYERS.map((value) => ({ value, label: text(`layer.${value}`) })), (layer) => state.set({ layer }));
    this.#mark.presets = segments(
      element('presets'), Object.keys(PRESETS).map((value) => ({ value, label: text(`preset.${value}`) })), (preset) => {
        this.#pause();
        state.set({ preset });
      });
    element('jurisdiction').addEventListener('change', (event) => state.set({ jurisdiction: event.target.value }));
    element('type').addEventListener('change', (event) => state.set({ type: event.target.value }));
    element('daytime').addEventListener('change', (event) => state.set({ daytime: event.target.value }));
    fillSelect(element('daytime'), dayTimes.map((value) => ({ value, label: text(`daytime.${value}`) })), state.daytime);
    element('min-risk').addEventListener('input', (event) => state.set({ minRisk: Number(event.target.value) }));
    element('play').addEventListener('click', () => (this.#playing ? this.#pause() : this.#play()));
    element('theme').addEventListener('click', () => {
      this.#setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark', true);
    });
    element('logout').addEventListener('click', async () => {
      await api.logout().catch(() => {});
      location.reload();
    });
    element('zone').textContent = text('timeline.zone', { zone: zoneName() });
    this.#timeline.addEventListener('choose', ({ detail: [from, to] }) => {
      this.#pause();
      state.set({ preset: null, from, to });
    });
    state.addEventListener('change', ({ detail }) => {
      // The bars show all of time: they stay when only the span moves.
      const changes = Object.keys(detail);
      if (changes.every((key) => ['alert', 'page'].includes(key))) return this.#showPage();
      const isSpanOnly = changes.every((key) => ['preset', 'from', 'to'].includes(key));
      this.#showAll(!isSpanOnly);
    });
    this.#map?.addEventListener('move', () => this.#loadHotspots());
    this.#map?.addEventListener('fault', ({ detail }) => {
      if (detail?.status === 401) this.#signedOut();
      else this.#note(text('map.failed'));
    });
    this.#map?.addEventListener('idle', () => this.#noteEmptiness());
    this.#setPlayButton();
  }

  #wireLive() {
    this.#live.addEventListener('state', ({ detail }) => {
      element('live').className = `live is-${detail}`;
      element('live').textContent = text(`live.${detail}`);
    });
    this.#live.addEventListener('change', ({ detail }) => {
      element('live').title = formatClock(Date.now());
      if (!this.#summary || detail.revision !== this.#summary.revision) this.#onChange();
    });
    this.#live.addEventListener('broken', () => api.session().catch((error) => { if (error.status === 401) this.#signedOut(); }));
  }

  /** New events have come: everything that shows now is asked for again. */
  #onChange = latest(async () => {
    const [before] = this.#state.span();
    await this.#loadSummary();
    const [from] = this.#state.span();
    this.#showAll(true, from === before);
    if (this.#summary.jurisdictions !== this.#areaCount) this.#loadAreas();
  });

  #areaCount = 0;

  #showAll(withSeries = true, isRefresh = false) {
    const state = this.#state;
    this.#mark.layers(state.layer);
    this.#mark.presets(state.preset);
    element('min-risk').value = state.minRisk;
    element('min-risk-value').textContent = formatPercent(state.minRisk);
    element('daytime').value = state.daytime;
    const [from, to] = state.span();
    element('span').textContent = formatSpan(from, to);
    this.#timeline.setSpan([from, to]);
    this.#fillChoices();
    if (isRefresh) this.#map?.refresh();
    else this.#map?.show(state.layer, state.filter());
    if (withSeries) this.#loadSeries();
    if (!isRefresh) this.#loadSummary();
    this.#loadHotspots();
    this.#loadAlerts();
    this.#loadComplaints();
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
    element('type-label').textContent = text(this.#state.layer === 'complaints' ? 'filters.crimeType' : 'filters.channel');
    const info = this.#summary?.layers.find((layer) => layer.name === this.#state.layer);
    const types = (info?.types ?? []).map((value) => ({ value, label: typeName(value) }));
    fillSelect(element('type'), [{ value: '', label: text('filters.allTypes') }, ...types], this.#state.type);
  }

  #loadSummary = latest(async () => {
    try {
      const { types, ...filter } = this.#summary ? this.#state.filter() : {};
      const summary = await api.summary(filter);
      this.#summary = summary;
      this.#state.data = summary.from ? [Date.parse(summary.from), Date.parse(summary.to)] : null;
      this.#counters.update(summary.layers, this.#state.layer);
      if (summary.bounds && !this.#isFitted && this.#map) {
        this.#isFitted = true;
        this.#map.fit(summary.bounds);
      }
    } catch (error) {
      this.#failed(error);
    }
  });

  /** Unless the address says which: the shortest span that holds enough to look at. */
  async #chooseSpan() {
    const state = this.#state;
    if (!state.isSpanOpen || !state.data) return;
    for (const preset of ['24h', '7d', '30d', 'all']) {
      state.preset = preset;
      const summary = await api.summary(state.filter()).catch(() => null);
      const info = summary?.layers.find((layer) => layer.name === 'transactions');
      if (!info || info.count >= EVENTS_WORTH_SEEING) return;
    }
  }

  #loadSeries = latest(async () => {
    try {
      this.#timeline.setSeries(await api.series({ layer: this.#state.layer, ...this.#state.facets() }));
      this.#timeline.setSpan(this.#state.span());
    } catch (error) {
      this.#failed(error);
    }
  });

  #loadHotspots = latest(async () => {
    try {
      const bbox = this.#map?.bounds().map((degrees) => degrees.toFixed(5)).join(',');
      const layer = this.#state.layer;
      const spots = await api.hotspots({ layer, bbox, zoom: 15, limit: HOTSPOTS_SHOWN, ...this.#state.filter() });
      showHotspots(element('hotspots'), spots, layer, (longitude, latitude) => this.#map?.goTo(longitude, latitude));
    } catch (error) {
      this.#failed(error, element('hotspots'), () => this.#loadHotspots());
    }
  });

  #loadAlerts = latest(async () => {
    try {
      await this.#alerts.load();
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
      this.#complaints = await api.complaints(COMPLAINTS_SHOWN);
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

  #note(words) {
    element('map-note').textContent = words;
    element('map-note').hidden = !words;
  }

  #noteEmptiness() {
    const summary = this.#summary;
    if (!summary) return;
    if (!summary.from) return this.#note(text('map.noData'));
    const info = summary.layers.find((layer) => layer.name === this.#state.layer);
    this.#note(info && info.count === 0 ? text('map.empty') : '');
  }

  /** Moves the span on, bucket by bucket, and begins again at the end. */
  #play() {
    const range = this.#timeline.range;
    if (!range) return;
    let [from, to] = this.#state.span();
    const step = this.#timeline.bucketMilliseconds, [start, end] = range;
    const wide = to - from >= end - start ? Math.max(step, Math.round((end - start) / 12 / step) * step) : to - from;
    from = to >= end ? start : from;
    this.#playing = setInterval(() => {
      this.#state.set({ preset: null, from, to: from + wide });
      from += step;
      if (from + wide > end) from = start;
    }, PLAY_MILLISECONDS);
    this.#setPlayButton();
  }

  #pause() {
    clearInterval(this.#playing);
    this.#playing = null;
    this.#setPlayButton();
  }

  #setPlayButton() {
    const button = element('play');
    button.classList.toggle('is-playing', this.#playing !== null);
    button.setAttribute('aria-label', text(this.#playing ? 'timeline.pause' : 'timeline.play'));
  }

  #setTheme(name, isChosen = false) {
    document.documentElement.dataset.theme = name;
    if (isChosen) localStorage.setItem('theme', name);
    const ramp = document.createElement('div');
    ramp.className = 'ramp';
    ramp.style.background = `linear-gradient(90deg, ${themes[name].heat.join(', ')})`;
    const end = (words) => Object.assign(document.createElement('span'), { textContent: words, className: 'muted' });
    element('legend').replaceChildren(end(text('legend.cold')), ramp, end(text('legend.hot')));
    this.#map?.setTheme(name);
  }
}

function showLogin(message = '') {
  element('login').hidden = false;
  element('login-error').textContent = message;
  element('username').focus();
}

element('login-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = event.target.querySelector('button');
  button.disabled = true;
  try {
    await api.login(element('username').value, element('password').value);
    element('password').value = '';
    element('login').hidden = true;
    new Dashboard().start(await api.session());
  } catch (error) {
    const key = { 401: 'refused', 400: 'refused', 403: 'forbidden' }[error.status] ?? 'unavailable';
    showLogin(text(`login.${key}`));
  } finally {
    button.disabled = false;
  }
});

fillTexts();
api.session().then((session) => new Dashboard().start(session), (error) => {
  showLogin(error.status === 401 || error.status === 403 ? '' : text('login.unavailable'));
});
