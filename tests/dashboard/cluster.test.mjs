// Shards, agents and queues: what the page shows is what the API says, and what it does happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, dialogOf, eventually, fresh, get, on, reads, submit, world } from './lib/world.mjs';

const shard = async (n) => (await get('/v1/shards')).items.find((one) => one.shard === n);
const agent = async (name) => get(`/v1/agents/${name}`);
const cell = (page, n) => page.getByRole('gridcell', { name: new RegExp(`^Shard ${n},`) });

test('the map shows every shard with its holder and epoch', () =>
  on('/shards', async (page) => {
    const { count, items } = await get('/v1/shards');
    await eventually('all cells', async () => (await page.getByRole('gridcell').count()) === count);
    for (const one of items)
      await eventually(`shard ${one.shard}`, async () =>
        (await cell(page, one.shard).getAttribute('aria-label')).startsWith(
          `Shard ${one.shard}, held by ${one.agent}, held, epoch ${one.epoch}`,
        ),
      );
    await reads(page.locator('.head'), `${count} of ${count} held`);
  }));

test('a shard is pinned elsewhere and let go again', () =>
  on('/shards', async (page) => {
    const before = await shard(3);
    const other = before.agent === 'agent-1' ? 'agent-2' : 'agent-1';
    await cell(page, 3).click();
    await page.getByLabel('Pin to').selectOption(other);
    await dialogOf(page).getByRole('button', { name: 'Pin it there' }).click();
    await eventually('it has moved', async () => {
      const now = await shard(3);
      return now.agent === other && now.pinned && now.epoch > before.epoch;
    });
    await reads(cell(page, 3), 'pin');
    await reads(cell(page, 3), other);
    await cell(page, 3).click();
    await dialogOf(page).getByRole('button', { name: 'Unpin' }).click();
    await eventually('it is free to move', async () => !(await shard(3)).pinned);
  }));

test('arrow keys walk over the map and Enter opens a shard', () =>
  on('/shards', async (page) => {
    await cell(page, 0).waitFor();
    await cell(page, 0).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await reads(dialogOf(page), 'Shard 1');
  }));

test('an agent is drained from the map and resumed from the list', async () => {
  const holder = (await shard(0)).agent;
  await on('/shards', async (page) => {
    await cell(page, 0).click();
    await dialogOf(page)
      .getByRole('button', { name: `Drain ${holder}…` })
      .click();
    await dialogOf(page).last().getByRole('button', { name: 'Drain', exact: true }).click();
    await dialogOf(page).waitFor({ state: 'detached' });
    await eventually('it hands over', async () => {
      const one = await agent(holder);
      return one.state === 'draining' && one.shards.length === 0;
    });
  });
  await on('/agents', async (page) => {
    const row = page.locator('tr', { hasText: holder });
    await reads(row, 'draining');
    await row.getByRole('button', { name: 'Resume' }).click();
    await eventually('it takes part again', async () => {
      const one = await agent(holder);
      return one.state === 'live' && one.shards.length > 0;
    });
    await reads(row, 'live');
    await row.getByRole('button', { name: 'Drain…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Drain', exact: true }).click();
    await eventually('drained', async () => (await agent(holder)).state === 'draining');
    await row.getByRole('button', { name: 'Resume' }).click();
    await eventually('live', async () => (await agent(holder)).state === 'live');
  });
});

test('where it is armed a person kills an agent and sees its shards move', async () => {
  await world.stage.order('start_agents', ['victim']);
  await on('/agents', async (page) => {
    await reads(page.locator('main'), 'Crash simulation is armed');
    const row = page.locator('tr', { hasText: 'victim' });
    await eventually('it holds shards', async () => (await agent('victim')).shards.length > 0);
    await reads(page.locator('.strip-names'), 'victim');
    await row.getByRole('button', { name: 'Crash…' }).click();
    await dialogOf(page).getByLabel(/Hang:/).check();
    await page.getByLabel('For how long').waitFor();
    await dialogOf(page).getByLabel(/Kill:/).check();
    await dialogOf(page).getByRole('button', { name: 'Crash it' }).click();
    await world.stage.order('wait_for_end_of_agent', ['victim']);
    await eventually('the others hold its shards', async () =>
      (await get('/v1/shards')).items.every((one) => one.agent !== null && one.agent !== 'victim'),
    );
    await eventually(
      'and the page shows it',
      async () => !(await page.locator('.strip-names').innerText()).includes('victim'),
    );
  });
});

test('without fault injection no crash button is shown', () =>
  on(
    '/agents',
    async (page) => {
      await page.locator('tr', { hasText: 'agent-1' }).getByRole('button', { name: 'Drain…' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Crash…' }).count(), 0);
    },
    {
      prepare: (page) =>
        page.route('**/v1/server/simulate-crash', (route) =>
          route.fulfill({
            status: 403,
            contentType: 'application/problem+json',
            body: '{"status":403,"title":"Forbidden","detail":"crash simulation is off"}',
          }),
        ),
    },
  ));

test('a queue is paused, limited, and set free', async () => {
  const name = fresh('queue');
  await ask('PUT', `/v1/queues/${name}`, { paused: false });
  await submit({ queue: name, delay_ms: 3600000 });
  await on('/queues', async (page) => {
    const row = page.locator('tr', { hasText: name });
    await row.getByRole('button', { name: 'Pause' }).click();
    await eventually('paused', async () => (await get(`/v1/queues/${name}`)).paused);
    await reads(row, 'paused');
    await row.getByRole('button', { name: 'Resume' }).click();
    await eventually('goes on', async () => !(await get(`/v1/queues/${name}`)).paused);
    await row.getByRole('button', { name: 'Limits…' }).click();
    await page.getByLabel('Most running at a time').fill('3');
    await page.getByLabel('Most starts').fill('50');
    await page.getByLabel('Within').fill('1 min');
    await dialogOf(page).getByRole('button', { name: 'Set them' }).click();
    await reads(row, '3 at a time, 50 per 1 min');
    const limited = await get(`/v1/queues/${name}`);
    assert.equal(limited.max_running, 3);
    assert.deepEqual(limited.rate, { count: 50, per_ms: 60000 });
    await row.getByRole('button', { name: 'Limits…' }).click();
    await page.getByLabel('Most running at a time').fill('');
    await page.getByLabel('Most starts').fill('');
    await dialogOf(page).getByRole('button', { name: 'Set them' }).click();
    await reads(row, 'none');
    const free = await get(`/v1/queues/${name}`);
    assert.equal(free.max_running, null);
    assert.equal(free.rate, null);
  });
});

test('targets that agents spare, and executors that are no agents, are shown at their queue', async () => {
  const name = fresh('http');
  await ask('PUT', `/v1/queues/${name}`, { paused: false });
  const told = { agents: 1, consumers: 3, circuits: [] };
  const circuit = (agent, target, state) => ({ agent, target, state });
  told.circuits = [
    circuit('agent-1', 'https://pay.example:443', 'open'),
    circuit('agent-2', 'https://pay.example:443', 'half_open'),
    ...Array.from({ length: 6 }, (_, i) => circuit('agent-1', `https://${i}.example:443`, 'open')),
  ];
  const prepare = (page) =>
    page.route('**/v1/queues', async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      const queue = body.items.find((one) => one.name === name);
      Object.assign(queue, { executors: told.agents, circuits: told.circuits });
      queue.broker.consumers = told.consumers;
      return route.fulfill({ response, json: body });
    });
  await on(
    '/queues',
    async (page) => {
      const row = page.locator('tr', { hasText: name });
      await reads(row, 'https://pay.example:443 is spared by 2 agents, one request is out to see');
      await reads(row, 'https://3.example:443 is spared by an agent');
      await reads(row, 'and 2 more targets');
      await reads(row, '2 foreign');
      told.circuits = [];
      told.consumers = 1;
      await eventually('all is well again', async () => (await row.locator('.circuit').count()) === 0);
      assert.ok(!(await row.innerText()).includes('foreign'));
    },
    { prepare },
  );
});

test('acts on many are listed and shown, and what was done by hand is in the audit log', async () => {
  const label = fresh('operation');
  await submit({ labels: { label }, delay_ms: 3600000 });
  const { id } = await ask('POST', '/v1/commands/cancel', { labels: { label } });
  await on('/operations', async (page) => {
    const row = page.locator('tr', { hasText: id });
    await reads(row, 'done');
    await row.getByRole('link').click();
    await reads(page.locator('h1'), 'done');
    await reads(page.locator('main'), '1 changed, 0 skipped');
  });
  await on('/audit', async (page) => {
    await reads(page.locator('main tbody'), 'commands.cancel');
    await page.getByRole('link', { name: id }).first().click();
    await reads(page.locator('main .crumbs'), id);
  });
});

test('an operation that runs is stopped', () =>
  on('/operations', async (page) => {
    let stopped = false;
    const running = {
      id: 'op_0000000000001',
      kind: 'cancel',
      filter: { all: true },
      dry_run: false,
      state: 'running',
      matched: 7,
      changed: 5,
      skipped: 0,
      created_at: new Date().toISOString(),
      finished_at: null,
      by: 'api',
    };
    await page.route('**/v1/operations', (route) =>
      route.fulfill({
        contentType: 'application/json',
        body: JSON.stringify({ items: [{ ...running, state: stopped ? 'stopped' : 'running' }], next_cursor: null }),
      }),
    );
    await page.route('**/v1/operations/op_0000000000001/stop', (route) => {
      stopped = true;
      return route.fulfill({ contentType: 'application/json', body: JSON.stringify({ ...running, state: 'stopped' }) });
    });
    const row = page.locator('tr', { hasText: running.id });
    await row.getByRole('button', { name: 'Stop' }).click();
    await reads(row, 'stopped');
  }));
