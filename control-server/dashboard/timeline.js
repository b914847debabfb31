// The life of one command, moment by moment: what its attempts went through and what was done to it by hand or by failure.
import { el } from './el.js';
import { clock, day, full, millis } from './format.js';
import { stateShape, looksLike } from './state.js';

const MOST = 200;

// The end is told by the attempt that brought it.
function endsWithAttempt(command) {
  const last = command.attempts.at(-1);
  return last?.finished_at === command.finished_at && last.outcome === command.state;
}

// {at, word: a state for its colour, text, detail}
function momentsOf(command) {
  const moments = [{ at: command.created_at, word: 'waiting', text: 'Accepted', detail: 'stored on disk' }];
  for (const attempt of command.attempts) {
    const name = `Attempt ${attempt.attempt}`;
    const by = attempt.agent ? `by ${attempt.agent}, epoch ${attempt.epoch}` : `epoch ${attempt.epoch}`;
    if (attempt.queued_at)
      moments.push({ at: attempt.queued_at, word: 'queued', text: `${name} published and confirmed`, detail: by });
    if (attempt.started_at) {
      moments.push({
        at: attempt.started_at,
        word: 'running',
        text: `${name} started`,
        detail: attempt.executor ? `on ${attempt.executor}` : '',
      });
    }
    if (attempt.finished_at) {
      const outcome = (attempt.outcome ?? 'ended').replaceAll('_', ' ');
      moments.push({
        at: attempt.finished_at,
        word: attempt.outcome ?? 'waiting',
        text: `${name} ${outcome}`,
        detail: attempt.error ?? '',
      });
    }
  }
  for (const event of command.events) {
    moments.push({
      at: event.at,
      word: event.kind,
      text: event.kind.replaceAll('_', ' '),
      detail: [event.who && `by ${event.who}`, event.detail].filter(Boolean).join(': '),
    });
  }
  if (!command.finished_at) {
    const due = Date.parse(command.due_at);
    if (due > Date.parse(command.created_at))
      moments.push({ at: command.due_at, word: 'scheduled', text: 'Due', detail: '', planned: true });
  } else if (!endsWithAttempt(command)) {
    moments.push({
      at: command.finished_at,
      word: command.state,
      text: `Ended ${command.state}`,
      detail: command.reason?.replaceAll('_', ' ') ?? '',
    });
  }
  return moments.map((one, i) => ({ ...one, ms: Date.parse(one.at), i })).sort((a, b) => a.ms - b.ms || a.i - b.i);
}

function entry(moment, previous) {
  const gap = previous ? moment.ms - previous.ms : 0;
  const newDay = !previous || day(moment.ms) !== day(previous.ms);
  return el(
    'li',
    { class: `is-${looksLike(moment.word)}` },
    el(
      'time',
      { datetime: moment.at, title: full(moment.ms) },
      newDay && el('span', { class: 'day' }, day(moment.ms)),
      clock(moment.ms, true),
    ),
    el('span', { class: 'mark' }, stateShape(moment.word)),
    el(
      'div',
      {},
      el('span', { class: 'what' }, moment.text),
      gap > 0 && el('span', { class: 'gap' }, `+${millis(gap)}`),
      moment.detail && el('p', { class: 'detail' }, moment.detail),
    ),
  );
}

export function timeline(command) {
  const all = momentsOf(command);
  const shown = all.slice(-MOST);
  return [
    all.length > MOST && el('p', { class: 'muted' }, `The last ${MOST} of ${all.length} moments.`),
    el(
      'ol',
      { class: 'timeline' },
      shown.map((moment, i) => entry(moment, shown[i - 1])),
    ),
  ];
}
