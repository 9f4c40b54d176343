// A list as one stop of the Tab key, so that what comes behind a long one is not far.

/** What names an item of a list: what it is about, else where it stands. */
const nameOf = (item) => Object.values(item.dataset)[0] ?? String([...item.parentElement.children].indexOf(item));

/** Of a list's items one is reached by the Tab key; the arrow keys, Home and End go to the others. The button that brings more stays a stop. */
export function rove(list) {
  let current = null;
  const items = () => [...list.children].filter((item) => item.querySelector('.row'));
  const settle = () => {
    const all = items(), reached = all.find((item) => nameOf(item) === current) ?? all[0];
    for (const item of all) for (const button of item.querySelectorAll('button')) button.tabIndex = item === reached ? 0 : -1;
  };
  new MutationObserver(settle).observe(list, { childList: true });
  list.addEventListener('focusin', ({ target }) => {
    const item = target.closest('li');
    if (!item?.querySelector('.row')) return;
    current = nameOf(item);
    settle();
  });
  list.addEventListener('keydown', (event) => {
    const all = items(), at = all.indexOf(event.target.closest('li'));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    all[next]?.querySelector('.row').focus();
  });
}
