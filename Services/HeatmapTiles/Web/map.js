// The map: a style of our own layers, heat from the service's tiles, and what moves on it.
import { tilesURL } from './api.js';
import { complaintKey } from './complaints.js';
import { FADE_MILLISECONDS, heatStyle, mapStyle } from './layers.js';
import { latitudeAt, longitudeAt, placeOf, quadkey, tileAt } from './mercator.js';
import { countImage, nameImage } from './names.js';
import { themes } from './palette.js';
import { EMPTY, boxOf, grid, ring } from './shapes.js';
import { text } from './strings.js';

const PULSE_MILLISECONDS = 6_000;
const MAX_PULSES = 12;
const MIN_REST_MILLISECONDS = 200;
const MAX_REST_MILLISECONDS = 10_000;
const MIN_CLEAR_PIXELS = 40;

export class RiskMap extends EventTarget {
  #map;
  #theme = themes.dark;
  #areas = EMPTY;
  #grid = EMPTY;
  #pulses = [];
  #view = null;
  #marked = null;
  /** The ring round the place that is looked at. */
  #spot = null;
  #complaints = EMPTY;
  #baseMap = null;
  #isLoaded = false;
  /** Whether the theme's own layers are there; between a change of theme and then, nothing can be added. */
  #isStyled = false;
  /** The generation of heat that is drawn, and the one whose tiles are on their way. */
  #generation = 0;
  #drawn = null;
  #next = null;
  /** Whether what is on its way is the drawn view with newer events, and not another view. */
  #isSameView = false;
  #isStale = false;
  #began = 0;
  #rest = null;
  /** What the viewer looks at, south-west and north-east, however large the window is; null before the first view. */
  #looked = null;
  #isResized = false;

  /** Throws when the browser has no WebGL. `place` is where to look first: latitude, longitude and zoom; null for anywhere. */
  constructor(container, theme, place) {
    super();
    this.#theme = themes[theme];
    this.#map = new maplibregl.Map({
      container, center: place ? [place[1], place[0]] : [78, 21], zoom: place?.[2] ?? 4, minZoom: 2, maxZoom: 17.5, attributionControl: false, dragRotate: false,
      pitchWithRotate: false, fadeDuration: 150, style: { version: 8, sources: {}, layers: [] }, hash: false,
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.addControl(new maplibregl.NavigationControl({ showCompass: false }), 'bottom-left');
    this.#map.addControl(new maplibregl.ScaleControl({ maxWidth: 110 }), 'bottom-left');
    this.#map.on('load', () => { this.#isLoaded = true; this.#rebuild(); });
    this.#map.on('style.load', () => {
      if (!this.#isLoaded) return;
      this.#isStyled = true;
      // What came while the style was being loaded.
      const known = { areas: this.#areas, names: this.#names(), grid: this.#grid, complaints: this.#complaints, marked: this.#frame() };
      for (const [id, data] of Object.entries(known)) this.#map.getSource(id).setData(data);
      this.refresh();
    });
    this.#map.on('styleimagemissing', ({ id }) => {
      const [, kind, words] = /^(name|count) (.*)$/.exec(id) ?? [];
      if (!kind || this.#map.hasImage(id)) return;
      const { pixels, pixelRatio } = kind === 'name' ? nameImage(words, this.#theme.name, this.#theme.district) : countImage(words, this.#theme.onComplaint);
      this.#map.addImage(id, pixels, { pixelRatio });
    });
    this.#map.on('moveend', () => {
      if (!this.#isResized) this.#looked = this.#clearBox();
      this.dispatchEvent(new CustomEvent('move'));
    });
    this.#map.on('resize', () => this.#lookAgain());
    this.#map.on('error', (event) => this.dispatchEvent(new CustomEvent('fault', { detail: event.error })));
    this.#map.on('idle', () => {
      container.ariaBusy = String(Boolean(this.#next) || this.#isStale);
      this.dispatchEvent(new CustomEvent('idle'));
    });
    this.#map.on('click', (event) => this.#describe(event));
    this.#map.getCanvas().addEventListener('keydown', (event) => {
      const centre = this.#map.getCenter();
      if (event.key === 'Enter') this.#describe({ point: this.#map.project(centre), lngLat: centre });
    });
    for (const layer of ['terminals', 'atms', 'complaints']) {
      this.#map.on('mousemove', layer, () => { this.#map.getCanvas().style.cursor = 'pointer'; });
      this.#map.on('mouseleave', layer, () => { this.#map.getCanvas().style.cursor = ''; });
    }
    this.#map.getCanvas().setAttribute('aria-label', text('map.label'));
    for (const name of ['render', 'sourcedata', 'idle']) this.#map.on(name, () => this.#advance());
  }

  setTheme(name) {
    this.#theme = themes[name];
    if (this.#isLoaded) this.#rebuild();
  }

  /** Shows a layer under a filter. What is drawn stays until all of the new is there, then fades over into it; with newer events of the same view it is there at once. Gives back whether it is another view; `drawn` tells when it is there. */
  show(layer, filter) {
    const cells = tilesURL(layer, 'mvt', { ...filter, geometry: 'cells' }), isSame = this.#view?.cells === cells;
    const view = { layer, filter, cells };
    this.#view = view;
    if (!this.#isStyled) return false;
    if (!isSame) {
      this.#isSameView = false;
      this.#drop(this.#next);
      this.#endRest();
    }
    this.refresh();
    return !isSame;
  }

  /** Asks for the tiles again, once those on their way are there; those that did not change cost a 304. */
  refresh() {
    if (!this.#isStyled || !this.#view) return;
    if (this.#next || this.#rest) {
      this.#isStale = true;
      return;
    }
    this.#isStale = false;
    this.#began = performance.now();
    this.#map.getContainer().ariaBusy = 'true';
    this.#generation += 1;
    this.#next = this.#generation;
    const { sources, layers } = this.#heatStyle(this.#next, this.#drawn === null);
    for (const [id, source] of Object.entries(sources)) this.#map.addSource(id, source);
    for (const layer of layers) this.#map.addLayer(layer, 'outlines');
    this.#map.triggerRepaint();
  }

  /** Once the next generation's tiles are all there, it is faded in and the one before is faded out and taken away. */
  #advance() {
    const next = this.#next;
    if (!next || !this.#isStyled || !this.#map.isSourceLoaded(`heat-${next}`) || !this.#map.isSourceLoaded(`cells-${next}`)) return;
    const before = this.#drawn;
    this.#drawn = next;
    this.#next = null;
    if (before !== null) {
      this.#setOpacity(next, true);
      if (this.#isSameView) {
        // What differs is little, and half of each over the other would be paler than either.
        this.#drop(before);
      } else {
        this.#setOpacity(before, false);
        setTimeout(() => this.#drop(before), 3 * FADE_MILLISECONDS);
      }
    }
    this.#isSameView = true;
    this.dispatchEvent(new CustomEvent('drawn'));
    // The slower the machine or the network, the longer the rest, so that the page stays usable.
    const worked = performance.now() - this.#began;
    this.#rest = setTimeout(() => {
      this.#endRest();
      if (this.#isStale) this.refresh();
    }, Math.min(MAX_REST_MILLISECONDS, Math.max(MIN_REST_MILLISECONDS, worked)));
  }

  #endRest() {
    clearTimeout(this.#rest);
    this.#rest = null;
  }

  #setOpacity(generation, isVisible) {
    for (const layer of this.#heatStyle(generation, isVisible).layers) {
      if (!this.#map.getLayer(layer.id)) continue;
      const name = { raster: 'raster-opacity', fill: 'fill-opacity', line: 'line-opacity' }[layer.type];
      this.#map.setPaintProperty(layer.id, name, layer.paint[name]);
    }
  }

  #heatStyle(generation, isVisible) {
    const { layer, filter, cells } = this.#view, palette = this.#theme[layer === 'forecast' ? 'expectedPalette' : 'palette'];
    const view = { layer, cells, pictures: tilesURL(layer, 'png', { ...filter, palette }) };
    return heatStyle(generation, view, this.#theme, { isVisible, isSameView: this.#isSameView });
  }

  #drop(generation) {
    if (!generation || !this.#isStyled) return;
    if (generation === this.#next) this.#next = null;
    for (const kind of ['heat', 'cells', 'edges']) {
      if (this.#map.getLayer(`${kind}-${generation}`)) this.#map.removeLayer(`${kind}-${generation}`);
    }
    for (const kind of ['heat', 'cells']) {
      if (this.#map.getSource(`${kind}-${generation}`)) this.#map.removeSource(`${kind}-${generation}`);
    }
  }

  /** Complaints as the service lists them; a click on one tells its key. */
  setComplaints(complaints) {
    this.#complaints = {
      type: 'FeatureCollection',
      features: complaints.filter(({ latitude }) => latitude !== undefined).map((complaint) => ({
        type: 'Feature', properties: { key: complaintKey(complaint) }, geometry: { type: 'Point', coordinates: [complaint.longitude, complaint.latitude] },
      })),
    };
    this.#map.getSource?.('complaints')?.setData(this.#complaints);
  }

  /** A MapLibre style to draw under everything; null for none. */
  async setBaseMap(url) {
    if (!url) return;
    const response = await fetch(url, { referrerPolicy: 'no-referrer' });
    if (!response.ok) throw new Error(response.statusText);
    this.#baseMap = await response.json();
    if (this.#isLoaded) this.#rebuild();
  }

  setAreas(collection) {
    this.#areas = collection;
    this.#map.getSource?.('areas')?.setData(collection);
    this.#map.getSource?.('names')?.setData(this.#names());
  }

  /** The middles of the areas, each with the name of a picture of its name, and how large the area is. */
  #names() {
    return {
      type: 'FeatureCollection',
      features: this.#areas.features.map((area) => {
        const { name, label } = area.properties, [west, south, east, north] = boxOf(area);
        const properties = { picture: `name ${name}`, size: (east - west) * (north - south) };
        return { type: 'Feature', properties, geometry: { type: 'Point', coordinates: label } };
      }),
    };
  }

  /** Puts an element on the map that is only for the eye: what it shows stands in the lists as well. */
  #place(element, position) {
    const marker = new maplibregl.Marker({ element }).setLngLat(position).addTo(this.#map);
    element.removeAttribute('aria-label');
    element.setAttribute('aria-hidden', 'true');
    return marker;
  }

  /** Whether a place is in view; with a `margin`, also that far outside, as a part of the view's width and height. */
  isInView(longitude, latitude, margin = 0) {
    const [west, south, east, north] = this.bounds(), across = (east - west) * margin, along = (north - south) * margin;
    return longitude > west - across && longitude < east + across && latitude > south - along && latitude < north + along;
  }

  /** Whether one of these cells, by their quadkeys, is in view or close to it. */
  sees(quadkeys) {
    return quadkeys.some((key) => {
      const [x, y] = placeOf(key);
      return this.isInView(longitudeAt(x, key.length), latitudeAt(y, key.length), 0.25);
    });
  }

  /** Moves to a box of west, south, east, north. */
  fit(bounds, animate = false) {
    this.#grid = grid(bounds);
    this.#map.getSource?.('grid')?.setData(this.#grid);
    const [west, south, east, north] = bounds;
    this.#map.fitBounds([[west, south], [east, north]], { padding: this.#padding(), animate, maxZoom: 13 });
  }

  /** How far what lies over the map reaches into it, in pixels. */
  #padding() {
    const isNarrow = window.innerWidth <= 960;
    if (window.innerWidth <= 640) return { top: 16, bottom: 16, left: 16, right: 16 };
    return { top: isNarrow ? 136 : 92, bottom: isNarrow ? 204 : 172, left: isNarrow ? 200 : 240, right: isNarrow ? 270 : 350 };
  }

  /** South-west and north-east of what is in view and nothing lies over; null where the window is too small for that. */
  #clearBox() {
    const { clientWidth, clientHeight } = this.#map.getContainer(), { top, bottom, left, right } = this.#padding();
    if (clientWidth - left - right < MIN_CLEAR_PIXELS || clientHeight - top - bottom < MIN_CLEAR_PIXELS) return null;
    return [this.#map.unproject([left, clientHeight - bottom]), this.#map.unproject([clientWidth - right, top])];
  }

  /** The window has another size: what the viewer looked at stays in view. */
  #lookAgain() {
    if (!this.#looked) return;
    this.#isResized = true;
    this.#map.fitBounds(this.#looked, { padding: this.#padding(), animate: false });
    // The map tells of the end of this move, and then of its own.
    queueMicrotask(() => { this.#isResized = false; });
  }

  goTo(longitude, latitude) {
    const isStill = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#map.flyTo({ center: [longitude, latitude], zoom: Math.max(13.2, this.#map.getZoom()), animate: !isStill, duration: 900 });
    this.pulse(longitude, latitude);
  }

  /** Looks at a place as `place` gives it, at once. */
  jumpTo([latitude, longitude, zoom]) {
    this.#map.jumpTo({ center: [longitude, latitude], zoom });
  }

  /** A ring that widens at a place for a few seconds: something has just happened here. */
  pulse(longitude, latitude) {
    const element = document.createElement('div');
    element.className = 'pulse';
    const marker = this.#place(element, [longitude, latitude]);
    this.#pulses.push(marker);
    if (this.#pulses.length > MAX_PULSES) this.#pulses.shift().remove();
    setTimeout(() => {
      marker.remove();
      this.#pulses = this.#pulses.filter((other) => other !== marker);
    }, PULSE_MILLISECONDS);
  }

  /** Keeps a ring round a place, until there is another one; none for null. */
  spot(position) {
    this.#spot?.remove();
    this.#spot = null;
    if (!position) return;
    const element = document.createElement('div');
    element.className = 'spot';
    this.#spot = this.#place(element, position);
  }

  /** West, south, east, north of what is in view, within the globe. */
  bounds() {
    const box = this.#map.getBounds();
    const clamp = (value, limit) => Math.max(-limit, Math.min(limit, value));
    return [clamp(box.getWest(), 180), clamp(box.getSouth(), 90), clamp(box.getEast(), 180), clamp(box.getNorth(), 90)];
  }

  /** Latitude, longitude and zoom of what is in view, as exactly as a screen can show. */
  place() {
    const { lat, lng } = this.#map.getCenter();
    return [Number(lat.toFixed(5)), Number(lng.toFixed(5)), Number(this.#map.getZoom().toFixed(2))];
  }

  /** Draws everything anew in the theme's colours. */
  #rebuild() {
    this.#endRest();
    this.#isSameView = false;
    this.#drawn = null;
    this.#next = null;
    this.#isStyled = false;
    this.#map.setStyle(this.#style(), { diff: false });
  }

  #style() {
    const data = { complaints: this.#complaints, marked: this.#frame(), grid: this.#grid, areas: this.#areas, names: this.#names() };
    return mapStyle(this.#theme, this.#baseMap, data);
  }

  /** Tells what a click met: a complaint, else the cell under it. */
  #describe(event) {
    const near = [[event.point.x - 5, event.point.y - 5], [event.point.x + 5, event.point.y + 5]];
    const found = this.#map.getLayer('complaints') ? this.#map.queryRenderedFeatures(near, { layers: ['complaints'] }) : [];
    if (found[0]?.properties.cluster) return this.#map.easeTo({ center: event.lngLat, zoom: this.#map.getZoom() + 2 });
    if (found.length) return this.dispatchEvent(new CustomEvent('complaint', { detail: found[0].properties.key }));
    // From far off a click means the neighbourhood, from near the cell itself.
    const zoom = Math.max(11, Math.min(17, Math.round(this.#map.getZoom()) + 3));
    this.showCell(event.lngLat.lng, event.lngLat.lat, zoom);
  }

  /** Tells which cell is to be looked at: the one around a place. */
  showCell(longitude, latitude, zoom) {
    this.dispatchEvent(new CustomEvent('cell', { detail: quadkey(...tileAt(longitude, latitude, zoom), zoom) }));
  }

  #frame() {
    return this.#marked ? { type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [ring(this.#marked)] } } : EMPTY;
  }

  /** Draws a frame round a box; none for null. */
  mark(box) {
    this.#marked = box;
    this.#map.getSource?.('marked')?.setData(this.#frame());
  }
}
