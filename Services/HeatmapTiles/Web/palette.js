// Colours of the map in its two themes. The heat runs evenly in lightness, in the colours of the service's PNG tiles: see Palette.swift.
const heat = ['#2b0b57', '#63117a', '#9c2476', '#d13f5c', '#f26b3a', '#fba423', '#fce38a'];
// What is only expected is drawn in cold colours.
const expected = ['#0b1f4b', '#0f3f73', '#116390', '#1b899b', '#3fae9f', '#86d0a6', '#d6f0b4'];

export const themes = {
  dark: {
    ground: '#0a0e16', district: '#121926', outline: '#34435c', grid: '#141c2a', terminal: '#5c6f8f', atm: '#7fb4ff', complaint: '#2aa198', onComplaint: '#04110f', alert: '#ffffff', name: '#e8ecf4',
    heat, expected, palette: 'dark', expectedPalette: 'dark-cold',
  },
  light: {
    ground: '#e9edf3', district: '#f7f9fc', outline: '#9aa8bd', grid: '#dde3ec', terminal: '#8593a8', atm: '#2563b8', complaint: '#0b7a70', onComplaint: '#ffffff', alert: '#1a2233', name: '#17202f',
    heat: [...heat].reverse(), expected: [...expected].reverse(), palette: 'light', expectedPalette: 'light-cold',
  },
};

/** Stops for single cells. */
export const cellRamp = (colours) => colours.flatMap((colour, index) => [index / (colours.length - 1), colour]);
