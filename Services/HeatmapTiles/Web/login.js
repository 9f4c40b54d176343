// Signing in: shown when there is no session, gone when there is one.
import * as api from './api.js';
import { formatWait } from './format.js';
import { switchLanguage, text } from './strings.js';

const ENDED = 'session-ended';
const element = (id) => document.getElementById(id);

function showLogin(message = '') {
  element('login').hidden = false;
  element('login-error').textContent = message;
  element('username').focus();
}

/** Leads back to the login once a session has ended; the address keeps the view, which shows again after it. */
export function askAgain() {
  sessionStorage.setItem(ENDED, 'yes');
  location.reload();
}

function refusal({ status, retryAfter }) {
  if (status === 429) return retryAfter ? text('login.tooMany', { wait: formatWait(retryAfter) }) : text('login.tooManyNow');
  return text(`login.${{ 401: 'refused', 400: 'refused', 403: 'forbidden' }[status] ?? 'unavailable'}`);
}

let ending = null;

/** Shows why signing in was refused, as long as that holds. */
function showRefusal(error) {
  clearTimeout(ending);
  showLogin(refusal(error));
  if (error.status === 429 && error.retryAfter) ending = setTimeout(() => showLogin(text('login.again')), error.retryAfter * 1000);
}

/** Calls `start` with the session, after the person has signed in if there is none. */
export function withSession(start) {
  element('login-language').addEventListener('click', () => { switchLanguage(); location.reload(); });
  element('login-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = event.target.querySelector('[type=submit]');
    button.disabled = true;
    clearTimeout(ending);
    try {
      await api.login(element('username').value, element('password').value);
      element('password').value = '';
      const session = await api.session();
      element('login').hidden = true;
      start(session);
    } catch (error) {
      showRefusal(error);
    } finally {
      button.disabled = false;
    }
  });
  api.session().then(start, (error) => {
    const hasEnded = sessionStorage.getItem(ENDED);
    sessionStorage.removeItem(ENDED);
    if (error.status === 401 && hasEnded) showLogin(text('login.ended'));
    else showLogin(error.status === 401 || error.status === 403 ? '' : text('login.unavailable'));
  });
}
