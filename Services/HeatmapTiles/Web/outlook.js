// What is expected, beside what has just happened.
import * as api from './api.js';
import { HOUR } from './format.js';
import { HINDSIGHT_HOURS } from './state.js';

const EVENTS_WORTH_SEEING = 300;

/** The filter of the view as the figures of what has happened take it: for a forecast, of the days before it. */
export function recordedFilter(state) {
  const filter = state.filter();
  if (state.layer !== 'forecast') return filter;
  const end = state.forecast?.[0] ?? Date.now();
  return { ...filter, from: new Date(end - HINDSIGHT_HOURS * HOUR).toISOString(), to: new Date(end).toISOString() };
}

/** Chooses the shortest span that holds enough to look at, unless the address says which. */
export async function chooseSpan(state) {
  if (!state.isSpanOpen || !state.data || state.layer === 'forecast') return;
  for (const preset of ['24h', '7d', '30d', 'all']) {
    state.preset = preset;
    const summary = await api.summary(state.filter()).catch(() => null);
    const info = summary?.layers.find((layer) => layer.name === 'transactions');
    if (!info || info.count >= EVENTS_WORTH_SEEING) return;
  }
}

/** The filter of the view as the list of complaints takes it: those of payments have channels, not crimes. */
export function complaintFilter(state) {
  const { from, to, jurisdiction, types } = recordedFilter(state), isCrime = ['complaints', 'forecast'].includes(state.layer);
  return { from, to, jurisdiction, types: isCrime ? types : undefined };
}

/** The filter of the view as the list of alerts takes it: those of payments have channels, not crimes. */
export function alertFilter(state) {
  const { from, to, jurisdiction, types } = recordedFilter(state), isCrime = ['complaints', 'forecast'].includes(state.layer);
  return { from, to, jurisdiction, types: isCrime ? undefined : types };
}

/** The names of the filters that are on and that a list (`alerts` or `complaints`) does not hold to. */
export function unfiltered(state) {
  return [state.daytime !== 'all' && 'daytime', state.facets().min_risk && 'minRisk'].filter(Boolean);
}

/** The keys of the words for the filters that are on and that what is counted holds to. */
export function filtersOn(state) {
  const isCrime = ['complaints', 'forecast'].includes(state.layer);
  return [
    state.jurisdiction && 'filters.jurisdiction', state.type && (isCrime ? 'filters.crimeType' : 'filters.channel'),
    state.facets().min_risk && 'filters.minRisk', state.daytime !== 'all' && 'filters.daytime',
  ].filter(Boolean);
}

/** What a cell's figures are asked with, and whether there is as long a span before, as far as anything is known, to hold them against. `district` is the chosen one's name. */
export function cellView(state, district) {
  const filter = recordedFilter(state), [from, to] = [filter.from, filter.to].map((time) => Date.parse(time));
  const hasBefore = Boolean(state.data) && from - (to - from) >= state.data[0];
  return { layer: state.layer, filter, facets: state.facets(), hasBefore, district: state.jurisdiction ? district : null };
}

/** How many complaints are expected in all cells and hours of the view; null where it shows no forecast. */
export async function expectedTotal(state) {
  if (state.layer !== 'forecast' || state.drawnLayer !== 'forecast' || !state.forecast) return null;
  const { expected } = await api.series({ layer: 'forecast', bucket_hours: 24, ...state.filter() });
  return expected.reduce((sum, value) => sum + value, 0);
}

/** Complaints of the last days and, after them, those expected: bars for the timeline. */
export async function outlook(state) {
  if (!state.forecast) return {};
  const { from: since, to: until } = recordedFilter(state), [from, to] = state.forecast.map((time) => new Date(time).toISOString());
  const facets = { bucket_hours: 1, ...state.facets() };
  const [known, expected] = await Promise.all([
    api.series({ layer: 'complaints', ...facets, from: since, to: until }), api.series({ layer: 'forecast', ...facets, from, to }),
  ]);
  // What is known need not begin with the days before.
  const shift = known.from ? Math.round((Date.parse(known.from) - Date.parse(since)) / HOUR) : 0;
  const before = Array.from({ length: HINDSIGHT_HOURS }, (_, hour) => known.counts?.[hour - shift] ?? 0);
  return { from: since, bucketHours: 1, counts: [...before, ...(expected.expected ?? [])], future: HINDSIGHT_HOURS };
}
