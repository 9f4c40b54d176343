// Numbers and times as people read them, in the viewer's own zone.
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const HOUR = 3600_000;

export const formatCount = (number) => (number >= 100_000 ? short.format(number) : whole.format(number));
export const formatFine = (number) => (number >= 100 ? formatCount(number) : fine.format(number));
export const formatPercent = (share) => `${Math.round(share * 100)} %`;
export const formatMoment = (time) => moment.format(time);
export const formatDate = (time) => date.format(time);
export const formatClock = (time) => clock.format(time);

export function formatSpan(from, to) {
  return `${moment.format(from)} – ${moment.format(to)}, ${new Date(to).getFullYear()}`;
}

/** Minor units of an ISO 4217 currency as an amount; the number of decimals is the currency's own. */
export function formatMoney(minorUnits, currency) {
  if (minorUnits === undefined || minorUnits === null || !currency) return '';
  try {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    return format.format(minorUnits / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${minorUnits} ${currency}`;
  }
}

export const zoneName = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
