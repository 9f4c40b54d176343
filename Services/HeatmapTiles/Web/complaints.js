// The list of the newest complaints of what is chosen: the same that are dots on the map, for those who do not point at dots.
import * as api from './api.js';
import { formatDated, formatMoney, formatPlace } from './format.js';
import { make, note, row, showFailure, whereAndWhen } from './panels.js';
import { text, typeName } from './strings.js';

const KNOWN = 200;

/** What names a complaint in the address. */
export const complaintKey = ({ reporterID, complaintID }) => `${reporterID}/${complaintID}`;

export class ComplaintList extends EventTarget {
  #root;
  #known = null;

  constructor(root) {
    super();
    this.#root = root;
  }

  /** Asks for the newest complaints that a filter lets through, shows them, and gives them back. */
  async load(filter) {
    try {
      this.#known = await api.complaints({ limit: KNOWN, ...filter });
      // The service tells the last reported first; what is shown is when it happened.
      this.#known.sort((one, other) => Date.parse(other.occurredAt) - Date.parse(one.occurredAt));
    } catch (error) {
      showFailure(this.#root, error, () => this.load(filter));
      return [];
    }
    this.#show(this.#known);
    return this.#known;
  }

  /** A complaint among the newest, shown or not; null when there is none of this key. */
  async find(key) {
    const isIt = (complaint) => complaintKey(complaint) === key;
    return this.#known?.find(isIt) ?? (await api.complaints({ limit: KNOWN })).find(isIt) ?? null;
  }

  #show(complaints) {
    const focused = document.activeElement?.closest('[data-complaint]')?.dataset.complaint;
    if (!complaints.length) return this.#root.replaceChildren(note(this.#root, text('complaint.none')));
    this.#root.replaceChildren(...complaints.map((complaint) => {
      const key = complaintKey(complaint), head = make('span', 'row-head');
      const place = complaint.jurisdiction || complaint.district
        || (complaint.latitude === undefined ? text('alerts.nowhere') : formatPlace(complaint.latitude, complaint.longitude));
      head.append(
        make('strong', '', typeName(complaint.crimeType)), make('span', 'figure', formatMoney(complaint.amountMinorUnits, complaint.currency)));
      const item = row([head, whereAndWhen(place, formatDated(Date.parse(complaint.occurredAt)))], () => {
        this.dispatchEvent(new CustomEvent('choose', { detail: key }));
      });
      item.dataset.complaint = key;
      return item;
    }));
    if (focused) [...this.#root.children].find((item) => item.dataset.complaint === focused)?.querySelector('.row').focus();
  }
}
