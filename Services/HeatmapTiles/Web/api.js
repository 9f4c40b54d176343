// The service's own face. Nothing here, nor anywhere else on the page, asks another host.

/** A request that the service refused or that did not reach it (status 0). */
export class RequestFailed extends Error {
  /** `retryAfter`: the seconds after which the service may be asked again; null where it says none. */
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let onSignedOut = () => {};
let onFailure = () => {};

/** Calls `work` from now on whenever the service says that nobody is signed in. */
export function whenSignedOut(work) {
  onSignedOut = work;
}

/** Calls `work` from now on whenever something could not be had that may be had later, with the seconds to wait where the service says so. */
export function whenFailed(work) {
  onFailure = work;
}

const mayPass = (status) => status === 0 || status === 429 || status >= 500;

/** No answer is waited for longer than this, so that what is slow never holds up the rest of the page. */
const PATIENCE_MILLISECONDS = 20_000;

/** Asks for something; of what fails and may be had later, `whenFailed` hears as well. */
async function request(path, options = {}) {
  try {
    return await ask(path, options);
  } catch (error) {
    if (!options.method && mayPass(error.status)) onFailure(error.retryAfter);
    throw error;
  }
}

async function ask(path, { signal, ...options } = {}) {
  let response;
  const patience = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  try {
    response = await fetch(path, { credentials: 'same-origin', signal: signal ? AbortSignal.any([signal, patience]) : patience, ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new RequestFailed(0, error.message);
  }
  if (!response.ok) {
    const fault = await response.json().catch(() => ({}));
    if (response.status === 401) {
      // Whatever else was under way is refused as well.
      onSignedOut();
      onSignedOut = () => {};
    }
    throw new RequestFailed(response.status, fault.message ?? response.statusText, Number(response.headers.get('retry-after')) || null);
  }
  return response.status === 204 ? null : response.json();
}

const query = (parameters) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
};

export const session = () => request('/session');
export const login = (username, password) =>
  request('/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) });
export const logout = () => request('/logout', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
export const summary = (filter, signal) => request(`/api/summary${query(filter)}`, { signal });
export const bounds = (filter) => request(`/api/bounds${query(filter)}`);
export const series = (parameters, signal) => request(`/api/series${query(parameters)}`, { signal });
export const hotspots = (parameters, signal) => request(`/api/hotspots${query(parameters)}`, { signal });
export const alerts = (parameters) => request(`/api/alerts${query(parameters)}`);
export const alert = (id) => request(`/api/alerts/${encodeURIComponent(id)}`);
export const complaints = (parameters) => request(`/api/complaints${query(parameters)}`);
export const cell = (quadkey, parameters, signal) => request(`/api/cells/${quadkey}${query(parameters)}`, { signal });
export const alertStates = (parameters) => request(`/alerts/states${query(parameters)}`);
export const acknowledge = (id) =>
  request(`/alerts/${encodeURIComponent(id)}/acknowledge`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
export const cashOut = ({ reporterID, complaintID }, signal) =>
  request(`/complaints/${encodeURIComponent(reporterID)}/${encodeURIComponent(complaintID)}/cash-out`, { signal });
export const models = () => request('/models');
export const modelHealth = () => request('/models/health');
export const baseMap = () => request('/static/basemap.json');
export const areas = () => request('/api/areas');

/** The address of a layer's tiles under a filter, for the map: vector tiles (`mvt`) or pictures (`png`). */
export const tilesURL = (layer, format, filter) => `${location.origin}/tiles/${layer}/{z}/{x}/{y}.${format}${query(filter)}`;
