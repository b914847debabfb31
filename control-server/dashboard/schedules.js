// Schedules: what fires when; making one.
import { el } from './el.js';
import { span, when } from './format.js';
import { Pager } from './pager.js';
import { href } from './route.js';
import { openScheduleForm } from './schedule_form.js';
import { state } from './state.js';
import { Table, nothing } from './table.js';

const timingText = (schedule) => (schedule.cron ? schedule.cron : `every ${span(schedule.every_ms)}`);

const columns = [
  { title: 'State', class: 'narrow-cell', cell: (s) => state(s.enabled ? 'enabled' : 'paused') },
  { title: 'Name', cell: (s) => el('a', { href: href(['schedules', s.name]), data: { act: 'open' } }, s.name) },
  { title: 'When', class: 'narrow-cell', cell: (s) => el('code', {}, timingText(s)) },
  { title: 'Zone', cell: (s) => s.time_zone },
  { title: 'Makes', cell: (s) => el('span', { class: 'clip' }, s.command.type) },
  { title: 'Next', class: 'narrow-cell', cell: (s) => when(s.next_fire_at, s.enabled ? 'never again' : 'paused') },
  { title: 'Last', class: 'narrow-cell', cell: (s) => when(s.last_fire_at, 'never') },
  { title: 'Fired', class: 'number', cell: (s) => s.fired },
  { title: 'Skipped', class: 'number', cell: (s) => s.skipped },
];

export function openSchedules(page) {
  if (page.route.parameters.new !== undefined) return openScheduleForm(page, null);
  const table = new Table(columns, {
    label: 'Schedules',
    key: (schedule) => schedule.name,
    empty: nothing(
      'No schedule yet. Make one with the button above, or:',
      `curl -s ${location.origin}/v1/schedules -H 'Content-Type: application/json' \\\n     -d '{"name": "nightly", "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "command": {"type": "builtin.noop"}}'`,
    ),
  });
  const pager = new Pager(
    '/v1/schedules',
    () => ({}),
    (items) => table.render(items),
  );
  page.show(
    el(
      'header',
      { class: 'head' },
      el('h1', {}, 'Schedules'),
      el('a', { class: 'button primary', href: '#/schedules?new' }, 'New schedule'),
    ),
    el('section', { class: 'panel flush' }, table.node),
    pager.node,
  );
  pager.refresh = page.keep(4000, (signal) => pager.load(signal));
  return undefined;
}
