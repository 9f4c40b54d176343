// What the map's colours and dots mean.
import { themes } from './palette.js';
import { make } from './panels.js';
import { text } from './strings.js';

/** Fills `root`. What is only expected has colours of its own. */
export function showLegend(root, layer, themeName) {
  const theme = themes[themeName], ramp = make('div', 'ramp'), scale = make('div', 'legend-scale');
  ramp.style.background = `linear-gradient(90deg, ${(layer === 'forecast' ? theme.expected : theme.heat).join(', ')})`;
  scale.append(make('span', 'muted', text('legend.cold')), ramp, make('span', 'muted', text('legend.hot')));
  const dots = make('ul', 'legend-dots');
  for (const kind of ['complaint', 'atm', 'terminal']) {
    const item = make('li', 'muted'), dot = make('span', `dot dot-${kind}`);
    dot.style.background = theme[kind];
    item.append(dot, text(`legend.${kind}`));
    dots.append(item);
  }
  root.replaceChildren(make('p', 'legend-title', text('legend.title', { unit: text(`unit.${layer}`) })), scale, dots);
}
