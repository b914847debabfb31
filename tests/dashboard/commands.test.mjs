// Commands: the list, its filter and pages; one command; what can be done with one and with many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, batch, dialogOf, ended, eventually, fresh, get, on, reads, send, submit, world } from './lib/world.mjs';

const rows = (page) => page.locator('main tbody tr').evaluateAll((all) => all.map((row) => row.dataset.key));
const showsRows = (page, ids) =>
  eventually(`${ids.length} rows`, async () => JSON.stringify(await rows(page)) === JSON.stringify(ids));
const later = { delay_ms: 3600000 };

test('the filter is the API’s, and the address keeps it', async () => {
  const set = fresh('filter');
  const mine = await submit({ ...later, type: 'report.make', queue: 'mail', key: 'k-1', labels: { set } });
  const other = await submit({ ...later, type: 'report.send', labels: { set } });
  await on('/commands', async (page) => {
    await page.getByText('More filters').click();
    await page.getByLabel('Label').fill(`set=${set}`);
    await showsRows(page, [other.id, mine.id]);
    await page.getByLabel('Type', { exact: true }).fill('report.make');
    await page.getByLabel('Queue', { exact: true }).fill('mail');
    await page.getByLabel('State', { exact: true }).selectOption('scheduled');
    await page.getByLabel('Key', { exact: true }).fill('k-1');
    await showsRows(page, [mine.id]);
    await page.reload();
    await showsRows(page, [mine.id]);
    assert.equal(await page.getByLabel('Label').inputValue(), `set=${set}`);
    await page.getByLabel('Key', { exact: true }).fill('k-2');
    await reads(page.locator('main'), 'No command fits this filter');
    await page.getByRole('button', { name: 'Clear' }).click();
    await eventually('all again', async () => (await rows(page)).length > 1);
  });
});

test('pages go by cursor, fifty at a time', async () => {
  const set = fresh('pages');
  const ids = (
    await batch(Array.from({ length: 120 }, () => ({ type: 'builtin.noop', ...later, labels: { set } })))
  ).reverse();
  await on(`/commands?label.set=${set}`, async (page) => {
    await showsRows(page, ids.slice(0, 50));
    await page.getByRole('button', { name: 'Older' }).click();
    await showsRows(page, ids.slice(50, 100));
    await page.getByRole('button', { name: 'Older' }).click();
    await showsRows(page, ids.slice(100));
    assert.ok(await page.getByRole('button', { name: 'Older' }).isDisabled());
    await page.getByRole('button', { name: 'Newer' }).click();
    await showsRows(page, ids.slice(50, 100));
  });
});

test('the list shows what becomes of a command without being asked', async () => {
  const set = fresh('live');
  await on(`/commands?label.set=${set}`, async (page) => {
    await reads(page.locator('main'), 'No command fits');
    const { id } = await submit({ type: 'builtin.echo', delay_ms: 1500, labels: { set } });
    await reads(page.locator(`tr[data-key="${id}"]`), 'succeeded');
  });
});

test('one command is a timeline of its attempts, with payload, result and error as they were written', async () => {
  const payload = '{"times": 2, "big": 12345678901234567890}';
  const made = await ask('POST', '/v1/commands', `{"type": "builtin.echo", "payload": ${payload}}`);
  await ended(made.id);
  await on(`/commands/${made.id}`, async (page) => {
    await reads(page.getByLabel('Payload', { exact: true }), '12345678901234567890');
    await reads(page.getByLabel('Result', { exact: true }), '12345678901234567890');
    await reads(page.locator('.timeline'), 'Attempt 1 succeeded');
  });
  const failing = await submit({ type: 'builtin.fail', payload: { times: 1 }, retry: { initial_delay_ms: 50 } });
  const done = await ended(failing.id);
  await on(`/commands/${failing.id}`, async (page) => {
    const timeline = page.locator('.timeline');
    for (const text of [
      'Accepted',
      'Attempt 1 failed',
      done.attempts[0].error,
      'Attempt 2 started',
      `on ${done.attempts[1].executor}`,
      'Attempt 2 succeeded',
    ])
      await reads(timeline, text);
    assert.equal(await page.locator('.attempts rect').count(), 2);
    await reads(page.locator('h1'), 'succeeded');
  });
});

test('a command says why it waits', async () => {
  const { id } = await submit({ queue: fresh('nobody') });
  await on(`/commands/${id}`, (page) => reads(page.locator('.why'), 'no_executor'));
});

test('cancel asks first', async () => {
  const { id } = await submit(later);
  await on(`/commands/${id}`, async (page) => {
    await page.getByRole('button', { name: 'Cancel…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Back' }).click();
    assert.equal((await get(`/v1/commands/${id}`)).state, 'scheduled');
    await page.getByRole('button', { name: 'Cancel…' }).click();
    await dialogOf(page).getByRole('button', { name: 'Cancel it' }).click();
    await reads(page.locator('h1'), 'cancelled');
    assert.equal((await get(`/v1/commands/${id}`)).state, 'cancelled');
  });
});

test('reschedule moves the due time', async () => {
  const { id } = await submit(later);
  await on(`/commands/${id}`, async (page) => {
    await page.getByRole('button', { name: 'Reschedule…' }).click();
    await page.getByLabel('Due at').fill('2027-05-04T03:02:01');
    await dialogOf(page).getByRole('button', { name: 'Move it' }).click();
    await dialogOf(page).waitFor({ state: 'detached' });
    const due = await page.evaluate(() => new Date('2027-05-04T03:02:01').toISOString());
    assert.equal((await get(`/v1/commands/${id}`)).due_at, due);
    await reads(page.locator('.facts').first(), '2027-05-04 03:02:01');
  });
});

test('a dead command is redriven with another payload, and the first one is kept', async () => {
  const { id } = await submit({ type: 'builtin.fail', payload: { times: 9, retryable: false } });
  await ended(id);
  await on(`/commands/${id}`, async (page) => {
    await page.getByRole('button', { name: 'Redrive with another payload…' }).click();
    await page.getByLabel('Payload', { exact: true }).last().fill('{"times": }');
    await dialogOf(page).getByRole('button', { name: 'Redrive' }).click();
    await dialogOf(page).locator('.problem:visible').waitFor();
    await dialogOf(page).locator('textarea').fill('{"times": 0}');
    await dialogOf(page).getByRole('button', { name: 'Redrive' }).click();
    await reads(page.locator('h1'), 'succeeded');
    assert.deepEqual((await get(`/v1/commands/${id}`)).payload, { times: 0 });
    await page.getByRole('button', { name: 'Earlier payloads' }).click();
    await reads(dialogOf(page), '"times": 9');
  });
});

test('dead letters are redriven one by one', async () => {
  const { id } = await submit({ type: 'builtin.fail', payload: { times: 1, retryable: false } });
  await ended(id);
  await on('/dead', async (page) => {
    const row = page.locator(`tr[data-key="${id}"]`);
    await reads(row, 'failed on purpose');
    assert.equal(await page.getByRole('button', { name: /^Cancel/ }).count(), 0, 'what has ended is not cancelled');
    await row.getByRole('button', { name: 'Redrive' }).click();
    await eventually('it has run again', async () => (await get(`/v1/commands/${id}`)).state === 'succeeded');
    await row.waitFor({ state: 'detached' });
  });
});

test('many are cancelled after a count and a yes, with progress', async () => {
  const set = fresh('bulk');
  const ids = await batch(Array.from({ length: 30 }, () => ({ type: 'builtin.noop', ...later, labels: { set } })));
  await on(`/commands?label.set=${set}`, async (page) => {
    await showsRows(page, [...ids].reverse());
    await page.getByRole('button', { name: 'Cancel all that match…' }).click();
    await reads(dialogOf(page), '30 of 30 that match would be cancelled');
    assert.equal((await get(`/v1/commands/${ids[0]}`)).state, 'scheduled', 'a dry run changes nothing');
    await dialogOf(page).getByRole('button', { name: 'Cancel them' }).click();
    await reads(dialogOf(page), '30 cancelled');
    for (const id of ids) assert.equal((await get(`/v1/commands/${id}`)).state, 'cancelled');
    await dialogOf(page).getByRole('link', { name: 'The operation' }).waitFor();
    await page.keyboard.press('Escape');
    await reads(page.locator('tbody tr').first(), 'cancelled');
  });
});

test('selected rows are acted on alone', async () => {
  const set = fresh('select');
  const ids = (
    await batch(Array.from({ length: 3 }, () => ({ type: 'builtin.noop', ...later, labels: { set } })))
  ).reverse();
  await on(`/commands?label.set=${set}`, async (page) => {
    await showsRows(page, ids);
    for (const id of ids.slice(0, 2)) await page.getByLabel(`Select ${id}`).check();
    await page.getByRole('button', { name: 'Cancel 2 selected…' }).click();
    await reads(dialogOf(page), '2 of 2');
    await dialogOf(page).getByRole('button', { name: 'Cancel them' }).click();
    await reads(dialogOf(page), '2 cancelled');
  });
  assert.deepEqual(await Promise.all(ids.map(async (id) => (await get(`/v1/commands/${id}`)).state)), [
    'cancelled',
    'cancelled',
    'scheduled',
  ]);
});

test('from a thousand on the number has to be typed', async () => {
  const set = fresh('thousand');
  await batch(Array.from({ length: 1200 }, () => ({ type: 'builtin.noop', ...later, labels: { set } })));
  await on(`/commands?label.set=${set}`, async (page) => {
    await eventually('a page', async () => (await rows(page)).length === 50);
    await page.getByRole('button', { name: 'Cancel all that match…' }).click();
    await reads(dialogOf(page), '1,200 of 1,200');
    await dialogOf(page).getByRole('button', { name: 'Cancel them' }).click();
    await reads(dialogOf(page), 'Type 1200 to go on');
    await page.getByLabel('Type the number to go on').fill('1200');
    await dialogOf(page).getByRole('button', { name: 'Cancel them' }).click();
    await reads(dialogOf(page), '1,200 cancelled');
  });
});

test('a command shows its trace, and its callback from the end to the receiver', async () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const callback_url = `${world.callbacks}busy?of=me`;
  const body = JSON.stringify({ type: 'builtin.noop', ...later, callback_url });
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    traceparent: `00-${trace}-b7ad6b7169203331-01`,
  };
  const made = await send(`${world.api}/v1/commands`, { method: 'POST', headers, body });
  assert.equal(made.status, 201, made.text);
  const { id } = JSON.parse(made.text);
  await on(
    `/commands/${id}`,
    async (page) => {
      await reads(page.locator('.trace'), trace);
      await page.getByRole('button', { name: 'Copy trace id' }).press('Enter');
      await reads(page.locator('.toast'), 'Trace id copied');
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), trace);
      const callback = page.locator('.callback');
      await reads(callback, 'waiting');
      await reads(callback, callback_url);
      await ask('POST', `/v1/commands/${id}/cancel`);
      await reads(callback, 'The command has ended');
      await reads(callback, 'answered 503');
      await reads(callback, 'Next attempt');
      await page.setViewportSize({ width: 390, height: 844 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  );
});

test('a callback that was taken is told so, and one that was given up', async () => {
  const { id } = await submit({ callback_url: `${world.callbacks}taken` });
  const command = await eventually('it is taken', async () => {
    const now = await get(`/v1/commands/${id}`);
    return now.callback.state === 'delivered' && now;
  });
  await on(`/commands/${id}`, async (page) => {
    await reads(page.locator('.callback'), 'The receiver has taken it');
    assert.equal(await page.locator('.trace').count(), 0);
  });
  // It takes an hour of failures; and what a receiver is called is text, whatever it is.
  const callback = { state: 'given_up', attempts: 8, last_error: '<b>503</b>', next_at: null };
  const json = { ...command, callback, callback_url: 'https://x/<img src=x onerror=alert(1)>' };
  await on(
    `/commands/${id}`,
    async (page) => {
      await reads(page.locator('.callback'), 'The receiver was never told');
      await reads(page.locator('.callback'), '<img src=x onerror=alert(1)>');
      await reads(page.locator('.callback'), '<b>503</b>');
      assert.equal(await page.locator('.callback').locator('img, b, a').count(), 0);
    },
    { prepare: (page) => page.route(`**/v1/commands/${id}`, (route) => route.fulfill({ json })) },
  );
  await on('/', (page) => reads(page.locator('.callbacks'), /\d owed, \d given up since start/));
});
