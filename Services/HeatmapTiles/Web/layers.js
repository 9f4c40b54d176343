// What the map is made of: sources and layers of MapLibre's style in a theme's colours.
import { cellRamp } from './palette.js';

export const FADE_MILLISECONDS = 450;
/** From this zoom on there are single cells alone, and no picture of the heat is asked for. */
const PICTURES_END_ZOOM = 14.4;
/** Up to this zoom complaints that would lie on each other are one circle with their number. */
const CLUSTERED_ZOOM = 13;

/** All but the heat. `data` is GeoJSON by the source's name; `base` a style to draw under it, or null. */
export function mapStyle(theme, base, data) {
  const ground = base ? base.layers : [{ id: 'ground', type: 'background', paint: { 'background-color': theme.ground } }];
  const own = Object.fromEntries(Object.entries(data).map(([name, features]) => [name, { type: 'geojson', data: features }]));
  Object.assign(own.complaints, { cluster: true, clusterRadius: 22, clusterMaxZoom: CLUSTERED_ZOOM });
  return {
    ...base,
    version: 8,
    sources: {
      ...base?.sources, ...own,
      terminals: { type: 'vector', tiles: [`${location.origin}/tiles/terminals/{z}/{x}/{y}.mvt`], minzoom: 8, maxzoom: 14 },
    },
    layers: [
      ...ground,
      { id: 'areas', type: 'fill', source: 'areas', paint: { 'fill-color': theme.district, 'fill-opacity': base ? 0.15 : 1 } },
      { id: 'grid', type: 'line', source: 'grid', paint: { 'line-color': theme.grid, 'line-width': 1 } },
      {
        id: 'outlines', type: 'line', source: 'areas',
        paint: { 'line-color': theme.outline, 'line-width': ['interpolate', ['linear'], ['zoom'], 8, 0.8, 14, 2] },
      },
      ...terminals(theme),
      {
        id: 'names', type: 'symbol', source: 'names',
        // Where there is no room for all, the larger districts keep their names.
        layout: { 'icon-image': ['get', 'picture'], 'symbol-sort-key': ['-', ['get', 'size']], 'icon-padding': 0 }, paint: { 'icon-opacity': 0.72 },
      },
      { id: 'marked', type: 'line', source: 'marked', paint: { 'line-color': theme.alert, 'line-width': 2 } },
      ...complaints(theme),
    ],
  };
}

/** Cash machines, of which a city has few, and from nearer by the shops' terminals, of which it has many. */
function terminals(theme) {
  const source = { source: 'terminals', 'source-layer': 'terminals', type: 'circle' }, isATM = ['==', ['get', 'kind'], 'atm'];
  return [
    {
      id: 'terminals', ...source, minzoom: 11, filter: ['!', isATM],
      paint: {
        'circle-color': theme.terminal, 'circle-radius': ['interpolate', ['exponential', 1.6], ['zoom'], 11, 0.9, 14, 2.2, 17, 6],
        'circle-opacity': ['interpolate', ['linear'], ['zoom'], 11, 0.35, 14, 0.9],
      },
    },
    {
      id: 'atms', ...source, filter: isATM,
      paint: {
        'circle-color': theme.atm, 'circle-radius': ['interpolate', ['linear'], ['zoom'], 8, 1.6, 10, 2.8, 14, 4.5, 17, 8],
        'circle-stroke-color': theme.ground, 'circle-stroke-width': 1,
      },
    },
  ];
}

function complaints(theme) {
  return [
    {
      id: 'complaints', type: 'circle', source: 'complaints',
      paint: {
        'circle-color': theme.complaint, 'circle-stroke-color': theme.alert, 'circle-stroke-width': 1.2,
        'circle-radius': ['case', ['has', 'point_count'], ['min', 18, ['+', 7, ['sqrt', ['get', 'point_count']]]], 4.5],
      },
    },
    {
      id: 'complaint-counts', type: 'symbol', source: 'complaints', filter: ['has', 'point_count'],
      layout: {
        'icon-image': ['concat', 'count ', ['get', 'point_count_abbreviated']], 'icon-allow-overlap': true, 'icon-ignore-placement': true,
      },
    },
  ];
}

/**
 * The sources and layers of one drawing of the heat; `view` names its layer and the addresses of its tiles. From far off the heat is the service's
 * pictures, which take a machine without a graphics card no longer to draw for a city of many cells than for one of few; from near it is single cells.
 */
export function heatStyle(generation, { layer, pictures, cells }, theme, { isVisible, isSameView }) {
  const isForecast = layer === 'forecast', colours = isForecast ? theme.expected : theme.heat;
  const shown = (stops) => (isVisible ? ['interpolate', ['linear'], ['zoom'], ...stops] : 0);
  const fade = { duration: isSameView ? 0 : FADE_MILLISECONDS, delay: 0 };
  const cellSource = { source: `cells-${generation}`, 'source-layer': layer, minzoom: 12.5 };
  return {
    sources: {
      [`heat-${generation}`]: { type: 'raster', tiles: [pictures], tileSize: 256, minzoom: 0, maxzoom: 16 },
      [`cells-${generation}`]: { type: 'vector', tiles: [cells], minzoom: 12, maxzoom: 14 },
    },
    layers: [
      {
        id: `heat-${generation}`, type: 'raster', source: `heat-${generation}`, maxzoom: PICTURES_END_ZOOM,
        paint: { 'raster-opacity': shown([13.2, 1, PICTURES_END_ZOOM, 0]), 'raster-opacity-transition': fade, 'raster-fade-duration': 0 },
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
          'line-color': isForecast ? theme.outline : theme.ground, 'line-width': 1,
          ...(isForecast ? { 'line-dasharray': [3, 2] } : {}),
          'line-opacity': shown([13, 0, 14.2, 0.6]), 'line-opacity-transition': fade,
        },
      },
    ],
  };
}
