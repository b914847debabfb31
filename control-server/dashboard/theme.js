// Light or dark, decided before anything is drawn: a classic script, so that no page flashes in the wrong one.
// Absent = as the system says.
(() => {
  const chosen = localStorage.getItem('duly-theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
