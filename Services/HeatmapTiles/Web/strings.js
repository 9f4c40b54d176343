// Every word that the dashboard shows, in one place. A translation is another object with the same keys.
const english = {
  'login.lead': 'Where financial crime is, and where it goes.',
  'login.username': 'User name',
  'login.password': 'Password',
  'login.submit': 'Sign in',
  'login.refused': 'User name or password is wrong.',
  'login.forbidden': 'This user may not see the map.',
  'login.unavailable': 'Signing in does not work just now. Try again in a moment.',
  'logout': 'Sign out',
  'theme.toggle': 'Switch between the dark and the light map',
  'map.label': 'Map of risk. Arrow keys move it, plus and minus zoom.',
  'map.empty': 'Nothing happened here in this span of time.',
  'map.noData': 'No events yet. The map fills as transactions arrive.',
  'map.noGraphics': 'The map needs WebGL, which this browser does not offer. The lists still work.',
  'map.failed': 'The map’s tiles cannot be loaded just now.',
  'layers.label': 'What the map shows',
  'layer.risk': 'Risk',
  'layer.transactions': 'Transactions',
  'layer.fraud': 'Fraud',
  'layer.alerts': 'Alerts',
  'layer.complaints': 'Complaints',
  'unit.risk': 'expected frauds',
  'unit.transactions': 'transactions',
  'unit.fraud': 'frauds',
  'unit.alerts': 'alerts',
  'unit.complaints': 'complaints',
  'side.label': 'Figures, alerts and hotspots',
  'live.on': 'Live',
  'live.off': 'Connection lost, trying again',
  'live.connecting': 'Connecting',
  'alerts.title': 'Latest alerts',
  'alerts.none': 'No alerts.',
  'alerts.risk': 'risk {risk}',
  'alerts.show': 'Show on the map',
  'alerts.nowhere': 'place unknown',
  'hotspots.title': 'Hotspots now in view',
  'hotspots.none': 'No hotspots in view.',
  'hotspots.count': '{count} {unit}',
  'failed': 'Cannot be loaded just now.',
  'filters.label': 'Filters',
  'filters.jurisdiction': 'District',
  'filters.everywhere': 'Everywhere',
  'filters.type': 'Type',
  'filters.allTypes': 'All types',
  'filters.minRisk': 'Mean risk at least',
  'filters.daytime': 'Time of day',
  'daytime.all': 'All day',
  'daytime.night': 'Night, 22–6',
  'daytime.morning': 'Morning, 6–12',
  'daytime.afternoon': 'Afternoon, 12–18',
  'daytime.evening': 'Evening, 18–22',
  'daytime.weekend': 'Weekends',
  'legend.cold': 'few',
  'legend.hot': 'many',
  'timeline.label': 'Time filter',
  'timeline.presets': 'Span of time',
  'timeline.play': 'Play through time',
  'timeline.pause': 'Pause',
  'timeline.start': 'Start of the span',
  'timeline.end': 'End of the span',
  'timeline.histogram': 'Events through time. Drag to choose a span.',
  'timeline.zone': 'Times in {zone}',
  'preset.6h': '6 h',
  'preset.24h': '24 h',
  'preset.7d': '7 d',
  'preset.30d': '30 d',
  'preset.all': 'All',
  'cell.title': 'This cell, in the span chosen',
  'cell.count': '{count} events',
  'cell.risk': 'mean risk {risk}',
  'terminal.atm': 'ATM {terminal}',
  'terminal.pos': 'Terminal {terminal}',
  'terminal.online': 'Online terminal {terminal}',
  'type.pos': 'Point of sale',
  'type.atm': 'ATM',
  'type.ecommerce': 'Online card',
  'type.mobile': 'Phone',
  'type.transfer': 'Transfer',
  'type.branch': 'Branch',
  'type.other': 'Other',
};

let language = english;

/** The text for a key, with `{name}` replaced by `values.name`. */
export function text(key, values = {}) {
  const template = language[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** A crime type or channel in words; one without a translation is shown as it is named, made readable. */
export function typeName(type) {
  const known = language[`type.${type}`];
  if (known) return known;
  const words = type.replace(/[_-]+/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Fills in all elements that name their text or label. */
export function fillTexts(root = document) {
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll('[data-label]')) element.setAttribute('aria-label', text(element.dataset.label));
}
