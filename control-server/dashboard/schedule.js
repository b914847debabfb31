// One schedule: what it does and when, its fires to come, its commands, its versions; pause, trigger, backfill, roll back.
import { get, getText, post, remove, segment } from './api.js';
import { commandLink, deliversTo, historyColumns } from './command_columns.js';
import { act, ask, confirm, toast } from './dialog.js';
import { button, el, facts, link, replace } from './el.js';
import { field, input } from './field.js';
import { fireList } from './fires.js';
import { count, exact, fromInput, serverNow, span, toInput, when } from './format.js';
import { member } from './json_text.js';
import { Pager } from './pager.js';
import { jsonBox } from './payload.js';
import { go } from './route.js';
import { openScheduleForm } from './schedule_form.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

const FIRES = 10;

const OVERLAPS = {
  allow: 'the next is made all the same',
  skip: 'the next is skipped',
  buffer_one: 'one waits for its end',
  cancel_other: 'it is cancelled',
};
const CATCH_UPS = { skip: 'skipped', one: 'the latest is made', all: 'all are made' };

function backfill(path, refresh) {
  const from = field(
    'From',
    input({ type: 'datetime-local', step: 1, value: toInput(serverNow() - 86400000) }),
    'In this browser’s time zone.',
  );
  const to = field('Until, not included', input({ type: 'datetime-local', step: 1, value: toInput(serverNow()) }));
  return ask({
    title: 'Backfill',
    action: 'Make them',
    content: [
      el(
        'p',
        {},
        'Makes the commands of past fires that have none, whatever the overlap policy says; 1,000 in one go.',
      ),
      el('div', { class: 'grid' }, from, to),
    ],
    submit: async () => {
      if (!from.control.value || !to.control.value) throw new Error('Say from when until when.');
      const done = await post(`${path}/backfill`, {
        from: fromInput(from.control.value),
        to: fromInput(to.control.value),
      });
      toast(
        `${count(done.created)} made, ${count(done.existing)} were there${done.next_from ? '; there is more: go on from the last' : ''}`,
      );
      refresh();
      return true;
    },
  });
}

function actions(schedule, path, refresh) {
  const name = segment(schedule.name);
  const after = (work) => async () => {
    const value = await work();
    refresh();
    return value;
  };
  const flip = schedule.enabled ? 'pause' : 'resume';
  return [
    el('a', { class: 'button', href: `#/schedules/${name}?edit` }, 'Edit'),
    button(schedule.enabled ? 'Pause' : 'Resume', (event) =>
      act(
        event.currentTarget,
        after(() => post(`${path}/${flip}`)),
        schedule.enabled ? 'Paused: no fires until it is resumed' : 'It goes on with the next fire from now',
      ),
    ),
    button('Trigger now', async (event) => {
      const made = await act(
        event.currentTarget,
        after(() => post(`${path}/trigger`)),
      );
      if (made) toast('Made ', 'good', commandLink(made.id));
    }),
    button('Backfill…', () => backfill(path, refresh)),
    button(
      'Delete…',
      () =>
        confirm(`Delete ${schedule.name}?`, 'Its commands stay; its versions go.', 'Delete it', async () => {
          await remove(path);
          go(['schedules']);
        }),
      { class: 'danger-quiet' },
    ),
  ];
}

function about(schedule) {
  const command = schedule.command;
  return facts([
    ['When', el('code', {}, schedule.cron ?? `every ${span(schedule.every_ms)}`)],
    ['Zone', schedule.time_zone],
    ['Makes', command.type],
    ['Queue', command.queue ?? 'default'],
    ['Delivers to', command.deliver && deliversTo(command.deliver)],
    ['Next', when(schedule.next_fire_at, schedule.enabled ? 'never again' : 'paused')],
    ['Last', when(schedule.last_fire_at, 'never')],
    ['Fired', count(schedule.fired)],
    ['Skipped', count(schedule.skipped)],
    ['If the one before runs', OVERLAPS[schedule.overlap]],
    ['Missed fires', CATCH_UPS[schedule.catch_up.policy]],
    ['Jitter', schedule.jitter_ms > 0 ? span(schedule.jitter_ms) : 'none'],
    ['From', schedule.start_at && exact(schedule.start_at)],
    ['Until', schedule.end_at && exact(schedule.end_at)],
    ['Waiting for the end of the one before', schedule.buffered_fire_at && exact(schedule.buffered_fire_at)],
    ['Version', schedule.version],
    ['Changed', when(schedule.updated_at)],
  ]);
}

function versionColumns(path, current, refresh) {
  return [
    { title: 'Version', class: 'narrow-cell', cell: (v) => v.version },
    { title: 'When', class: 'narrow-cell', cell: (v) => when(v.at) },
    { title: 'Who', cell: (v) => v.who },
    { title: 'What', cell: (v) => v.what },
    { title: 'Timetable', cell: (v) => el('code', {}, v.schedule.cron ?? `every ${span(v.schedule.every_ms)}`) },
    { title: 'Makes', cell: (v) => v.schedule.command.type },
    {
      title: '',
      class: 'narrow-cell',
      cell: (v) =>
        v.version !== current() &&
        button(
          'Roll back…',
          () =>
            confirm(
              `Roll back to version ${v.version}?`,
              'It becomes the newest version; those between stay in the list.',
              'Roll back',
              async () => {
                await post(`${path}/rollback`, { version: v.version });
                refresh();
              },
              false,
            ),
          { class: 'small', data: { act: 'rollback' } },
        ),
    },
  ];
}

export function openSchedule(page, name) {
  page.title(name);
  if (page.route.parameters.edit !== undefined) return openScheduleForm(page, name);
  const path = `/v1/schedules/${segment(name)}`;
  let version = 0;
  let refresh = () => {};
  const head = el('header', { class: 'head' });
  const box = el('section', { class: 'panel' });
  const fires = el('div');
  const payload = el('div');
  const versions = new Table(
    versionColumns(
      path,
      () => version,
      () => refresh(),
    ),
    { label: 'Versions', key: (v) => v.version },
  );
  const made = new Table(historyColumns, {
    label: 'Commands it made',
    key: (c) => c.id,
    empty: nothing('It has made no command yet.'),
  });
  const pager = new Pager(
    '/v1/commands',
    () => ({ schedule: name }),
    (items) => made.render(items),
  );
  page.show(
    head,
    box,
    el('div', { class: 'columns' }, el('section', { class: 'panel' }, el('h2', {}, 'Next fires'), fires), payload),
    el('section', { class: 'panel flush' }, el('h2', {}, 'Commands it made'), made.node),
    pager.node,
    el('section', { class: 'panel flush' }, el('h2', {}, 'Versions'), versions.node),
  );
  let seen = '';
  refresh = page.keep(
    4000,
    async (signal) => {
      const text = await getText(path, { signal });
      const schedule = JSON.parse(text);
      version = schedule.version;
      const [next, changes] = await Promise.all([
        get(`${path}/next?count=${FIRES}`, { signal }),
        get(`${path}/versions?limit=50`, { signal }),
      ]);
      versions.render(changes.items.map((one) => ({ ...one, current: version })));
      const upcoming = schedule.enabled
        ? next.items.map((one) => ({ at: Date.parse(one.fire_at), shift: one.shift }))
        : [];
      await pager.load(signal);
      if (seen === text) return;
      seen = text;
      replace(
        head,
        el('p', { class: 'crumbs' }, link('#/schedules', 'Schedules'), ' / ', name),
        el('h1', {}, name, ' ', state(schedule.enabled ? 'enabled' : 'paused')),
        el(
          'div',
          { class: 'actions start' },
          actions(schedule, path, () => refresh()),
        ),
      );
      replace(box, about(schedule));
      replace(payload, jsonBox('Payload', member(member(text, 'command'), 'payload') ?? 'null'));
      replace(
        fires,
        upcoming.length > 0
          ? fireList(upcoming, schedule.time_zone)
          : el(
              'p',
              { class: 'muted' },
              schedule.enabled
                ? 'No fires to come.'
                : 'Paused: none until it is resumed, and none of those is made up for.',
            ),
      );
    },
    (command) => made.has(command.id),
  );
  pager.refresh = refresh;
  return undefined;
}
