// The shell around the views: navigation, the banner, notices, theme, and which view is open.
import { getText } from './api.js';
import { connection } from './connection.js';
import { button, el, replace, svg } from './el.js';
import { short, span, tickTimes } from './format.js';
import { history as samples } from './history.js';
import { currentKey, forgetKey, keyGiven } from './key.js';
import { live } from './live.js';
import { Page } from './page.js';
import { currentRoute, go, placeOf } from './route.js';
import { VIEWS } from './views.js';

const byId = (id) => document.getElementById(id);
let routes = null; // the paths of openapi.yaml; null = not known, then every view is offered

// ---- views

const has = (view) => !routes || !view.needs || routes.has(view.needs);
const badges = {
  dead: (stats) => stats.commands.dead,
};

function drawNavigation() {
  replace(
    byId('nav'),
    el(
      'ul',
      {},
      VIEWS.filter((view) => has(view) && view.label).map((view) =>
        el(
          'li',
          { class: view.first ? 'first' : null },
          el(
            'a',
            { href: `#/${view.name}`, data: { view: view.name } },
            el('span', {}, view.label),
            el('span', { class: 'badge', hidden: true }),
          ),
        ),
      ),
    ),
  );
  markCurrent();
}

function markCurrent() {
  const name = currentRoute().parts[0] ?? '';
  for (const item of byId('nav').querySelectorAll('a')) {
    if (item.dataset.view === name) {
      item.setAttribute('aria-current', 'page');
      const strip = byId('nav');
      if (strip.scrollWidth > strip.clientWidth)
        strip.scrollLeft = item.offsetLeft - strip.clientWidth / 2 + item.offsetWidth / 2;
    } else {
      item.removeAttribute('aria-current');
    }
  }
}

function updateBadges() {
  for (const [name, of] of Object.entries(badges)) {
    const badge = byId('nav').querySelector(`[data-view="${name}"] .badge`);
    if (!badge) continue;
    const value = of(samples.last);
    badge.hidden = value === 0;
    badge.textContent = short(value);
  }
}

let page = null;

function openView() {
  const route = currentRoute();
  const [name = '', ...rest] = route.parts;
  const view = VIEWS.find((one) => one.name === name) ?? VIEWS.find((one) => one.name === 'nowhere');
  page?.leave();
  page = new Page(byId('main'), route);
  page.title(view.title);
  markCurrent();
  const open = rest.length > 0 && view.openOne ? view.openOne : view.open;
  open(page, ...rest);
  window.scrollTo(0, 0);
}

// ---- what goes for every view

function drawPulse() {
  const words = { connecting: 'Connecting', events: 'Live', polling: 'Live', refused: 'No key' };
  const hints = {
    events: 'Live by server-sent events; figures every 2 s',
    polling: 'This server has no event stream: asked every 2 s instead',
    refused: 'The server wants an API key',
  };
  const mode = connection.lost ? 'lost' : live.mode;
  const pulse = byId('pulse');
  pulse.className = `pulse is-${mode}`;
  pulse.title = hints[mode] ?? '';
  replace(
    pulse,
    el('i', { class: 'dot' }),
    el('span', {}, connection.lost ? 'Lost' : words[live.mode]),
    mode === 'polling' && el('span', { class: 'muted' }, ' · polling'),
  );
}

function drawBanner() {
  const banner = byId('banner');
  document.body.classList.toggle('stale', connection.lost);
  if (!connection.lost) {
    banner.hidden = true;
    return;
  }
  // Once, not each second: a reader's voice repeats whatever changes in here.
  if (!banner.hidden) return;
  replace(
    banner,
    el(
      'span',
      {},
      el('strong', {}, 'The connection to the server is lost.'),
      ' What is shown is from ',
      el('span', { id: 'lost-since' }, 'before'),
      '. ',
    ),
    el('span', { id: 'lost-wait', 'aria-hidden': 'true' }),
    button('Try now', () => connection.tryNow()),
  );
  banner.hidden = false;
}

function tickBanner() {
  if (!connection.lost) return;
  const wait = byId('lost-wait');
  const left = Math.ceil((connection.retryAt - Date.now()) / 1000);
  if (wait) wait.textContent = left > 0 ? `Next try in ${left} s.` : 'Trying…';
  const since = byId('lost-since');
  if (since)
    since.textContent = connection.lastAnswer
      ? `${span(Math.max(1000, Date.now() - connection.lastAnswer))} ago`
      : 'before';
}

const NOTICES = [
  [(s) => !s.broker.up, 'RabbitMQ cannot be reached. Commands are taken and wait in the store; nothing is lost.'],
  [(s) => s.disk_low, 'Little disk space is left: new work is refused (507) until there is room.'],
  [(s) => s.draining, 'This server is shutting down.'],
  [
    (s) => s.agents.live === 0 && s.agents.draining === 0,
    'No agent is connected: nothing is handed out. Start one: duly-agent --link HOST:7070',
  ],
];

let noticed = '';
function drawNotices() {
  const texts = NOTICES.filter(([applies]) => applies(samples.last)).map(([, text]) => text);
  if (texts.join() === noticed) return;
  noticed = texts.join();
  replace(
    byId('notices'),
    texts.map((text) => el('p', { class: 'notice', role: 'status' }, text)),
  );
}

function toggleTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  localStorage.setItem('duly-theme', next);
  drawTheme();
}

function drawTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  const control = byId('theme');
  control.setAttribute('aria-label', now === 'dark' ? 'Use light colours' : 'Use dark colours');
  control.title = control.getAttribute('aria-label');
  const path =
    now === 'dark'
      ? 'M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6z'
      : 'M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z';
  replace(
    control,
    svg(
      'svg',
      { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' },
      svg('path', { d: path, class: 'stroked' }),
    ),
  );
}

// ---- keys

const KEYS = {
  o: '',
  c: 'commands',
  d: 'dead',
  s: 'schedules',
  w: 'workflows',
  h: 'shards',
  a: 'agents',
  q: 'queues',
  n: 'submit',
};
let prefixed = false;

function onKey(event) {
  const typing = event.target.closest?.('input, textarea, select, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/') {
    event.preventDefault();
    byId('jump-id').focus();
  } else if (event.key === 'g') {
    prefixed = true;
    setTimeout(() => {
      prefixed = false;
    }, 1200);
  } else if (prefixed && event.key in KEYS) {
    prefixed = false;
    go([KEYS[event.key]].filter(Boolean));
  }
}

function onJump(event) {
  event.preventDefault();
  const field = byId('jump-id');
  const place = placeOf(field.value.trim());
  field.setCustomValidity(place ? '' : 'An id begins with cmd_, wf_ or op_ and has 13 characters after it');
  if (!field.reportValidity()) return;
  field.value = '';
  go(place);
}

// ---- start

async function readRoutes() {
  try {
    const text = await getText('/openapi.yaml');
    routes = new Set([...text.matchAll(/^ {2}(\/\S*):$/gm)].map((match) => match[1]));
    const version = /^ {2}version: (\S+)$/m.exec(text)?.[1];
    document.querySelector('.brand').title = version ? `Duly ${version}` : 'Duly';
  } catch {
    routes = null;
  }
}

async function start() {
  drawTheme();
  drawPulse();
  drawNavigation();
  byId('theme').addEventListener('click', toggleTheme);
  byId('jump').addEventListener('submit', onJump);
  byId('jump-id').addEventListener('input', () => byId('jump-id').setCustomValidity(''));
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('main').focus();
  });
  document.addEventListener('keydown', onKey);
  for (const name of ['lost', 'back', 'waiting'])
    connection.addEventListener(name, () => {
      drawPulse();
      drawBanner();
      tickBanner();
    });
  live.addEventListener('mode', drawPulse);
  samples.addEventListener('sample', () => {
    updateBadges();
    drawNotices();
  });
  setInterval(() => {
    tickTimes();
    tickBanner();
  }, 1000);
  await readRoutes();
  drawNavigation();
  const forget = button('Forget key', forgetKey, { class: 'quiet' });
  forget.hidden = currentKey() === '';
  keyGiven.addEventListener('given', () => {
    forget.hidden = false;
  });
  byId('theme').before(forget);
  addEventListener('hashchange', openView);
  live.start(!routes || routes.has('/v1/events'), routes?.has('/v1/stats/history'));
  openView();
}

start();
