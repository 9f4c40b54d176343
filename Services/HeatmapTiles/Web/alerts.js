// The list of the newest alerts of what is chosen: what they are, who has taken them, and a button to take one.
import * as api from './api.js';
import { formatDated, formatFine, formatMoney, formatPercent, formatPlace, formatReason } from './format.js';
import { make, note, row, showFailure, whereAndWhen } from './panels.js';
import { text, typeName } from './strings.js';

const SHOWN = 40;
/** So many are asked for at once. */
const PAGE = 200;
/** No more pages than these are asked for at once, where only few on each are open. */
const PAGES_AT_ONCE = 5;

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
  /** The identifiers of those that were told as new or came with them; null before the first answer. */
  #seen = null;
  #filter = '';
  /** The last one of the list as far as it is known, and whether it is the last there is. */
  #last = null;
  #isAll = false;
  /** Whether more than the first page is wanted. */
  #hasGoneOn = false;
  #chosen = null;
  #limit = SHOWN;

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
      if (openOnly.checked && this.#seen) this.#fill();
    });
  }

  /** Asks for the alerts that a filter lets through; those that were not there before, under the same filter, are told in `new`. */
  async load(filter) {
    const key = JSON.stringify(filter), isSame = key === this.#filter;
    if (!isSame) [this.#limit, this.#hasGoneOn] = [SHOWN, false];
    const first = { limit: PAGE, ...filter };
    let page;
    try {
      page = await api.alerts(first);
    } catch (error) {
      this.#count.textContent = '';
      return showFailure(this.#root, error, () => this.load(filter));
    }
    const seen = isSame ? this.#seen : null, ids = new Set(page.map((alert) => alert.decisionID));
    // What was asked for behind the first page stays, unless so many are new that some may be missing between the two.
    const older = isSame && this.#hasGoneOn && page.some((alert) => seen?.has(alert.decisionID))
      ? this.#alerts.filter((alert) => !ids.has(alert.decisionID)) : [];
    if (!older.length) [this.#last, this.#isAll] = [page.at(-1), page.length < PAGE];
    this.#filter = key;
    this.#know([...page, ...older]);
    this.#seen = new Set(this.#alerts.map((alert) => alert.decisionID));
    for (const alert of seen ? page.filter((alert) => !seen.has(alert.decisionID)) : []) this.dispatchEvent(new CustomEvent('new', { detail: alert }));
    this.#show();
    this.#acknowledgements.load(first);
  }

  #know(alerts) {
    // The service tells the last decided first; a bank may send its payments in another order.
    this.#alerts = alerts.sort((one, other) => Date.parse(other.eventTime) - Date.parse(one.eventTime));
  }

  /** Asks for the page behind what is known. Gives back whether it has come. */
  async #goOn() {
    const filter = this.#filter, { decidedAt, decisionID } = this.#last;
    const next = { limit: PAGE, after: `${decidedAt},${decisionID}`, ...JSON.parse(filter) };
    this.#hasGoneOn = true;
    const page = await api.alerts(next).catch(() => null);
    // Meanwhile something else may have been chosen.
    if (this.#filter !== filter) return false;
    if (!page) {
      this.dispatchEvent(new CustomEvent('fault', { detail: text('alerts.noMore') }));
      return false;
    }
    const known = new Set(this.#alerts.map((alert) => alert.decisionID));
    [this.#last, this.#isAll] = [page.at(-1) ?? this.#last, page.length < PAGE];
    this.#know([...this.#alerts, ...page.filter((alert) => !known.has(alert.decisionID))]);
    for (const alert of page) this.#seen.add(alert.decisionID);
    await this.#acknowledgements.load(next);
    return true;
  }

  /** Asks for so many pages as are needed to show what is wanted. */
  async #fill() {
    for (let pages = 0; pages < PAGES_AT_ONCE && !this.#isAll && this.#limit > this.#listed().length; pages += 1) {
      if (!await this.#goOn()) break;
    }
    this.#show();
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
    if (!listed.length && isAll) return this.#root.replaceChildren(note(this.#root, text('alerts.noneOpen', { count: formatFine(this.#alerts.length) })));
    const focused = document.activeElement?.closest('[data-alert]');
    const at = [...this.#root.children].indexOf(focused);
    const focus = at >= 0 ? [focused.dataset.alert, document.activeElement.className] : null;
    const hasMore = shown.length < listed.length || !isAll;
    const hadMore = document.activeElement?.className === 'more' && this.#root.contains(document.activeElement);
    this.#root.replaceChildren(...shown.map((alert) => this.#item(alert)), ...(hasMore ? [this.#more(isAll ? Math.min(SHOWN, listed.length - shown.length) : SHOWN)] : []));
    if (hadMore) this.#root.querySelector('.more')?.focus();
    if (!focus) return;
    const item = [...this.#root.children].find((item) => item.dataset.alert === focus[0]);
    // The button is gone once the alert is acknowledged; the alert itself, where only open ones are shown.
    const button = item?.querySelector(`.${focus[1].split(' ')[0]}`) ?? (item ?? this.#root.children[at] ?? this.#root.lastChild).querySelector('button');
    button.focus();
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
      const before = Math.min(this.#limit, this.#listed().length);
      this.#limit = before + SHOWN;
      await this.#fill();
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
    const place = alert.jurisdiction || alert.terminal
      || (alert.latitude === undefined ? text('alerts.nowhere') : formatPlace(alert.latitude, alert.longitude));
    head.title = alert.reasons.map((reason) => formatReason(reason, alert.currency)).join('; ');
    const item = row([head, whereAndWhen(place, when), make('span', 'why', what)], () => {
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
