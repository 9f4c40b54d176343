// Who has taken which alert, and the button to take one: the same in the list as in the panel of one alert.
import * as api from './api.js';
import { formatDated } from './format.js';
import { make } from './panels.js';
import { text } from './strings.js';

export class Acknowledgements extends EventTarget {
  #canAcknowledge;
  #canReadStates;
  #states = new Map();
  /** The pages that are being asked about. */
  #asked = new Set();

  /** Who may acknowledge and who may see what was acknowledged is told by the session's scopes. */
  constructor(scopes) {
    super();
    this.#canAcknowledge = scopes.includes('alerts:write');
    this.#canReadStates = scopes.includes('alerts:read');
  }

  /** Asks about the alerts of a page. Without the notifier, or while it is slow, alerts show all the same; only who has taken what is not known. */
  async load(page) {
    const key = JSON.stringify(page);
    if (!this.#canReadStates || this.#asked.has(key)) return;
    this.#asked.add(key);
    const states = await api.alertStates(page).catch(() => null);
    this.#asked.delete(key);
    if (!states) return;
    // One that was acknowledged meanwhile may not be in the answer yet.
    for (const state of states) if (!this.isAcknowledged(state.alertID)) this.#states.set(state.alertID, state);
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** Whether the viewer may see what is acknowledged. */
  get areKnown() {
    return this.#canReadStates;
  }

  isAcknowledged(id) {
    return this.#states.get(id)?.isAcknowledged ?? false;
  }

  /** Who has acknowledged an alert, or the button to do so; null where the viewer may not. `what` and `when` say which alert it is. */
  element(id, what, when) {
    if (this.isAcknowledged(id)) {
      const { acknowledgedBy, acknowledgedAt } = this.#states.get(id);
      const by = { who: acknowledgedBy ?? '', when: acknowledgedAt ? formatDated(Date.parse(acknowledgedAt)) : '' };
      return make('span', 'acknowledged', acknowledgedBy ? text('alerts.acknowledgedBy', by) : text('alerts.acknowledged'));
    }
    if (!this.#canAcknowledge) return null;
    const button = make('button', 'acknowledge', text('alerts.acknowledge'));
    button.type = 'button';
    button.setAttribute('aria-label', text('alerts.acknowledgeThis', { what, when }));
    button.addEventListener('click', () => this.#acknowledge(id, button));
    return button;
  }

  async #acknowledge(id, button) {
    // Not `disabled`, which would take the focus away from it.
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    try {
      const state = await api.acknowledge(id);
      this.#states.set(state.alertID, state);
      this.dispatchEvent(new CustomEvent('change'));
    } catch {
      button.ariaDisabled = 'false';
      this.dispatchEvent(new CustomEvent('fault', { detail: text('alerts.notAcknowledged') }));
    }
  }
}
