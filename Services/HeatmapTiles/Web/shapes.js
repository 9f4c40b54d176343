// GeoJSON that the map makes itself. Boxes are west, south, east, north.

export const EMPTY = { type: 'FeatureCollection', features: [] };

/** The outline of a box. */
export const ring = ([west, south, east, north]) => [[west, south], [east, south], [east, north], [west, north], [west, south]];

/** The box round a polygon or several. */
export function boxOf({ geometry: { coordinates } }) {
  const points = coordinates.flat(Infinity), along = points.filter((_, index) => index % 2 === 0), up = points.filter((_, index) => index % 2);
  const most = (values) => values.reduce((one, other) => Math.max(one, other)), least = (values) => -most(values.map((value) => -value));
  return [least(along), least(up), most(along), most(up)];
}

/** Lines every twentieth of a degree round a box, so that an empty ground still has a measure. */
export function grid([west, south, east, north]) {
  const step = 0.05, features = [];
  const line = (coordinates) => features.push({ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates } });
  const margin = 1;
  if (east - west > 5 || north - south > 5) return EMPTY;
  for (let x = Math.floor((west - margin) / step); x <= Math.ceil((east + margin) / step); x += 1) {
    line([[x * step, south - margin], [x * step, north + margin]]);
  }
  for (let y = Math.floor((south - margin) / step); y <= Math.ceil((north + margin) / step); y += 1) {
    line([[west - margin, y * step], [east + margin, y * step]]);
  }
  return { type: 'FeatureCollection', features };
}
