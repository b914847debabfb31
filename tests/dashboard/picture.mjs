#!/usr/bin/env node
// Pictures of every view, from a server at work: for the eye, and for docs/dashboard.png.
//
//   picture.mjs FOLDER [SECONDS]     light, dark and phone, after so many seconds of work (60)
//
// The same environment as run.mjs.  On a busy machine the lateness in them is the machine's.
import { join } from 'node:path';
import { ask, batch, closeWorld, openWorld, submit, visit, world } from './lib/world.mjs';

const [folder, seconds = '60'] = process.argv.slice(2);
if (!folder) throw new Error('picture.mjs FOLDER [SECONDS]');

const SIZES = {
  light: { colorScheme: 'light', viewport: { width: 1360, height: 1010 } },
  dark: { colorScheme: 'dark', viewport: { width: 1360, height: 1010 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 } },
};

async function plans() {
  const schedules = [
    ['nightly-report', { cron: '30 2 * * *', time_zone: 'Europe/Berlin', overlap: 'skip' }],
    ['month-end', { cron: '0 9 L * *', time_zone: 'America/New_York' }],
    ['heartbeat', { every_ms: 10000 }],
  ];
  for (const [name, when] of schedules)
    await ask('POST', '/v1/schedules', { name, ...when, command: { type: 'builtin.echo', payload: { of: name } } });
  const step = (name, depends_on, more = {}) => ({ name, depends_on, type: 'builtin.echo', ...more });
  const slow = { type: 'builtin.sleep', payload: { ms: 3600000 }, timeout_ms: 7200000 };
  return ask('POST', '/v1/workflows', {
    name: 'month-end',
    commands: [
      step('orders', []),
      step('north', ['orders']),
      step('south', ['orders'], slow),
      step('west', ['orders']),
      step('sum', ['north', 'south', 'west']),
      step('report', ['sum']),
    ],
  });
}

// A calm load: some dozens a second, a few of which fail at first.
async function work() {
  const end = Date.now() + Number(seconds) * 1000;
  for (let round = 0; Date.now() < end; round += 1) {
    const many = 20 + Math.round(10 * Math.sin(round / 12));
    const commands = Array.from({ length: many }, (_, i) => ({
      type: ['builtin.echo', 'builtin.noop', 'builtin.sleep'][i % 3],
      queue: i % 4 === 0 ? 'mail' : 'default',
      payload: i % 3 === 2 ? { ms: 150 + 10 * i } : { customer: i },
      labels: i % 5 === 0 ? { batch: String(round) } : {},
      delay_ms: 30 * i,
    }));
    if (round % 4 === 0)
      commands.push({ type: 'builtin.fail', payload: { times: 1 }, retry: { max_attempts: 3, initial_delay_ms: 400 } });
    await batch(commands);
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
    });
  }
}

await openWorld();
try {
  await world.stage.order('start_agents', ['agent-3'], { queues: 'default,mail' });
  const workflow = await plans();
  const retry = { max_attempts: 3, initial_delay_ms: 200 };
  const dead = await submit({ type: 'builtin.fail', payload: { times: 9 }, retry });
  const deliver = { exchange: 'orders', routing_key: 'eu', headers: { region: 'eu' } };
  const order = { type: 'order.made', payload: { order: 7 }, key: 'order-7', callback_url: `${world.callbacks}taken` };
  const delivery = await submit({ ...order, delay_ms: 7200000, deliver });
  const later = (i) => ({ type: 'builtin.echo', queue: 'mail', delay_ms: 3600000 + i * 60000 });
  await batch(Array.from({ length: 120 }, (_, i) => later(i)));
  await ask('PUT', '/v1/queues/mail', { max_running: 20, rate: { count: 600, per_ms: 60000 } });
  const pages = await Promise.all(Object.values(SIZES).map((size) => visit('/', size)));
  await work();
  const views = {
    overview: '/',
    commands: '/commands',
    command: `/commands/${dead.id}`,
    delivery: `/commands/${delivery.id}`,
    dead: '/dead',
    submit: '/submit',
    schedules: '/schedules',
    schedule: '/schedules/nightly-report',
    'schedule-edit': '/schedules/nightly-report?edit',
    workflows: '/workflows',
    workflow: `/workflows/${workflow.id}`,
    queues: '/queues',
    shards: '/shards',
    agents: '/agents',
    operations: '/operations',
    audit: '/audit',
  };
  for (const [i, size] of Object.keys(SIZES).entries()) {
    for (const [name, hash] of Object.entries(views)) {
      await pages[i].evaluate((to) => {
        location.hash = to;
      }, hash);
      if (name === 'submit') await pages[i].getByLabel('it is published to an exchange').check();
      await pages[i].waitForTimeout(2500);
      await pages[i].screenshot({ path: join(folder, `${size}-${name}.png`), fullPage: size === 'phone' });
    }
  }
} finally {
  await closeWorld();
}
