// The list of the newest alerts of what is chosen: what they are, who has taken them, and a button to take one.
import * as api from './api.js';
import { formatDated, formatMoney, formatPercent, formatReason } from './format.js';
import { make, note, row, showFailure } from './panels.js';
import { text, typeName } from './strings.js';

const SHOWN = 40;

/** The first of an alert's reasons, else its channel. */
export function gist(alert) {
  const [reason] = alert.reasons;
  return reason ? formatReason(reason, alert.currency) : typeName(alert.channel);
}

export class AlertList extends EventTarget {
  #root;
  #acknowledgements;
  #alerts = [];
  #seen = null;
  #filter = '';
  #chosen = null;

  constructor(root, acknowledgements) {
    super();
    this.#root = root;
    this.#acknowledgements = acknowledgements;
    acknowledgements.addEventListener('change', () => this.#show());
  }

  /** Asks for the alerts that a filter lets through; those that were not there before, under the same filter, are told in `new`. */
  async load(filter) {
    try {
      this.#alerts = await api.alerts({ limit: SHOWN, ...filter });
      // The service tells the last decided first; a bank may send its payments in another order.
      this.#alerts.sort((one, other) => Date.parse(other.eventTime) - Date.parse(one.eventTime));
    } catch (error) {
      return showFailure(this.#root, error, () => this.load(filter));
    }
    const key = JSON.stringify(filter), seen = key === this.#filter ? this.#seen : null;
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
    this.#show();
    const alert = this.#alerts.find((alert) => alert.decisionID === id);
    if (alert) this.#root.querySelector('.is-chosen')?.scrollIntoView({ block: 'nearest' });
    return alert ?? null;
  }

  #show() {
    // What stands in the list before its alerts are there, or where they could not be had, stays.
    if (!this.#seen) return;
    if (!this.#alerts.length) return this.#root.replaceChildren(note(this.#root, text('alerts.none')));
    const focused = document.activeElement?.closest('[data-alert]');
    const focus = focused && this.#root.contains(focused) ? [focused.dataset.alert, document.activeElement.className] : null;
    this.#root.replaceChildren(...this.#alerts.map((alert) => this.#item(alert)));
    if (!focus) return;
    const item = [...this.#root.children].find((item) => item.dataset.alert === focus[0]);
    // The button is gone once the alert is acknowledged.
    (item?.querySelector(`.${focus[1].split(' ')[0]}`) ?? item?.querySelector('.row'))?.focus();
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
