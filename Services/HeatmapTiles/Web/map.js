// The map: a style of our own layers, heat from the service's vector tiles, and what moves on it.
import { tilesURL } from './api.js';
import { complaintKey } from './complaints.js';
import { latitudeAt, longitudeAt, placeOf, quadkey, tileAt } from './mercator.js';
import { nameImage } from './names.js';
import { cellRamp, heatRamp, themes } from './palette.js';
import { EMPTY, grid, ring } from './shapes.js';
import { text } from './strings.js';

const PULSE_MILLISECONDS = 6_000;
const MAX_PULSES = 12;
const FADE_MILLISECONDS = 450;
const MIN_REST_MILLISECONDS = 200;
const MAX_REST_MILLISECONDS = 10_000;

export class RiskMap extends EventTarget {
  #map;
  #theme = themes.dark;
  #areas = EMPTY;
  #grid = EMPTY;
  #pulses = [];
  #view = null;
  #marked = null;
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
      if (!id.startsWith('name ') || this.#map.hasImage(id)) return;
      const { pixels, pixelRatio } = nameImage(id.slice(5), this.#theme.name, this.#theme.district);
      this.#map.addImage(id, pixels, { pixelRatio });
    });
    this.#map.on('moveend', () => this.dispatchEvent(new CustomEvent('move')));
    this.#map.on('error', (event) => this.dispatchEvent(new CustomEvent('fault', { detail: event.error })));
    this.#map.on('idle', () => {
      container.ariaBusy = String(Boolean(this.#next) || this.#isStale);
      this.dispatchEvent(new CustomEvent('idle'));
    });
    this.#map.on('click', (event) => this.#describe(event));
    for (const layer of ['terminals', 'complaints']) {
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
    const view = { layer, tiles: tilesURL(layer, filter), cells: tilesURL(layer, { ...filter, geometry: 'cells' }) };
    const isSame = this.#view?.tiles === view.tiles;
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
    const { sources, layers } = this.#generationStyle(this.#next, this.#drawn === null);
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
    for (const layer of this.#generationStyle(generation, isVisible).layers) {
      if (!this.#map.getLayer(layer.id)) continue;
      const name = { heatmap: 'heatmap-opacity', fill: 'fill-opacity', line: 'line-opacity' }[layer.type];
      this.#map.setPaintProperty(layer.id, name, layer.paint[name]);
    }
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
      features: complaints.map((complaint) => ({
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

  /** The middles of the areas, each with the name of a picture of its name. */
  #names() {
    return {
      type: 'FeatureCollection',
      features: this.#areas.features.map(({ properties: { name, label } }) => (
        { type: 'Feature', properties: { picture: `name ${name}` }, geometry: { type: 'Point', coordinates: label } })),
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
    const narrow = window.innerWidth <= 960, isPhone = window.innerWidth <= 640;
    this.#map.fitBounds([[west, south], [east, north]], {
      padding: isPhone ? 16 : { top: narrow ? 136 : 92, bottom: narrow ? 204 : 172, left: narrow ? 200 : 240, right: narrow ? 270 : 350 }, animate, maxZoom: 13,
    });
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
    const theme = this.#theme, base = this.#baseMap;
    const ground = base ? base.layers : [{ id: 'ground', type: 'background', paint: { 'background-color': theme.ground } }];
    return {
      ...base,
      version: 8,
      sources: {
        ...base?.sources,
        // From far off, those that would lie on each other are one circle, the larger the more they are.
        complaints: { type: 'geojson', data: this.#complaints, cluster: true, clusterRadius: 22, clusterMaxZoom: 11 },
        marked: { type: 'geojson', data: this.#frame() },
        grid: { type: 'geojson', data: this.#grid },
        areas: { type: 'geojson', data: this.#areas },
        names: { type: 'geojson', data: this.#names() },
        terminals: { type: 'vector', tiles: [`${location.origin}/tiles/terminals/{z}/{x}/{y}.mvt`], minzoom: 11, maxzoom: 14 },
      },
      layers: [
        ...ground,
        { id: 'areas', type: 'fill', source: 'areas', paint: { 'fill-color': theme.district, 'fill-opacity': base ? 0.15 : 1 } },
        { id: 'grid', type: 'line', source: 'grid', paint: { 'line-color': theme.grid, 'line-width': 1 } },
        {
          id: 'outlines', type: 'line', source: 'areas',
          paint: { 'line-color': theme.outline, 'line-width': ['interpolate', ['linear'], ['zoom'], 8, 0.8, 14, 2] },
        },
        {
          id: 'terminals', type: 'circle', source: 'terminals', 'source-layer': 'terminals', minzoom: 11,
          paint: {
            'circle-color': ['case', ['==', ['get', 'kind'], 'atm'], theme.atm, theme.terminal],
            'circle-radius': ['interpolate', ['exponential', 1.6], ['zoom'], 11, 0.9, 14, 2.2, 17, 6],
            'circle-opacity': ['interpolate', ['linear'], ['zoom'], 11, 0.35, 14, 0.9],
          },
        },
        {
          id: 'names', type: 'symbol', source: 'names',
          layout: { 'icon-image': ['get', 'picture'], 'icon-allow-overlap': true, 'icon-ignore-placement': true }, paint: { 'icon-opacity': 0.72 },
        },
        { id: 'marked', type: 'line', source: 'marked', paint: { 'line-color': theme.alert, 'line-width': 2 } },
        {
          id: 'complaints', type: 'circle', source: 'complaints',
          paint: {
            'circle-color': theme.complaint, 'circle-stroke-color': theme.alert,
            'circle-radius': ['case', ['has', 'point_count'], ['min', 15, ['+', 3, ['sqrt', ['get', 'point_count']]]], 4.5],
            'circle-stroke-width': 1.2,
          },
        },
      ],
    };
  }

  /** The sources and layers of one drawing of the view. */
  #generationStyle(generation, isVisible) {
    const { layer, tiles, cells } = this.#view, isForecast = layer === 'forecast';
    const colours = isForecast ? this.#theme.expected : this.#theme.heat;
    const shown = (stops) => (isVisible ? ['interpolate', ['linear'], ['zoom'], ...stops] : 0);
    const fade = { duration: this.#isSameView ? 0 : FADE_MILLISECONDS, delay: 0 };
    const cellSource = { source: `cells-${generation}`, 'source-layer': layer, minzoom: 12.5 };
    return {
      sources: {
        [`heat-${generation}`]: { type: 'vector', tiles: [tiles], minzoom: 0, maxzoom: 14 },
        [`cells-${generation}`]: { type: 'vector', tiles: [cells], minzoom: 12, maxzoom: 14 },
      },
      layers: [
        {
          id: `heat-${generation}`, type: 'heatmap', source: `heat-${generation}`, 'source-layer': layer, maxzoom: 15,
          paint: {
            'heatmap-weight': ['get', 'heat'],
            // Cells lie 8 pixels apart up to zoom 11 and twice as far with each zoom after; the radius goes with them.
            'heatmap-radius': ['interpolate', ['exponential', 2], ['zoom'], 4, 16, 10, 20, 11, 24, 12, 34, 15, 240],
            'heatmap-intensity': ['interpolate', ['linear'], ['zoom'], 4, 2.2, 10, 1.7, 13, 1.5],
            'heatmap-color': ['interpolate', ['linear'], ['heatmap-density'], ...heatRamp(colours)],
            'heatmap-opacity': shown([13.2, 0.92, 14.4, 0]), 'heatmap-opacity-transition': fade,
          },
        },
        {
          id: `cells-${generation}`, type: 'fill', ...cellSource,
          paint: {
            'fill-color': ['interpolate', ['linear'], ['get', 'heat'], ...cellRamp(colours)],
            'fill-opacity': shown([13, 0, 14.2, 0.72]), 'fill-opacity-transition': fade,
          },
        },
        {
          id: `edges-${generation}`, type: 'line', ...cellSource,
          paint: {
            'line-color': isForecast ? this.#theme.outline : this.#theme.ground, 'line-width': 1,
            ...(isForecast ? { 'line-dasharray': [3, 2] } : {}),
            'line-opacity': shown([13, 0, 14.2, 0.6]), 'line-opacity-transition': fade,
          },
        },
      ],
    };
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
