// Many agents, many shards, millions of commands: the page stays small and quick.  The numbers are put into the server's
// answers on their way, as nobody can wait for ten million commands here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, on, reads } from './lib/world.mjs';

const AGENTS = 100;
const SHARDS = 1024;

const json = (route, value) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(value) });

async function crowd(page) {
  let beat = 0;
  const now = () => new Date().toISOString();
  await page.route('**/v1/agents', (route) => {
    beat += 1;
    return json(route, {
      next_cursor: null,
      items: Array.from({ length: AGENTS }, (_, i) => ({
        name: `agent-${i}`,
        roles: ['dispatch', 'execute'],
        queues: ['default'],
        state: 'live',
        shards: Array.from({ length: 10 }, (_, k) => i * 10 + k),
        connected_at: now(),
        last_heartbeat_at: now(),
        in_flight: beat,
        running: i,
        published: beat * 1000,
        executed: beat * 1000,
        version: '0.1.0',
        address: '10.0.0.1:5',
        broker: 'up',
      })),
    });
  });
  await page.route('**/v1/shards', (route) =>
    json(route, {
      count: SHARDS,
      items: Array.from({ length: SHARDS }, (_, i) => ({
        shard: i,
        agent: `agent-${(i + beat) % AGENTS}`,
        epoch: beat,
        state: 'held',
        pinned: false,
        scheduled: 10000,
        due: i,
      })),
    }),
  );
  await page.route('**/v1/stats', async (route) => {
    const response = await route.fetch();
    const stats = await response.json();
    stats.commands.succeeded = 10234567;
    stats.backlog.due = 1234567;
    return json(route, stats);
  });
}

// The share of two seconds in which the page's thread was at work: its own processor time, which is the same on a machine
// that others keep busy.
const work = async (page) => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () =>
    (await session.send('Performance.getMetrics')).metrics.find((metric) => metric.name === 'TaskDuration').value;
  const before = await spent();
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 2000)));
  return ((await spent()) - before) / 2;
};

test('a hundred agents and a thousand shards that all move stay readable and quick', async () => {
  for (const [path, what, least, most] of [
    ['/agents', 'tbody tr', AGENTS, 8000],
    ['/shards', '.shard', SHARDS, 9000],
    ['/', '.strip i', SHARDS, 4000],
  ]) {
    await on(
      path,
      async (page) => {
        await eventually('all are there', async () => (await page.locator(what).count()) === least);
        const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
        assert.ok(nodes < most, `${path}: ${nodes} elements`);
        const share = await work(page);
        assert.ok(share < 0.5, `${path}: busy ${share * 100} % of the time`);
      },
      { prepare: crowd },
    );
  }
});

test('millions are written so that they can be read', () =>
  on(
    '/',
    async (page) => {
      await reads(page.locator('.state-counts li', { hasText: 'succeeded' }), '10.2M');
      assert.equal(
        await page.locator('.state-counts li', { hasText: 'succeeded' }).locator('b').getAttribute('title'),
        '10,234,567',
      );
      await reads(page.locator('[data-tile="Backlog due"]'), '1.2M');
    },
    { prepare: crowd },
  ));
