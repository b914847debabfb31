// The overview says what /v1/stats says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batch, ended, eventually, get, on, reads, submit } from './lib/world.mjs';

const number = (n) => n.toLocaleString('en');

test('figures, states and charts follow the server', () =>
  on('/', async (page) => {
    const ids = await batch(Array.from({ length: 5 }, () => ({ type: 'builtin.echo', payload: 1 })));
    for (const id of ids) await ended(id);
    const { id } = await submit({ type: 'builtin.fail', payload: { times: 9, retryable: false } });
    await ended(id);
    const shown = page.locator('.state-counts li', { hasText: 'succeeded' }).locator('b');
    await eventually(
      'it counts what the server counts',
      async () => (await shown.getAttribute('title')) === number((await get('/v1/stats')).commands.succeeded),
    );
    const { dead } = (await get('/v1/stats')).commands;
    await reads(page.locator('[data-tile=Dead]'), number(dead));
    assert.match(await page.locator('[data-tile=Dead]').getAttribute('class'), /alarm/);
    assert.equal(await page.locator('nav [data-view=dead] .badge').innerText(), number(dead));
    assert.equal(await page.locator('.chart-box').count(), 4);
    await eventually('each chart has its lines', async () => {
      const paths = await page
        .locator('.chart .line')
        .evaluateAll((lines) => lines.map((line) => line.getAttribute('d')));
      return paths.length === 11 && paths.every((d) => /^M\d/.test(d));
    });
    await reads(page.locator('main'), 'Charts begin at ');
    await reads(page.locator('main table'), ids[4]);
    assert.equal(await page.locator('.strip i').count(), (await get('/v1/shards')).count);
  }));

test('the charts begin before the page does: the server remembers', async () => {
  await eventually('a sample is remembered', async () => (await get('/v1/stats/history')).samples.length > 1);
  await on('/', (page) =>
    eventually('the page has it', () =>
      page.evaluate(async () => {
        const { history } = await import('/dashboard/history.js');
        return history.samples.length > 2 && history.samples[0].at < performance.timeOrigin - 1000;
      }),
    ),
  );
});

test('a pointer on a chart reads the moment beneath it', () =>
  on('/', async (page) => {
    await eventually(
      'some samples are there',
      async () =>
        (await page
          .locator('.chart .line')
          .first()
          .getAttribute('d')
          .catch(() => '')) !== '',
    );
    const chart = page.locator('.chart').first();
    const box = await chart.boundingBox();
    await page.mouse.move(box.x + box.width - 12, box.y + 40);
    await eventually('the cross-hair and its time', async () =>
      /\d\d:\d\d:\d\d/.test(await page.locator('.chart-box .at').first().innerText()),
    );
  }));

test('a state of the overview opens the list of its commands', () =>
  on('/', async (page) => {
    await page.locator('.state-counts a', { hasText: 'dead' }).click();
    await eventually('the list', async () => page.url().endsWith('#/commands?state=dead'));
    assert.equal(await page.getByLabel('State', { exact: true }).inputValue(), 'dead');
  }));
