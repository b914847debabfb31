// What every test stands on: a real server with agents and a broker (stage.py), and a real browser.
//
// DULY_NODE_MODULES: the folder into which npm put playwright-core (build/dashboard).  DULY_CHROMIUM: the browser.
// DULY_DASHBOARD_FILES=1: the dashboard comes from disk, through dev_server.mjs, not out of the binary.
// DULY_SLOW: a factor for every patience, for machines that are busy with other things.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = join(here, '../..');
export const dashboard = join(root, 'control-server/dashboard');
export const slow = Number(process.env.DULY_SLOW ?? 1);
const patience = 15000 * slow;

// ---- the stage

class Stage {
  #waiting = [];

  constructor() {
    this.child = spawn('python3', [join(here, 'stage.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = new Promise((resolve) => {
      this.child.on('exit', resolve);
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#waiting.shift()(JSON.parse(line)));
    this.ready = this.#answer();
  }

  #answer() {
    return new Promise((resolve, reject) => {
      this.#waiting.push((answer) => ('error' in answer ? reject(new Error(answer.error)) : resolve(answer.ok)));
      this.ended.then(() => reject(new Error('the stage has ended')));
    });
  }

  // order('start_agents', ['a-1'], {concurrency: 4}) calls Stage.start_agents('a-1', concurrency=4) of stage.py.
  order(name, args = [], named = {}) {
    this.child.stdin.write(`${JSON.stringify({ do: name, args, ...named })}\n`);
    return this.#answer();
  }

  async close() {
    this.child.stdin.end();
    await this.ended;
  }
}

function devServer(url) {
  const child = spawn('node', [join(here, 'dev_server.mjs'), url], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve([line, child]));
  });
}

export const world = { stage: null, api: '', url: '', callbacks: '', browser: null, dev: null };

export async function openWorld() {
  world.stage = new Stage();
  await world.stage.ready;
  ({ url: world.api, callbacks: world.callbacks } = await world.stage.order('start_server'));
  await world.stage.order('start_agents', ['agent-1', 'agent-2'], { queues: 'default,mail' });
  world.url = world.api;
  if (process.env.DULY_DASHBOARD_FILES) [world.url, world.dev] = await devServer(world.api);
  const modules = process.env.DULY_NODE_MODULES ?? join(root, 'build/dashboard');
  const { chromium } = createRequire(join(modules, 'package.json'))('playwright-core');
  world.browser = await chromium.launch({
    executablePath: process.env.DULY_CHROMIUM ?? '/usr/bin/chromium',
    chromiumSandbox: process.getuid() !== 0,
    args: ['--disable-gpu'],
  });
}

export async function closeWorld() {
  await world.browser?.close();
  world.dev?.kill();
  await world.stage?.close();
}

// ---- the API, asked directly: what the page shows and does is held against it

// One request on a connection of its own: a kept one may be closed by the server just as it is used again.
export function send(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

// The answer's value; a string as body is JSON already.
export async function ask(method, path, body) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const headers = method === 'GET' ? {} : { 'Content-Length': Buffer.byteLength(text ?? '') };
  if (text !== undefined) headers['Content-Type'] = 'application/json';
  if (method === 'DELETE') delete headers['Content-Length'];
  const answer = await send(world.api + path, { method, headers, body: text });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.text === '' ? null : JSON.parse(answer.text);
}

export const get = (path) => ask('GET', path);
export const submit = (command) => ask('POST', '/v1/commands', { type: 'builtin.noop', ...command });

const ENDS = ['succeeded', 'delivered', 'dead', 'cancelled', 'expired'];

// The command after its end.
export const ended = (id) =>
  eventually(`${id} has ended`, async () => {
    const command = await get(`/v1/commands/${id}?wait_ms=10000`);
    return ENDS.includes(command.state) && command;
  });

export async function batch(commands) {
  return (await ask('POST', '/v1/commands/batch', { commands })).items.map((item) => item.id);
}

export async function eventually(what, check) {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

let runs = 0;
// A name that nothing else of this run has.
export const fresh = (prefix) => {
  runs += 1;
  return `${prefix}-${process.pid}-${runs}`;
};

// ---- the browser

// Asked once, and refused as incomplete, to learn whether crash simulation is armed.
const usual = [/simulate-crash/];

// A page at '#' + hash.  Whatever it complains of (console, policy, exceptions) fails the test at leave(); `allow` names
// addresses that may answer with an error because the test wants them to; `url` is another server than the usual.
export async function visit(hash, { allow = [], prepare = async () => {}, url = world.url, ...options } = {}) {
  const context = await world.browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`exception: ${error.stack}`));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const expected =
      message.text().startsWith('Failed to load resource') &&
      [...usual, ...allow].some((one) => one.test(message.location().url));
    if (!expected) complaints.push(`console: ${message.text()} ${message.location().url}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) =>
      console.error('policy:', event.violatedDirective, event.blockedURI, event.sourceFile),
    );
  });
  await prepare(page);
  await page.goto(`${url}/#${hash}`, { timeout: patience * 2 });
  page.leave = async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  };
  return page;
}

// Runs `body` with a page and leaves it, whatever happens.
export async function on(hash, body, options) {
  const page = await visit(hash, options);
  try {
    await body(page);
  } catch (error) {
    if (process.env.DULY_SHOTS)
      await page.screenshot({ path: join(process.env.DULY_SHOTS, `${fresh('failed')}.png`) }).catch(() => {});
    await page.leave().catch((also) => {
      error.message += `\n${also.message}`;
    });
    throw error;
  }
  await page.leave();
}

export const dialogOf = (page) => page.locator('dialog[open]');

// The text of a locator satisfies `test`, now or soon.
export async function reads(locator, expected) {
  await eventually(`${locator} reads ${expected}`, async () => {
    const text = await locator.innerText({ timeout: 1000 }).catch(() => null);
    return text !== null && (expected instanceof RegExp ? expected.test(text) : text.includes(expected));
  });
}
