// Numbers and times as people read them, in the viewer's own zone and language.
import { hasText, languageCode, text } from './strings.js';

const numbers = languageCode === 'hi' ? 'hi-IN' : 'en';
const dates = languageCode === 'hi' ? 'hi-IN' : 'en-GB';
const whole = new Intl.NumberFormat(numbers, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(numbers, { notation: 'compact', maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(numbers, { maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(numbers, { maximumSignificantDigits: 3 });
const coarse = new Intl.NumberFormat(numbers, { maximumSignificantDigits: 2 });
const rough = new Intl.NumberFormat(numbers, { maximumFractionDigits: 2 });
const moment = new Intl.DateTimeFormat(dates, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(dates, { day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat(dates, { day: 'numeric', month: 'short', year: 'numeric' });
const momentOfYear = new Intl.DateTimeFormat(dates, { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const hourAndMinute = new Intl.DateTimeFormat(dates, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clock = new Intl.DateTimeFormat(dates, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', second: '2-digit' });

export const HOUR = 3600_000;

export const formatCount = (number) => (number >= 100_000 ? short.format(number) : whole.format(number));
export const formatFine = (number) => (number >= 100 ? formatCount(number) : fine.format(number));
export const formatExact = (number) => exact.format(number);
/** A small number that is only expected: no more digits than anybody can use. */
export const formatExpected = (number) => (number > 0 && number < 0.01 ? `< ${rough.format(0.01)}` : number < 10 ? rough.format(number) : formatFine(number));
/** What a layer shows of a place or a span: how many there are to expect, of which a part of one is not none, or how many there were. */
export const formatLayer = (layer, number) => (['risk', 'forecast'].includes(layer) ? formatExpected(number) : formatCount(number));
export const formatPercent = (share) => `${Math.round(share * 100)} %`;
/** A chance, no finer than anybody can tell it. */
export const formatChance = (share) => (share > 0 && share < 0.001 ? `< ${fine.format(0.1)} %` : `${coarse.format(share * 100)} %`);
export const formatMoment = (time) => moment.format(time);
export const formatTime = (time) => hourAndMinute.format(time);
/** An hour of the day with its minutes, where it has any. */
export const formatHour = (hour, minutes) => (minutes ? `${hour}:${String(minutes).padStart(2, '0')}` : String(hour));
export const formatClock = (time) => clock.format(time);

export function formatSpan(from, to) {
  const isOneYear = new Date(from).getFullYear() === new Date(to).getFullYear();
  return `${(isOneYear ? moment : momentOfYear).format(from)} – ${momentOfYear.format(to)}`;
}

/** Minor units of an ISO 4217 currency as an amount; the number of decimals is the currency's own. */
export function formatMoney(minorUnits, currency) {
  if (minorUnits === undefined || minorUnits === null || !currency) return '';
  try {
    const format = new Intl.NumberFormat(numbers, { style: 'currency', currency });
    return format.format(minorUnits / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${minorUnits} ${currency}`;
  }
}

/** A length of time in the largest unit that it fills. */
export function formatDuration(milliseconds) {
  const minutes = Math.max(0, Math.round(milliseconds / 60_000));
  if (minutes < 90) return text('duration.minutes', { count: minutes });
  if (minutes < 48 * 60) return text('duration.hours', { count: Math.round(minutes / 60) });
  return text('duration.days', { count: Math.round(minutes / 1440) });
}

/** How long to wait, in seconds. */
export const formatWait = (seconds) => (seconds < 90 ? text('duration.seconds', { count: Math.ceil(seconds) }) : formatDuration(seconds * 1000));

/** Degrees as exactly as a street needs. */
export const formatPlace = (latitude, longitude) => `${latitude.toFixed(3)}, ${longitude.toFixed(3)}`;

/** A change with its sign. */
export const formatChange = (number) => (number > 0 ? '+' : number < 0 ? '−' : '±') + formatCount(Math.abs(number));

export const formatDay = (time) => day.format(time);
export const formatDayOfYear = (time) => dayOfYear.format(time);

/** A moment, with its year where that is not this one. */
export const formatDated = (time) => (new Date(time).getFullYear() === new Date().getFullYear() ? moment : momentOfYear).format(time);

/** A bare number of a currency's units. */
function formatUnits(value, currency) {
  if (!currency) return fine.format(value);
  return new Intl.NumberFormat(numbers, { style: 'currency', currency, maximumFractionDigits: 0 }).format(value);
}

/**
 * A model's reason as a sentence: in the page's language where that has words for its feature, else in the model's own. A feature's name may
 * end with its window in days, as `customer_count_7d`.
 */
export function formatReason({ feature = '', value, text: words }, currency) {
  const [, name, days] = /^(.*?)(?:_(\d+)d)?$/.exec(feature);
  const key = [`reason.${name}.zero`, `reason.${name}`].slice(value === 0 ? 0 : 1).find(hasText);
  const isKnown = typeof value === 'number';
  if (!key || (!isKnown && !hasText('reason.unknown'))) return words.charAt(0).toUpperCase() + words.slice(1);
  const say = (format) => (isKnown ? format(value) : text('reason.unknown'));
  return text(key, {
    days: days && whole.format(days), window: days && formatDuration(days * 24 * HOUR), value: say(exact.format), amount: say((units) => formatUnits(units, currency)), share: say(formatPercent),
    duration: say((count) => formatDuration(count * 24 * HOUR)),
  });
}

/** What a layer counts, in the number that fits. */
export const unitName = (layer, count) => text(`${Math.abs(count) === 1 ? 'unit.one' : 'unit'}.${layer}`);
