// The list of the newest alerts of what is chosen: what they are, who has taken them, and a button to take one.
import * as api from './api.js';
import { formatDated, formatMoney, formatPercent, formatReason } from './format.js';
import { make, note, row, showFailure } from './panels.js';
import { text, typeName } from './strings.js';

const SHOWN = 40;

export class AlertList extends EventTarget {
  #root;
  #canAcknowledge;
  #canReadStates;
  #alerts = [];
  #states = new Map();
  #seen = null;
  #filter = '';
  #chosen = null;
  #isAsking = false;

  /** Who may acknowledge and who may see what was acknowledged is told by the session's scopes. */
  constructor(root, scopes) {
    super();
    this.#root = root;
    this.#canAcknowledge = scopes.includes('alerts:write');
    this.#canReadStates = scopes.includes('alerts:read');
  }

  /** Asks for the alerts that a filter lets through; those that were not there before, under the same filter, are told in `new`. */
  async load(filter) {
    try {
      this.#alerts = await api.alerts({ limit: SHOWN, ...filter });
      // The service tells the last decided first; a bank may send its payments in another order.
      this.#alerts.sort((one, other) => Date.parse(other.eventTime) - Date.parse(one.eventTime));
    } catch (error) {
      if (error.status === 401) throw error;
      return showFailure(this.#root, error, () => this.load(filter));
    }
    const key = JSON.stringify(filter), seen = key === this.#filter ? this.#seen : null;
    this.#filter = key;
    this.#seen = new Set(this.#alerts.map((alert) => alert.decisionID));
    for (const alert of seen ? this.#alerts.filter((alert) => !seen.has(alert.decisionID)) : []) {
      this.dispatchEvent(new CustomEvent('new', { detail: alert }));
    }
    this.#show();
    this.#loadStates();
  }

  /** Without the notifier, or while it is slow, the list shows all the same; only who has taken what is not known. */
  async #loadStates() {
    if (!this.#canReadStates || this.#isAsking) return;
    this.#isAsking = true;
    const states = await api.alertStates().catch(() => null);
    this.#isAsking = false;
    if (!states) return;
    this.#states = new Map(states.map((state) => [state.alertID, state]));
    this.#show();
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
    if (!this.#alerts.length) return this.#root.replaceChildren(note(text('alerts.none')));
    const focused = document.activeElement?.closest('[data-alert]');
    const focus = focused && this.#root.contains(focused) ? [focused.dataset.alert, document.activeElement.className] : null;
    this.#root.replaceChildren(...this.#alerts.map((alert) => this.#item(alert)));
    if (focus) [...this.#root.children].find((item) => item.dataset.alert === focus[0])?.querySelector(`.${focus[1].split(' ')[0]}`)?.focus();
  }

  #item(alert) {
    const when = formatDated(Date.parse(alert.eventTime)), [reason] = alert.reasons, what = reason ? formatReason(reason, alert.currency) : typeName(alert.channel);
    const head = make('span', 'row-head');
    const amount = formatMoney(alert.amountMinorUnits, alert.currency);
    head.append(
      make('strong', '', [amount, typeName(alert.channel)].filter(Boolean).join(' · ')), make('span', 'risk', formatPercent(alert.risk)));
    const place = alert.jurisdiction ?? (alert.terminal || text('alerts.nowhere'));
    head.title = alert.reasons.map((reason) => formatReason(reason, alert.currency)).join('; ');
    const item = row([head, make('span', 'muted', `${place} · ${when}`), make('span', 'why', what)], () => {
      this.choose(alert.decisionID);
      this.dispatchEvent(new CustomEvent('choose', { detail: alert }));
    });
    item.dataset.alert = alert.decisionID;
    item.className = `alert${alert.decisionID === this.#chosen ? ' is-chosen' : ''}`;
    const state = this.#states.get(alert.decisionID);
    if (state?.isAcknowledged) {
      item.classList.add('is-acknowledged');
      const by = { who: state.acknowledgedBy ?? '', when: state.acknowledgedAt ? formatDated(Date.parse(state.acknowledgedAt)) : '' };
      const mark = make('span', 'acknowledged', state.acknowledgedBy ? text('alerts.acknowledgedBy', by) : text('alerts.acknowledged'));
      item.append(mark);
    } else if (this.#canAcknowledge) {
      const button = make('button', 'acknowledge', text('alerts.acknowledge'));
      button.type = 'button';
      button.setAttribute('aria-label', text('alerts.acknowledgeThis', { what, when }));
      button.addEventListener('click', () => this.#acknowledge(alert, button));
      item.append(button);
    }
    return item;
  }

  async #acknowledge(alert, button) {
    button.disabled = true;
    try {
      const state = await api.acknowledge(alert.decisionID);
      this.#states.set(state.alertID, state);
      this.#show();
    } catch {
      button.disabled = false;
      this.dispatchEvent(new CustomEvent('fault', { detail: text('alerts.notAcknowledged') }));
    }
  }
}
