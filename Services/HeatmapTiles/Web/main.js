// Puts the page together: who is signed in, what is chosen, and what is shown for it.
import * as api from './api.js';
import { formatClock, formatPercent, formatSpan, zoneName } from './format.js';
import { Live } from './live.js';
import { RiskMap } from './map.js';
import { themes } from './palette.js';
import { Counters, fillSelect, segments, showAlerts, showFailure, showHotspots } from './panels.js';
import { LAYERS, PRESETS, ViewState, dayTimes } from './state.js';
import { fillTexts, text, typeName } from './strings.js';
import { Timeline } from './timeline.js';

const ALERTS_SHOWN = 30;
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
  #seenAlerts = null;
  #playing = null;
  #isFitted = false;
  #summary = null;

  start(session) {
    element('app').hidden = false;
    element('user').textContent = session.subject;
    this.#setTheme(localStorage.getItem('theme') ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'));
    try {
      this.#map = new RiskMap(element('map'), document.documentElement.dataset.theme);
    } catch {
      this.#note(text('map.noGraphics'));
    }
    this.#timeline = new Timeline(element('histogram'));
    this.#counters = new Counters(element('counters'), LAYERS, (layer) => this.#state.set({ layer }));
    this.#wireControls();
    this.#wireLive();
    this.#loadSummary().then(() => this.#chooseSpan()).then(() => {
      this.#showAll();
      this.#live.start();
    });
    this.#loadAreas();
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
      const isSpanOnly = Object.keys(detail).every((key) => ['preset', 'from', 'to'].includes(key));
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
  }

  #fillChoices() {
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
      this.#failed(error, element('hotspots'));
    }
  });

  #loadAlerts = latest(async () => {
    try {
      const alerts = await api.alerts(ALERTS_SHOWN);
      showAlerts(element('alerts'), alerts, (longitude, latitude) => this.#map?.goTo(longitude, latitude));
      const seen = this.#seenAlerts;
      for (const alert of seen ? alerts.filter((alert) => !seen.has(alert.decisionID)) : []) {
        if (alert.latitude !== undefined) this.#map?.pulse(alert.longitude, alert.latitude);
      }
      this.#seenAlerts = new Set(alerts.map((alert) => alert.decisionID));
    } catch (error) {
      this.#failed(error, element('alerts'));
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

  #failed(error, list) {
    if (error.status === 401) return this.#signedOut();
    if (list) showFailure(list);
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
