// Dark or light: as the viewer has chosen in this browser, else as the system is.
const isLight = matchMedia('(prefers-color-scheme: light)');

/** Shows the theme; the login does too. Gives back its name. */
export function showTheme() {
  return (document.documentElement.dataset.theme = localStorage.getItem('theme') ?? (isLight.matches ? 'light' : 'dark'));
}

let onChange = () => {};

/** Calls `work` from now on with the theme's name when the viewer chooses another, or the system and the viewer has chosen none. */
export function whenThemeChanges(work) {
  onChange = work;
}

isLight.addEventListener('change', () => onChange(showTheme()));

/** Chooses the other one. */
export function switchTheme() {
  localStorage.setItem('theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  onChange(showTheme());
}
