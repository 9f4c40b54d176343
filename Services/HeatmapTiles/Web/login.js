// Signing in: shown when there is no session, gone when there is one.
import * as api from './api.js';
import { text } from './strings.js';

const element = (id) => document.getElementById(id);

function showLogin(message = '') {
  element('login').hidden = false;
  element('login-error').textContent = message;
  element('username').focus();
}

/** Calls `start` with the session, after the person has signed in if there is none. */
export function withSession(start) {
  element('login-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = event.target.querySelector('button');
    button.disabled = true;
    try {
      await api.login(element('username').value, element('password').value);
      element('password').value = '';
      const session = await api.session();
      element('login').hidden = true;
      start(session);
    } catch (error) {
      const key = { 401: 'refused', 400: 'refused', 403: 'forbidden' }[error.status] ?? 'unavailable';
      showLogin(text(`login.${key}`));
    } finally {
      button.disabled = false;
    }
  });
  api.session().then(start, (error) => {
    showLogin(error.status === 401 || error.status === 403 ? '' : text('login.unavailable'));
  });
}
