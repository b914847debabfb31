// The attempts of a command as bars on one line of time: thin while in the broker, thick while running.
import { el, svg } from './el.js';
import { clock, millis, serverNow } from './format.js';
import { looksLike } from './state.js';

const ROW = 22;
const LEFT = 5; // per cent, for the number
const LEAST = 0.4;
const MOST = 20;

const at = (text) => (text ? Date.parse(text) : null);

function bounds(attempts) {
  const times = attempts
    .flatMap((one) => [at(one.queued_at), at(one.started_at), at(one.finished_at)])
    .filter((ms) => ms !== null);
  const open = attempts.some((one) => !one.finished_at);
  const begin = Math.min(...times);
  return [begin, Math.max(open ? serverNow() : 0, ...times, begin + 1)];
}

// x: where an instant lies, in per cent.
function bar(attempt, row, x) {
  const y = row * ROW + ROW / 2;
  const queued = at(attempt.queued_at);
  const started = at(attempt.started_at);
  const ended = at(attempt.finished_at);
  const now = serverNow();
  const word = attempt.outcome ?? (started ? 'running' : 'queued');
  const ran = started && ended ? `, ran ${millis(ended - started)}` : '';
  const fill = `fill-${looksLike(word)}`;
  return svg(
    'g',
    {},
    svg('title', {}, `attempt ${attempt.attempt}: ${word.replaceAll('_', ' ')}${ran}`),
    svg('text', { x: 0, y: y + 4 }, `#${attempt.attempt}`),
    queued && svg('line', { class: 'wait', x1: `${x(queued)}%`, x2: `${x(started ?? ended ?? now)}%`, y1: y, y2: y }),
    started &&
      svg('rect', {
        class: fill,
        x: `${x(started)}%`,
        y: y - 6,
        width: `${Math.max(LEAST, x(ended ?? now) - x(started))}%`,
        height: 12,
        rx: 3,
      }),
    !started && ended && svg('circle', { class: fill, cx: `${x(ended)}%`, cy: y, r: 4 }),
  );
}

export function drawAttempts(command) {
  const shown = command.attempts.filter((one) => one.queued_at || one.started_at || one.finished_at).slice(-MOST);
  if (shown.length === 0) return null;
  const [begin, end] = bounds(shown);
  const x = (ms) => LEFT + ((ms - begin) / (end - begin)) * (99.4 - LEFT);
  const picture = svg(
    'svg',
    {
      class: 'attempts',
      role: 'img',
      height: shown.length * ROW,
      'aria-label': `${shown.length} attempts over ${millis(end - begin)}`,
    },
    shown.map((one, row) => bar(one, row, x)),
  );
  return el(
    'figure',
    { class: 'attempts-box' },
    picture,
    el(
      'figcaption',
      { class: 'muted' },
      el('span', {}, clock(begin, true)),
      el('span', {}, `${millis(end - begin)} · thin: in the broker, thick: running`),
      el('span', {}, clock(end, true)),
    ),
  );
}
