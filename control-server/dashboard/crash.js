// Crash simulation, where the server was started with --fault-injection and the reader may use it.
import { Problem, post, segment } from './api.js';
import { ask, toast } from './dialog.js';
import { el } from './el.js';
import { field, input, radios, select } from './field.js';
import { parseSpan } from './format.js';
import { history } from './history.js';

const POINTS = [
  'now',
  'dispatch.after-poll',
  'dispatch.before-publish',
  'dispatch.after-publish',
  'dispatch.after-confirm',
  'execute.after-delivery',
  'execute.after-begin',
  'execute.after-handler',
  'execute.after-finish',
];
const MODES = [
  ['kill', 'Kill: as SIGKILL would'],
  ['hang', 'Hang: stop everything, then go on as if nothing had happened'],
  ['disconnect', 'Disconnect: drop the link and the broker for a while'],
];

let asked = null;

// A server that says so is believed.  Else a request that can strike nothing is sent once: it is refused as not allowed
// (403) or as incomplete (400).
export function mayCrash(signal) {
  const said = history.last?.fault_injection;
  if (typeof said === 'boolean') return Promise.resolve(said);
  asked ??= post('/v1/server/simulate-crash', {}, { signal }).then(
    () => true,
    (error) => {
      if (!(error instanceof Problem)) asked = null;
      return error instanceof Problem && error.status === 400;
    },
  );
  return asked;
}

export function openCrash(agent, refresh) {
  const lasting = field('For how long', input({ value: '8s' }), 'Longer than the lease, and its shards move.');
  lasting.hidden = true;
  const mode = radios('How', MODES, 'kill', (chosen) => {
    lasting.hidden = chosen === 'kill';
  });
  const point = field('Where', select(POINTS, 'now'), 'now, or the next time it passes that place.');
  return ask({
    title: `Crash ${agent}`,
    action: 'Crash it',
    danger: true,
    content: [
      el('p', {}, 'Its commands are handed out anew; what is acknowledged is not lost, and nothing stale is recorded.'),
      mode,
      lasting,
      point,
    ],
    submit: async () => {
      const body = { mode: mode.value, point: point.control.value };
      if (mode.value !== 'kill') {
        body.duration_ms = parseSpan(lasting.control.value);
        if (!body.duration_ms) throw new Error('Say for how long: 8s, 1 min.');
      }
      await post(`/v1/agents/${segment(agent)}/simulate-crash`, body);
      toast(`${agent}: ${mode.value} ${body.point === 'now' ? 'now' : `at ${body.point}`}`);
      refresh();
      return true;
    },
  });
}
