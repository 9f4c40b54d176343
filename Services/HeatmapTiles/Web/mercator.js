// Web Mercator tiles, as the service cuts them.
export const longitudeAt = (x, zoom) => (x / 2 ** zoom) * 360 - 180;
export const latitudeAt = (y, zoom) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / 2 ** zoom))) * 180) / Math.PI;

export function tileAt(longitude, latitude, zoom) {
  const radians = (latitude * Math.PI) / 180, side = 2 ** zoom;
  const inside = (part) => Math.max(0, Math.min(side - 1, Math.floor(part * side)));
  return [inside((longitude + 180) / 360), inside((1 - Math.asinh(Math.tan(radians)) / Math.PI) / 2)];
}

export function quadkey(x, y, zoom) {
  let key = '';
  for (let level = zoom - 1; level >= 0; level -= 1) key += ((x >> level) & 1) + 2 * ((y >> level) & 1);
  return key;
}

export function placeOf(key) {
  let x = 0, y = 0;
  for (const digit of key) [x, y] = [2 * x + (digit & 1), 2 * y + (digit >> 1)];
  return [x, y];
}
