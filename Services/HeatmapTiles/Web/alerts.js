// The list of the newest alerts of what is chosen: what they are, who has taken them, and a button to take one.
import * as api from './api.js';
import { formatDated, formatFine, formatMoney, formatPercent, formatReason } from './format.js';
import { make, note, row, showFailure } from './panels.js';
import { text, typeName } from './strings.js';

const SHOWN = 40;
/** So many are asked for, and once more than these are wanted, as many as the service gives. */
const KNOWN = 200, MOST_KNOWN = 500;

/** The first of an alert's reasons, else its channel. */
export function gist(alert) {
  const [reason] = alert.reasons;
  return reason ? formatReason(reason, alert.currency) : typeName(alert.channel);
}

export class AlertList extends EventTarget {
  #root;
  #count;
  #openOnly;
  #acknowledgements;
  #alerts = [];
  #seen = null;
  #filter = '';
  /** How many the service was asked for last. */
  #asked = 0;
  #chosen = null;
  #limit = SHOWN;
  #known = KNOWN;

  /** `count` is where it says how many are shown, `openOnly` the box that leaves out what is acknowledged. */
  constructor(root, { count, openOnly }, acknowledgements) {
    super();
    [this.#root, this.#count, this.#openOnly] = [root, count, openOnly];
    this.#acknowledgements = acknowledgements;
    acknowledgements.addEventListener('change', () => this.#show());
    // Who is not told what is acknowledged cannot leave it out.
    openOnly.parentElement.hidden = !acknowledgements.areKnown;
    openOnly.addEventListener('change', () => {
      this.#limit = SHOWN;
      this.#show();
    });
  }

  /** Asks for the alerts that a filter lets through; those that were not there before, under the same filter, are told in `new`. */
  async load(filter) {
    const key = JSON.stringify(filter), isSame = key === this.#filter;
    if (!isSame) [this.#limit, this.#known] = [SHOWN, KNOWN];
    try {
      this.#alerts = await api.alerts({ limit: this.#known, ...filter });
      // The service tells the last decided first; a bank may send its payments in another order.
      this.#alerts.sort((one, other) => Date.parse(other.eventTime) - Date.parse(one.eventTime));
    } catch (error) {
      this.#count.textContent = '';
      return showFailure(this.#root, error, () => this.load(filter));
    }
    // Older ones that are asked for later are not new.
    const seen = isSame && this.#asked === this.#known ? this.#seen : null;
    this.#asked = this.#known;
    this.#filter = key;
    this.#seen = new Set(this.#alerts.map((alert) => alert.decisionID));
    for (const alert of seen ? this.#alerts.filter((alert) => !seen.has(alert.decisionID)) : []) {
      this.dispatchEvent(new CustomEvent('new', { detail: alert }));
    }
    this.#show();
    this.#acknowledgements.load();
  }

  /** The alert with this decision's identifier, marked in the list; null when it is not in it. */
  choose(id) {
    this.#chosen = id;
    const alert = this.#alerts.find((alert) => alert.decisionID === id);
    this.#limit = Math.max(this.#limit, this.#listed().indexOf(alert) + 1);
    this.#show();
    if (alert) this.#root.querySelector('.is-chosen')?.scrollIntoView({ block: 'nearest' });
    return alert ?? null;
  }

  #show() {
    // What stands in the list before its alerts are there, or where they could not be had, stays.
    if (!this.#seen) return;
    const listed = this.#listed(), shown = listed.slice(0, this.#limit);
    const isAll = this.#isAll, counts = { shown: formatFine(shown.length), count: formatFine(listed.length) };
    const words = this.#alerts.length && text(isAll ? 'alerts.count' : 'alerts.countAtLeast', counts);
    // The same words again would be read out again.
    if (this.#count.textContent !== (words || '')) this.#count.textContent = words || '';
    if (!this.#alerts.length) return this.#root.replaceChildren(note(this.#root, text('alerts.none')));
    if (!listed.length) return this.#root.replaceChildren(note(this.#root, text('alerts.noneOpen', { count: formatFine(this.#alerts.length) })));
    const focused = document.activeElement?.closest('[data-alert]');
    const at = [...this.#root.children].indexOf(focused);
    const focus = at >= 0 ? [focused.dataset.alert, document.activeElement.className] : null;
    const hasMore = shown.length < listed.length || (!isAll && this.#asked < MOST_KNOWN);
    const hadMore = document.activeElement?.className === 'more' && this.#root.contains(document.activeElement);
    this.#root.replaceChildren(...shown.map((alert) => this.#item(alert)), ...(hasMore ? [this.#more(isAll ? Math.min(SHOWN, listed.length - shown.length) : SHOWN)] : []));
    if (hadMore) this.#root.querySelector('.more')?.focus();
    if (!focus) return;
    const item = [...this.#root.children].find((item) => item.dataset.alert === focus[0]);
    // The button is gone once the alert is acknowledged; the alert itself, where only open ones are shown.
    const button = item?.querySelector(`.${focus[1].split(' ')[0]}`) ?? (item ?? this.#root.children[at] ?? this.#root.lastChild).querySelector('button');
    button.focus();
  }

  /** Whether the service has no more than are known. */
  get #isAll() {
    return this.#alerts.length < this.#asked;
  }

  /** What stands in the list: all that is known, or what nobody has taken yet. */
  #listed() {
    return this.#openOnly.checked ? this.#alerts.filter((alert) => !this.#acknowledgements.isAcknowledged(alert.decisionID)) : this.#alerts;
  }

  /** The button behind the last one; the first of those that it brings gets the focus. */
  #more(count) {
    const item = make('li'), button = make('button', 'more', text('alerts.more', { count: formatFine(count) }));
    button.type = 'button';
    button.addEventListener('click', async () => {
      const before = this.#limit;
      this.#limit += SHOWN;
      if (this.#limit > this.#listed().length && !this.#isAll) {
        this.#known = MOST_KNOWN;
        await this.load(JSON.parse(this.#filter));
        // They could not be had, and the list says so.
        if (this.#asked < this.#known) return;
      }
      this.#show();
      this.#root.children[before]?.querySelector('button')?.focus();
    });
    item.append(button);
    return item;
  }

  #item(alert) {
    const when = formatDated(Date.parse(alert.eventTime)), what = gist(alert), head = make('span', 'row-head');
    const amount = formatMoney(alert.amountMinorUnits, alert.currency);
    head.append(
      make('strong', '', [amount, typeName(alert.channel)].filter(Boolean).join(' · ')), make('span', 'risk', formatPercent(alert.risk)));
    const place = alert.jurisdiction ?? (alert.terminal || text('alerts.nowhere'));
    head.title = alert.reasons.map((reason) => formatReason(reason, alert.currency)).join('; ');
    const item = row([head, make('span', 'muted', `${place} · ${when}`), make('span', 'why', what)], () => {
      this.dispatchEvent(new CustomEvent('choose', { detail: alert.decisionID }));
    });
    item.dataset.alert = alert.decisionID;
    item.className = `alert${alert.decisionID === this.#chosen ? ' is-chosen' : ''}`;
    item.classList.toggle('is-acknowledged', this.#acknowledgements.isAcknowledged(alert.decisionID));
    const taken = this.#acknowledgements.element(alert.decisionID, what, when);
    if (taken) item.append(taken);
    return item;
  }
}
