// The frame around the views: how it is served, navigation, keys, themes, widths, lost connections, API keys, events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, dialogOf, ended, eventually, fresh, get, on, reads, send, submit, world } from './lib/world.mjs';

const VIEWS = [
  ['Overview', ''],
  ['Commands', 'commands'],
  ['Dead letters', 'dead'],
  ['Schedules', 'schedules'],
  ['Workflows', 'workflows'],
  ['Queues', 'queues'],
  ['Shards', 'shards'],
  ['Agents', 'agents'],
  ['Operations', 'operations'],
  ['Audit', 'audit'],
];

test('the files are served with their types, tags and a strict policy', async () => {
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/dashboard/app.js', 'text/javascript'],
    ['/dashboard/style.css', 'text/css'],
    ['/dashboard/icon.svg', 'image/svg+xml'],
  ]) {
    const answer = await send(world.url + path);
    assert.equal(answer.status, 200, path);
    assert.ok(answer.headers['content-type'].startsWith(type), path);
    assert.equal(
      answer.headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['referrer-policy'], 'no-referrer');
    assert.equal(answer.headers['cache-control'], 'no-cache');
    const again = await send(world.url + path, { headers: { 'If-None-Match': answer.headers.etag } });
    assert.equal(again.status, 304, path);
    assert.equal(again.text, '');
  }
});

test('there is nothing beside the files', async () => {
  for (const path of [
    '/dashboard/',
    '/dashboard/nothing.js',
    '/dashboard/..%2fapi%2frouter.cpp',
    '/dashboard/%2e%2e/api/router.cpp',
  ]) {
    assert.equal((await send(world.url + path)).status, 404, path);
  }
});

test('every view opens from the navigation', () =>
  on('/', async (page) => {
    for (const [label, name] of VIEWS) {
      await page.locator('nav').getByRole('link', { name: label }).click();
      await eventually(
        `${label} is open`,
        async () => page.url().endsWith(`#/${name}`) && (await page.title()).startsWith(label),
      );
      assert.equal(await page.locator('nav [aria-current=page] span').first().innerText(), label);
      await page.locator('main .view > *').first().waitFor();
      await eventually(
        'its content has come',
        async () =>
          (await page.locator('main table:visible, main .tiles .tile, main .shard, main .empty:visible').count()) > 0,
      );
    }
  }));

test('what is not there is said to be not there', async () => {
  await on('/nowhere-at-all', (page) => reads(page.locator('main'), 'There is no such page'));
  await on('/commands/cmd_0000000000000', (page) => reads(page.locator('main'), 'There is no such thing here'), {
    allow: [/commands\/cmd_0/],
  });
  await on('/workflows/nonsense', (page) => reads(page.locator('main'), 'This did not work'), {
    allow: [/workflows\/nonsense/],
  });
});

test('light and dark follow the system until one is chosen, which is kept', () =>
  on(
    '/',
    async (page) => {
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const dark = await ground();
      await page.getByRole('button', { name: 'Use light colours' }).click();
      const light = await ground();
      assert.notEqual(light, dark);
      await page.reload();
      assert.equal(await ground(), light);
      await page.getByRole('button', { name: 'Use dark colours' }).click();
      assert.equal(await ground(), dark);
    },
    { colorScheme: 'dark' },
  ));

// Relative luminance, as WCAG has it.
function luminance(text) {
  const [r, g, b] = text
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map((part) => {
      const c = Number(part) / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test('text stands out from its ground in both themes', async () => {
  for (const colorScheme of ['light', 'dark']) {
    await on(
      '/',
      async (page) => {
        await page.locator('.state-counts .state').first().waitFor();
        const pairs = await page.evaluate(() =>
          [
            ...document.querySelectorAll(
              '.tile .name, .tile strong, .tile .detail, .state, nav a, th, .legend b, .primary',
            ),
          ].map((node) => {
            const holder = [
              ...(function* up(one) {
                for (let at = one; at; at = at.parentElement) yield at;
              })(node),
            ].find((one) => !/rgba\(0, 0, 0, 0\)|transparent/.test(getComputedStyle(one).backgroundColor));
            return [node.textContent, getComputedStyle(node).color, getComputedStyle(holder).backgroundColor];
          }),
        );
        for (const [text, color, ground] of pairs) {
          const [a, b] = [luminance(color), luminance(ground)].sort((x, y) => y - x);
          assert.ok((a + 0.05) / (b + 0.05) >= 4.5, `${colorScheme}: ${text}: ${color} on ${ground}`);
        }
      },
      { colorScheme },
    );
  }
});

test('a phone shows every view without scrolling sideways', async () => {
  const command = await submit({
    type: 'builtin.echo',
    payload: { long: 'x'.repeat(300) },
    key: 'k'.repeat(120),
    labels: { a: 'b'.repeat(100) },
  });
  await ended(command.id);
  await on(
    '/',
    async (page) => {
      for (const path of [
        ...VIEWS.map(([, name]) => `/${name}`),
        '/submit',
        '/schedules?new',
        `/commands/${command.id}`,
      ]) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, path);
        await page.locator('main h1').first().waitFor({ state: 'attached' });
        await page.waitForTimeout(300);
        const [inside, width] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
        assert.ok(inside <= width, `${path} is ${inside} wide on a screen of ${width}`);
      }
    },
    { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  );
});

test('with the keyboard alone: skip link, jump to an id, go to views, submit', () =>
  on('/', async (page) => {
    await page.locator('.tile').first().waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
    assert.equal(
      await page.evaluate(() => getComputedStyle(document.activeElement).top),
      '0px',
      'what has the focus is seen',
    );
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    const { id } = await submit({ delay_ms: 3600000 });
    await page.keyboard.press('/');
    await page.keyboard.type(id);
    await page.keyboard.press('Enter');
    await reads(page.locator('h1'), 'scheduled');
    await page.locator('main').focus();
    await page.keyboard.press('g');
    await page.keyboard.press('n');
    await page.getByLabel('Type', { exact: true }).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('builtin.echo');
    await page.keyboard.press('Tab');
    await page.keyboard.type('mail');
    await page.keyboard.press('Enter');
    await reads(page.locator('.done'), 'Accepted');
    const made = await page.locator('.done a.mono').innerText();
    assert.equal((await get(`/v1/commands/${made}`)).queue, 'mail');
  }));

test('a dialog takes the focus, Escape leaves it, and the focus goes back', () =>
  on('/queues', async (page) => {
    await submit({ queue: 'mail' });
    const limits = page.locator('tr', { hasText: 'mail' }).getByRole('button', { name: 'Limits…' });
    await limits.focus();
    await page.keyboard.press('Enter');
    await dialogOf(page).waitFor();
    assert.ok(await page.evaluate(() => document.activeElement.closest('dialog') !== null));
    await page.keyboard.press('Escape');
    await dialogOf(page).waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Limits…');
  }));

test('a lost connection is told, and it comes back by itself', () =>
  on(
    '/',
    async (page) => {
      await page.locator('.tile').first().waitFor();
      await world.stage.order('kill_server');
      await page.locator('#banner:visible').waitFor();
      await reads(page.locator('#banner'), 'The connection to the server is lost');
      await reads(page.locator('#pulse'), 'Lost');
      assert.ok((await page.locator('.tile').count()) > 0, 'what was shown stays');
      await world.stage.order('start_server');
      await page.locator('#banner').waitFor({ state: 'hidden', timeout: 40000 });
      const { id } = await submit({ type: 'builtin.echo' });
      await reads(page.locator('table'), id);
    },
    { allow: [/./] },
  ));

// The id of a command for later, submitted to `locked` with one of its keys.
const submitLocked = async (locked, key) => {
  const body = JSON.stringify({ type: 'builtin.noop', delay_ms: 3600000 });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, Authorization: `Bearer ${key}` };
  const answer = await send(`${locked.url}/v1/commands`, { method: 'POST', headers, body });
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text).id;
};

test('a server that wants a key is given one, for this tab only', async () => {
  const locked = await world.stage.order('start_locked_server', [], { chief: 'admin', guest: 'read' });
  const id = await submitLocked(locked, locked.chief);
  const enter = async (page, key) => {
    await dialogOf(page).waitFor();
    assert.equal(await page.locator('dialog').count(), 1, 'one question for all that were refused');
    await page.getByRole('textbox', { name: 'API key' }).fill(key);
    await page.keyboard.press('Enter');
    await reads(page.locator('main'), id);
  };
  await on(
    '/commands',
    async (page) => {
      await enter(page, locked.chief);
      assert.equal(await page.evaluate(() => sessionStorage.getItem('duly-api-key')), locked.chief);
      const kept = await page.evaluate(() => JSON.stringify(localStorage) + document.cookie);
      assert.equal(kept.includes(locked.chief), false);
      await page.getByRole('button', { name: 'Forget key' }).waitFor();
      await page.reload();
      await reads(page.locator('main'), id);
      await page.locator('#pulse.is-events').waitFor();
      await page.getByRole('button', { name: 'Forget key' }).click();
      await enter(page, locked.guest);
      await page.goto(`${locked.url}/#/commands/${id}`);
      await page.getByRole('button', { name: 'Cancel…' }).click();
      await dialogOf(page).getByRole('button', { name: 'Cancel it' }).click();
      await reads(dialogOf(page), 'this needs the role operator, and the key guest has read');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Forget key' }).click();
      await dialogOf(page).getByRole('button', { name: 'Not now' }).click();
      await reads(page.locator('main'), 'This server wants an API key');
    },
    { allow: [/\/v1\//], url: locked.url },
  );
});

// Nothing is asked for again after a while: what still changes, changes by an event.
const withoutPolling = (page) =>
  page.addInitScript(() => {
    const real = window.setTimeout;
    window.setTimeout = (task, ms, ...more) => (ms > 1500 ? 0 : real(task, ms, ...more));
  });

test('what happens is shown by events, as it happens', async () => {
  const set = fresh('told');
  await on(
    `/commands?label.set=${set}`,
    async (page) => {
      await page.locator('#pulse.is-events').waitFor();
      const { id } = await submit({ labels: { set }, delay_ms: 3600000 });
      await reads(page.locator('table'), id);
      await ask('POST', `/v1/commands/${id}/cancel`);
      await reads(page.locator('table'), 'cancelled');
    },
    { prepare: withoutPolling },
  );
});

test('a stream of events that ends is taken up where it ended', async () => {
  const seen = [];
  let listed = 0;
  await on(
    '/commands',
    async (page) => {
      await eventually('it asked again from the last event', () => seen.includes('41'));
      await reads(page.locator('#pulse'), 'Live');
      assert.equal(await page.locator('#pulse').getAttribute('class'), 'pulse is-events');
      await eventually('a burst of events was one refresh', () => listed >= 2);
    },
    {
      prepare: async (page) => {
        await withoutPolling(page);
        await page.route('**/v1/commands?*', (route) => {
          listed += 1;
          return route.continue();
        });
        await page.route('**/v1/events', (route) => {
          seen.push(route.request().headers()['last-event-id'] ?? '');
          const data = JSON.stringify({
            id: 'cmd_0000000000000',
            queue: 'default',
            type: 'x',
            state: 'succeeded',
            attempt: 1,
            at: new Date().toISOString(),
          });
          return route.fulfill({
            status: 200,
            contentType: 'text/event-stream',
            body: `: hello\n\nid: 40\nevent: command\ndata: ${data}\n\nid: 41\nevent: command\ndata: ${data}\n\n`,
          });
        });
      },
    },
  );
});

test('views whose routes the server does not have are not offered', () =>
  on(
    '/',
    async (page) => {
      await page.locator('nav').getByRole('link', { name: 'Agents' }).waitFor();
      await eventually(
        'audit and workflows are gone',
        async () => (await page.locator('nav a', { hasText: /Audit|Workflows/ }).count()) === 0,
      );
    },
    {
      prepare: (page) =>
        page.route('**/openapi.yaml', async (route) => {
          const answer = await route.fetch();
          await route.fulfill({
            response: answer,
            body: (await answer.text()).replace('\n  /v1/audit:\n', '\n').replace('\n  /v1/workflows:\n', '\n'),
          });
        }),
    },
  ));

test('names of strangers are text, everywhere', async () => {
  const hostile = '<img src=x onerror=alert(1)>';
  const label = fresh('hostile');
  const command = await submit({
    type: 'builtin.fail',
    payload: { times: 9, retryable: false, note: hostile },
    key: hostile,
    labels: { set: label, [hostile]: hostile },
  });
  const echo = await submit({ type: 'builtin.echo', payload: hostile, labels: { set: label } });
  await ended(command.id);
  await ended(echo.id);
  const clean = async (page) => {
    assert.equal(await page.evaluate(() => document.querySelectorAll('img[src="x"], main script').length), 0);
  };
  for (const path of [
    `/commands?label.set=${label}`,
    `/commands?key=${encodeURIComponent(hostile)}`,
    `/commands/${command.id}`,
    `/commands/${echo.id}`,
    '/dead',
    '/',
  ]) {
    await on(path, async (page) => {
      if (path !== '/') await reads(page.locator('main'), hostile);
      await clean(page);
    });
  }
  await on(`/${encodeURIComponent(hostile)}`, clean);
  await on(`/schedules/${encodeURIComponent(hostile)}`, clean, { allow: [/schedules/] });
});
