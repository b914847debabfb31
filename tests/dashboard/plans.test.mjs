// Schedules and workflows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, dialogOf, eventually, fresh, get, here, on, reads } from './lib/world.mjs';

const schedule = (name) => get(`/v1/schedules/${name}`);

test('a schedule is made, with its next fires shown while it is typed', () =>
  on('/schedules', async (page) => {
    const name = fresh('nightly');
    await page.getByRole('link', { name: 'New schedule' }).click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Time zone').fill('Europe/Berlin');
    const preview = page.getByLabel('Next fires');
    await page.getByLabel('Cron', { exact: true }).last().fill('30 2 * *');
    await reads(page.locator('.field.wrong'), '4 fields');
    await page.getByLabel('Cron', { exact: true }).last().fill('30 2 L * *');
    await eventually('five fires', async () => (await preview.locator('li').count()) === 5);
    const shown = await preview.locator('time.mono').evaluateAll((all) => all.map((one) => one.dateTime));
    await page.getByLabel('If the one before has not ended').selectOption('skip');
    await page.getByLabel('Type', { exact: true }).fill('builtin.echo');
    await page.getByLabel('Payload').fill('{"report": 1.50}');
    await page.getByRole('button', { name: 'Create' }).click();
    await reads(page.locator('h1'), name);
    const made = await schedule(name);
    assert.equal(made.cron, '30 2 L * *');
    assert.equal(made.time_zone, 'Europe/Berlin');
    assert.equal(made.overlap, 'skip');
    assert.equal(made.command.type, 'builtin.echo');
    await reads(page.getByLabel('Payload', { exact: true }), '1.50');
    assert.deepEqual(
      (await get(`/v1/schedules/${name}/next?count=5`)).items.map((one) => one.fire_at),
      shown,
      'the preview was right',
    );
    await page.goBack();
    await page.goBack();
    await reads(page.locator('table'), name);
  }));

test('a schedule is edited, rolled back, paused, triggered, backfilled and deleted', async () => {
  const name = fresh('tick');
  await ask('POST', '/v1/schedules', {
    name,
    every_ms: 3600000,
    command: { type: 'builtin.noop', labels: { of: name } },
  });
  await on(`/schedules/${name}`, async (page) => {
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByLabel('Every', { exact: true }).last().fill('2 h');
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await reads(page.locator('.facts').first(), 'every 2 h');
    assert.equal((await schedule(name)).every_ms, 7200000);
    assert.deepEqual((await schedule(name)).command.labels, { of: name }, 'what was not touched stays');
    await page.getByRole('button', { name: 'Roll back…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Roll back' }).click();
    await eventually('rolled back', async () => (await schedule(name)).every_ms === 3600000);
    await reads(page.locator('main'), 'rolled back to 1');
    await page.getByRole('button', { name: 'Pause' }).click();
    await reads(page.locator('h1'), 'paused');
    assert.equal((await schedule(name)).enabled, false);
    await page.getByRole('button', { name: 'Resume' }).click();
    await reads(page.locator('h1'), 'enabled');
    await page.getByRole('button', { name: 'Trigger now' }).click();
    await reads(page.locator('.toasts'), /Made\s+cmd_/);
    await eventually(
      'it is in its list',
      async () => (await page.locator('table[aria-label="Commands it made"] tbody tr').count()) === 1,
    );
    await page.getByRole('button', { name: 'Backfill…' }).click();
    await page
      .getByLabel('From', { exact: true })
      .fill(
        await page.evaluate(() =>
          new Date(Date.now() - 4 * 3600000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 19),
        ),
      );
    await dialogOf(page).getByRole('button', { name: 'Make them' }).click();
    await reads(page.locator('.toasts'), '4 made');
    await page.getByRole('button', { name: 'Delete…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Delete it' }).click();
    await eventually('the list', async () => page.url().endsWith('#/schedules'));
  });
  await assert.rejects(schedule(name), /404/);
});

test('what the form does not show of a command is kept when its schedule is edited, and where it is published', async () => {
  const name = fresh('deliver');
  const deliver = { exchange: 'orders', routing_key: 'eu', headers: { region: 'eu' } };
  await ask(
    'POST',
    '/v1/schedules',
    `{"name": "${name}", "every_ms": 3600000, "command": {"type": "order.made", "payload": {"n": 1.50},
      "retry": {"max_attempts": 4, "jitter": 0}, "deliver": ${JSON.stringify(deliver)}}}`,
  );
  await on(`/schedules/${name}?edit`, async (page) => {
    assert.equal(await page.getByLabel('Exchange', { exact: true }).inputValue(), 'orders');
    // A field of another version of the server: the form has never heard of it.
    await page.route(`**/v1/schedules/${name}`, async (route) => {
      if (route.request().method() !== 'GET') return route.fallback();
      const response = await route.fetch();
      const body = (await response.text()).replace(/"command": *\{/, '$&"unheard_of":{"n":1.50},');
      return route.fulfill({ response, body });
    });
    let sent = '';
    await page.route(`**/v1/schedules/${name}`, (route) => {
      if (route.request().method() !== 'PUT') return route.fallback();
      sent = route.request().postData();
      return route.continue({ postData: sent.replace('"unheard_of":{"n":1.50},', '') });
    });
    await page.reload();
    await page.getByLabel('Routing key').fill('us');
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await eventually('it is sent', () => sent !== '');
    assert.ok(sent.includes('"unheard_of":{"n":1.50}'), sent);
    await eventually('it is saved', async () => (await schedule(name)).version === 2);
    const { command } = await schedule(name);
    assert.deepEqual(command.deliver, { ...deliver, routing_key: 'us' });
    assert.equal(command.retry.max_attempts, 4);
  });
});

test('two who change one schedule do not overwrite each other', async () => {
  const name = fresh('shared');
  await ask('POST', '/v1/schedules', { name, every_ms: 3600000, command: { type: 'builtin.noop' } });
  await on(
    `/schedules/${name}?edit`,
    async (page) => {
      await page.getByLabel('Every', { exact: true }).last().fill('3 h');
      await ask('PUT', `/v1/schedules/${name}`, { name, every_ms: 60000, command: { type: 'builtin.noop' } });
      await page.getByRole('button', { name: 'Save as a new version' }).click();
      await reads(page.locator('.problem:visible'), 'Somebody else has changed it');
      assert.equal((await schedule(name)).every_ms, 60000);
    },
    { allow: [/schedules/] },
  );
});

test('a workflow is a graph that lives', async () => {
  const example = JSON.parse(readFileSync(join(here, '../../docs/examples/month-end.json'), 'utf8'));
  const { id } = await ask('POST', '/v1/workflows', example);
  await on('/workflows', async (page) => {
    await page.locator('tr', { hasText: id }).getByRole('link').click();
    await eventually(
      'all its nodes',
      async () => (await page.locator('.graph .node').count()) === example.commands.length,
    );
    await reads(page.locator('h1'), 'succeeded');
    await eventually(
      'each node shows its end',
      async () => (await page.locator('.graph .node.is-succeeded').count()) === example.commands.length,
    );
    const places = Object.fromEntries(
      await page
        .locator('.graph .node')
        .evaluateAll((all) =>
          all.map((one) => [one.querySelector('.name').textContent, one.getBoundingClientRect().x]),
        ),
    );
    for (const node of example.commands)
      for (const parent of node.depends_on ?? [])
        assert.ok(places[parent] < places[node.name], `${parent} is left of ${node.name}`);
    await page.locator('.graph .node').first().focus();
    await page.keyboard.press('Enter');
    await reads(page.locator('main .facts').first(), id);
  });
});

test('what failed of a workflow is retried, what runs is cancelled', async () => {
  const { id } = await ask('POST', '/v1/workflows', {
    name: 'flaky',
    commands: [
      { name: 'first', type: 'builtin.fail', payload: { times: 1, retryable: false } },
      { name: 'second', type: 'builtin.noop', depends_on: ['first'] },
    ],
  });
  await on(`/workflows/${id}`, async (page) => {
    await reads(page.locator('h1'), 'failed');
    await page.getByRole('button', { name: 'Retry what failed' }).click();
    await reads(page.locator('h1'), 'succeeded');
    assert.equal((await get(`/v1/workflows/${id}`)).state, 'succeeded');
  });
  const long = await ask('POST', '/v1/workflows', {
    name: 'long',
    commands: [
      { name: 'first', type: 'builtin.noop', delay_ms: 3600000 },
      { name: 'second', type: 'builtin.noop', depends_on: ['first'] },
    ],
  });
  await on(`/workflows/${long.id}`, async (page) => {
    await page.getByRole('button', { name: 'Cancel…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Cancel it' }).click();
    await reads(page.locator('h1'), 'cancelled');
    assert.equal((await get(`/v1/workflows/${long.id}`)).state, 'cancelled');
  });
});

test('a workflow of two thousand commands is listed, not drawn, and stays quick', async () => {
  const commands = Array.from({ length: 2000 }, (_, i) => ({
    name: `n${i}`,
    type: 'builtin.noop',
    delay_ms: 3600000,
    ...(i > 0 ? { depends_on: [`n${Math.floor((i - 1) / 4)}`] } : {}),
  }));
  const { id } = await ask('POST', '/v1/workflows', { name: 'wide', commands });
  await on(`/workflows/${id}`, async (page) => {
    await reads(page.locator('main'), '100 of 2000 are listed');
    assert.equal(await page.locator('tbody tr').count(), 100);
    assert.ok((await page.evaluate(() => document.querySelectorAll('*').length)) < 3000, 'the page stays small');
  });
  await ask('POST', `/v1/workflows/${id}/cancel`);
});
