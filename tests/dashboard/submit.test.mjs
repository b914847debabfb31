// Submitting: now, later, a handful; what is wrong is said where it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, on, reads, send, world } from './lib/world.mjs';

const made = (page) => page.locator('.done a.mono').allInnerTexts();
const go = (page) => page.getByRole('button', { name: 'Submit', exact: true }).click();

test('a command now, its payload as it was typed', () =>
  on('/submit', async (page) => {
    await page.getByLabel('Payload').fill('{"n": 12345678901234567890, "quote": "it\'s"}');
    await reads(page.getByLabel('The same as a curl line'), "it'\\''s");
    await go(page);
    await reads(page.locator('.done'), 'Accepted, and on disk');
    const [id] = await made(page);
    const { text } = await send(`${world.api}/v1/commands/${id}`);
    assert.ok(text.includes('"payload":{"n": 12345678901234567890, "quote": "it\'s"}'), text);
  }));

test('a command after a delay, with everything that can be said of it', () =>
  on('/submit', async (page) => {
    await page.getByLabel('Type', { exact: true }).fill('report.make');
    await page.getByLabel('Queue', { exact: true }).fill('reports');
    await page.getByLabel('After a delay').check();
    await page.getByLabel('Delay', { exact: true }).fill('2 h');
    await page.getByText('Priority, key, labels').click();
    await page.getByLabel('Priority').selectOption('9');
    await page.getByLabel('Key', { exact: true }).fill('customer-7');
    await page.getByLabel('Labels').fill('a=1\nb=two words');
    await page.getByLabel('Callback URL').fill(`${world.callbacks}taken`);
    await page.getByLabel('Time limit of an attempt').fill('5 min');
    await page.getByLabel('If its executor is lost').selectOption('dead');
    await page.getByLabel('Most attempts').fill('7');
    await page.getByLabel('First wait').fill('2s');
    await go(page);
    await reads(page.locator('.done'), 'Accepted');
    const command = await get(`/v1/commands/${(await made(page))[0]}`);
    assert.equal(command.type, 'report.make');
    assert.equal(command.queue, 'reports');
    assert.equal(command.priority, 9);
    assert.equal(command.key, 'customer-7');
    assert.equal(command.callback_url, `${world.callbacks}taken`);
    assert.deepEqual(command.labels, { a: '1', b: 'two words' });
    assert.equal(command.timeout_ms, 300000);
    assert.equal(command.on_lost, 'dead');
    assert.equal(command.retry.max_attempts, 7);
    assert.equal(command.retry.initial_delay_ms, 2000);
    assert.ok(Math.abs(Date.parse(command.due_at) - Date.parse(command.created_at) - 7200000) < 1000);
  }));

test('a command at a time', () =>
  on('/submit', async (page) => {
    await page.getByLabel('At a time').check();
    await page.getByLabel('At', { exact: true }).fill('2027-01-02T03:04:05');
    await go(page);
    await reads(page.locator('.done'), 'Accepted');
    const due = await page.evaluate(() => new Date('2027-01-02T03:04:05').toISOString());
    assert.equal((await get(`/v1/commands/${(await made(page))[0]}`)).due_at, due);
  }));

test('a handful at once', () =>
  on('/submit', async (page) => {
    await page.getByLabel('How many').fill('5');
    await go(page);
    await reads(page.locator('.done'), '5 accepted');
    const ids = await made(page);
    assert.equal(new Set(ids).size, 5);
    for (const id of ids) assert.deepEqual((await get(`/v1/commands/${id}`)).payload, { hello: 'world' });
  }));

test('an answer that was lost is asked for again under the same key, and stored once', () =>
  on(
    '/submit',
    async (page) => {
      let lost = false;
      const keys = [];
      await page.route('**/v1/commands', async (route) => {
        keys.push(route.request().headers()['idempotency-key']);
        if (lost) return route.continue();
        lost = true;
        await route.fetch();
        return route.abort();
      });
      await go(page);
      await reads(page.locator('.problem:visible'), 'not known');
      await go(page);
      await reads(page.locator('.done'), 'Accepted');
      assert.equal(keys.length, 2);
      assert.equal(keys[0], keys[1]);
    },
    { allow: [/v1\/commands/] },
  ));

test('what is wrong is said beside its field', () =>
  on(
    '/submit',
    async (page) => {
      await page.getByLabel('Payload').fill('{"a": ');
      await go(page);
      assert.equal(await page.getByLabel('Payload').getAttribute('aria-invalid'), 'true');
      await page.getByLabel('Payload').fill('1');
      await page.getByLabel('Type', { exact: true }).fill('no spaces here');
      await go(page);
      await reads(page.locator('.field.wrong'), 'A-Za-z0-9');
      await page.getByLabel('How many').fill('1000');
      await go(page);
      await reads(page.locator('.field.wrong').last(), '1 to 100');
      assert.equal(await page.locator('.done:visible').count(), 0);
    },
    { allow: [/v1\/commands/] },
  ));

test('a callback that may not be called is refused beside its field, which is unfolded', () =>
  on(
    '/submit',
    async (page) => {
      const url = page.getByLabel('Callback URL');
      await page.getByText('Priority, key, labels').click();
      await url.fill('https://elsewhere.example/');
      await page.getByText('Priority, key, labels').click();
      assert.equal(await url.isVisible(), false);
      await go(page);
      await reads(page.locator('.field.wrong').filter({ hasText: 'Callback URL' }), '--allow-callback');
      assert.equal(await url.getAttribute('aria-invalid'), 'true');
    },
    { allow: [/v1\/commands/] },
  ));

test('a command that is published to an exchange instead of being executed', () =>
  on('/submit', async (page) => {
    const exchange = page.getByLabel('Exchange', { exact: true });
    assert.equal(await exchange.isVisible(), false);
    await page.getByLabel('it is published to an exchange').check();
    await go(page);
    await reads(page.locator('.field.wrong'), 'Name an exchange');
    await page.getByLabel('After a delay').check();
    await page.getByLabel('Delay', { exact: true }).fill('2 h');
    await exchange.fill('orders');
    await page.getByLabel('Routing key').fill('eu');
    await page.getByLabel('Headers').fill('{"region": [1]}');
    await go(page);
    await reads(page.locator('.field.wrong'), 'Texts, numbers');
    await page.getByLabel('Headers').fill('{"region": "eu", "n": 1.50}');
    await reads(page.getByLabel('The same as a curl line'), '"deliver":{"exchange":"orders"');
    await go(page);
    await reads(page.locator('.done'), 'Accepted');
    const [id] = await made(page);
    assert.deepEqual((await get(`/v1/commands/${id}`)).deliver, {
      exchange: 'orders',
      routing_key: 'eu',
      headers: { n: 1.5, region: 'eu' },
    });
    await page.locator('.done a.mono').click();
    await reads(page.locator('.facts'), 'exchange orders, routing key eu');
    await reads(page.locator('.facts'), 'region=eu');
    await page.goto(`${world.url}/#/commands?state=scheduled`);
    await reads(page.locator('tr', { hasText: id }), 'to orders');
  }));

test('an exchange that is Duly’s own is refused beside its field', () =>
  on(
    '/submit',
    async (page) => {
      await page.getByLabel('it is published to an exchange').check();
      await page.getByLabel('Exchange', { exact: true }).fill('duly.dead');
      await go(page);
      await reads(page.locator('.field.wrong').filter({ hasText: 'Exchange' }), /Duly|duly/);
    },
    { allow: [/v1\/commands/] },
  ));
