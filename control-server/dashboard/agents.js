// The agents: state, roles, what they hold and run; drain, resume, and, where the server is armed for it, crash.
import { get, post, segment } from './api.js';
import { mayCrash, openCrash } from './crash.js';
import { act, confirm } from './dialog.js';
import { button, el } from './el.js';
import { count, when } from './format.js';
import { ShardStrip, hueOf, learnHues } from './shard_strip.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

const MOST = 500;

function actions(agent, armed, refresh) {
  const path = `/v1/agents/${segment(agent.name)}`;
  const after = (work) => async () => {
    await work();
    refresh();
  };
  return el(
    'span',
    { class: 'row-actions' },
    agent.state === 'live' &&
      button(
        'Drain…',
        () =>
          confirm(
            `Drain ${agent.name}?`,
            'It hands over its shards in order and finishes what it runs. “Resume” lets it take part again.',
            'Drain',
            after(() => post(`${path}/drain`)),
          ),
        { class: 'small', data: { act: 'drain' } },
      ),
    agent.state === 'draining' &&
      button(
        'Resume',
        (event) =>
          act(
            event.currentTarget,
            after(() => post(`${path}/resume`)),
            `${agent.name} takes part again`,
          ),
        { class: 'small', data: { act: 'resume' } },
      ),
    armed &&
      agent.state !== 'lost' &&
      button('Crash…', () => openCrash(agent.name, refresh), { class: 'small danger-quiet', data: { act: 'crash' } }),
  );
}

function nameCell(agent) {
  return [
    el('span', { class: 'clip' }, el('i', { class: `key hue-${hueOf(agent.name)}` }), agent.name),
    el('p', { class: 'fine-line mono' }, agent.address, ' · ', agent.version),
    agent.broker && agent.broker !== 'up' && el('p', { class: 'problem' }, `broker ${agent.broker}`),
  ];
}

function columns(armed, refresh) {
  return [
    { title: 'State', class: 'narrow-cell', cell: (a) => state(a.state) },
    { title: 'Name', cell: nameCell },
    {
      title: 'Does',
      cell: (a) => [
        a.roles.join(', '),
        el('p', { class: 'fine-line' }, el('span', { class: 'clip' }, (a.queues ?? []).join(', '))),
      ],
    },
    { title: 'Shards', class: 'number', cell: (a) => a.shards.length },
    { title: 'In flight', class: 'number', cell: (a) => count(a.in_flight) },
    { title: 'Running', class: 'number', cell: (a) => count(a.running) },
    { title: 'Published', class: 'number', cell: (a) => count(a.published) },
    { title: 'Executed', class: 'number', cell: (a) => count(a.executed) },
    {
      title: 'Heard from',
      class: 'narrow-cell',
      cell: (a) => [when(a.last_heartbeat_at), el('p', { class: 'fine-line' }, 'came ', when(a.connected_at))],
    },
    { title: '', class: 'narrow-cell', cell: (a) => actions(a, armed(), refresh) },
  ];
}

export function openAgents(page) {
  let armed = false;
  let refresh = () => {};
  const table = new Table(
    columns(
      () => armed,
      () => refresh(),
    ),
    {
      label: 'Agents',
      key: (agent) => agent.name,
      empty: nothing(
        'No agent has come yet. Start one beside the server:',
        'duly-agent --link 127.0.0.1:7070 --amqp amqp://guest:guest@127.0.0.1:5672/%2f',
      ),
    },
  );
  const strip = new ShardStrip();
  const note = el('p', { class: 'muted' });
  page.show(
    el('header', { class: 'head' }, el('h1', {}, 'Agents'), note),
    el('section', { class: 'panel' }, el('h2', {}, 'Who holds the shards'), strip.node),
    el('section', { class: 'panel flush' }, table.node),
  );
  mayCrash(page.signal).then(
    (may) => {
      armed = may;
      note.textContent = may
        ? 'Crash simulation is armed on this server: kill an agent and watch its shards move.'
        : '';
      table.render([]);
      refresh();
    },
    () => {},
  );
  refresh = page.keep(1000, async (signal) => {
    const [agents, shards] = await Promise.all([get('/v1/agents', { signal }), get('/v1/shards', { signal })]);
    learnHues(shards.items);
    strip.update(shards.items);
    // `armed` decides about a button: part of what a row shows.
    table.render(agents.items.slice(0, MOST).map((agent) => ({ ...agent, armed })));
  });
}
