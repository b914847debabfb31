// States with a shape and a colour each, so that neither has to be told by colour alone.
import { el, svg } from './el.js';

// In a box of 16: what is drawn, and whether it is filled.
const SHAPES = {
  waiting: ['M4 4h8v2.2L9 8l3 1.8V12H4V9.8L7 8 4 6.2z', false],
  scheduled: ['M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.4', false],
  queued: ['M3 4.5h10M3 8h10M3 11.5h6', false],
  running: ['M5.5 3.6v8.8L12.4 8z', true],
  succeeded: ['M3.2 8.4l3.2 3.2 6.4-7', false],
  delivered: ['M2.5 4.5h11v7h-11zM2.5 5l5.5 4 5.5-4', false],
  dead: ['M4 4l8 8M12 4l-8 8', false],
  cancelled: ['M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 11.8l7.6-7.6', false],
  expired: ['M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3M8 10.8v.2', false],
};

// Words of agents, shards, workflows, operations and attempts, by the state they look like.
const LIKE = {
  live: 'succeeded',
  draining: 'expired',
  lost: 'dead',
  held: 'succeeded',
  moving: 'running',
  free: 'waiting',
  failed: 'dead',
  timed_out: 'dead',
  handed_back: 'cancelled',
  done: 'succeeded',
  stopped: 'cancelled',
  enabled: 'succeeded',
  paused: 'expired',
  open: 'succeeded',
  up: 'succeeded',
  down: 'dead',
  pinned: 'scheduled',
  owed: 'scheduled',
  given_up: 'dead',
};

export const STATES = Object.keys(SHAPES);
const ENDED = ['succeeded', 'delivered', 'dead', 'cancelled', 'expired'];
export const hasEnded = (state) => ENDED.includes(state);
export const looksLike = (word) => LIKE[word] ?? (SHAPES[word] ? word : 'waiting');

export function stateShape(word, props = {}) {
  const [path, filled] = SHAPES[looksLike(word)];
  return svg(
    'svg',
    { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': 'true', class: 'shape', ...props },
    svg('path', { d: path, class: filled ? 'filled' : 'stroked' }),
  );
}

export function state(word, text = word.replaceAll('_', ' ')) {
  return el(
    'span',
    { class: `state is-${looksLike(word)}`, data: { state: word } },
    stateShape(word),
    el('span', {}, text),
  );
}
