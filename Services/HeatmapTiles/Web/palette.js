// Colours of the map in its two themes. The heat runs evenly in lightness, the same seven colours as the service's PNG tiles.
const heat = ['#2b0b57', '#63117a', '#9c2476', '#d13f5c', '#f26b3a', '#fba423', '#fce38a'];
// What is only expected is drawn in cold colours.
const expected = ['#0b1f4b', '#0f3f73', '#116390', '#1b899b', '#3fae9f', '#86d0a6', '#d6f0b4'];

export const themes = {
  dark: {
    ground: '#0a0e16', district: '#121926', outline: '#34435c', grid: '#141c2a', terminal: '#5c6f8f', atm: '#7fb4ff', complaint: '#2aa198', onComplaint: '#04110f', alert: '#ffffff', name: '#e8ecf4',
    heat, expected,
  },
  light: {
    ground: '#e9edf3', district: '#f7f9fc', outline: '#9aa8bd', grid: '#dde3ec', terminal: '#8593a8', atm: '#2563b8', complaint: '#0b7a70', onComplaint: '#ffffff', alert: '#1a2233', name: '#17202f',
    heat: [...heat].reverse(), expected: [...expected].reverse(),
  },
};

/** A colour with an opacity, as CSS writes it. */
export function translucent(hex, alpha) {
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
}

/** Stops for MapLibre's heat: transparent first, then the theme's colours, denser from stop to stop. */
export function heatRamp(colours) {
  const stops = [0, translucent(colours[0], 0)];
  colours.forEach((colour, index) => {
    const place = 0.05 + (index / (colours.length - 1)) * 0.8;
    stops.push(place, translucent(colour, 0.62 + 0.3 * (index / (colours.length - 1))));
  });
  return stops;
}

/** Stops for single cells. */
export const cellRamp = (colours) => colours.flatMap((colour, index) => [index / (colours.length - 1), colour]);
