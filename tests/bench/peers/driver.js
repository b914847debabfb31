// What the adapters in JavaScript share: a client and a worker that do as they are told, a line of JSON each.
//
//   ADAPTER.js client|worker SETTINGS     SETTINGS is JSON: {server, starts, ends, sleep_ms, …}
//
// An adapter gives `connect(settings)`, which resolves to
//   add(id, due)           one job, resolved when it is acknowledged; `due` is milliseconds of the wall clock, or absent
//   addMany([{id, due}])   the bulk call
//   unfinished()           how many jobs are not done, those that wait for their time among them
//   work(settings, start)  begins to work; `start(id)` is the handler: a promise where it takes time
// The same acts are in celery_driver.py and sidekiq_driver.rb: what is measured must not depend on the language.
'use strict';
const fs = require('fs');
const readline = require('readline');

// 256 bytes as JSON, whatever the id.
const BYTES = 256;
const WARM = 5;
function payload(id) {
  return { id, filler: 'x'.repeat(BYTES - JSON.stringify({ id, filler: '' }).length) };
}

const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Every id of one run has the same length, so that a file of starts tells by its size how many there are.
const name = (prefix, number) => prefix + String(number).padStart(7, '0');

// `callers` that each wait for their answer before they ask again, until `more()` is false.
async function callers(count, more, call) {
  await Promise.all(Array.from({ length: count }, async () => {
    while (more()) await call();
  }));
}

// The first of each caller are not timed: connections are made with them.
async function enqueue(adapter, { prefix, callers: count, seconds }) {
  let sent = 0;
  const warm = WARM * count;
  await callers(count, () => sent < warm, () => adapter.add(name(prefix, sent++)));
  const first = sent;
  const begun = nowUs(), until = begun + seconds * 1e6;
  await callers(count, () => nowUs() < until, () => adapter.add(name(prefix, sent++)));
  return { jobs: sent - first, warm: first, seconds: (nowUs() - begun) / 1e6 };
}

// `due`: of all of them; or `start` and `rate`: so many due in each second from then on.
async function bulk(adapter, { prefix, count, batch, due, start, rate }) {
  const begun = nowUs();
  for (let at = 0; at < count; at += batch) {
    const size = Math.min(batch, count - at);
    await adapter.addMany(Array.from({ length: size }, (_, i) => ({
      id: name(prefix, at + i), due: rate ? start + Math.floor((at + i) * 1000 / rate) : due,
    })));
  }
  return { jobs: count, seconds: (nowUs() - begun) / 1e6 };
}

// A steady rate, whatever the server does; at most `callers` wait for an answer at once.  What could not be sent within
// the time is not sent.  The log has a line for each: id, when it was to be sent, sent, and answered.
async function paced(adapter, { prefix, rate, seconds, callers: most, log }) {
  const begun = nowUs(), until = begun + seconds * 1e6, lines = [];
  let sent = 0, waiting = 0, wake = null;
  const answered = (line, at) => {
    lines.push(`${line} ${at} ${nowUs()}`);
    waiting--;
    if (wake) wake();
  };
  while (sent < rate * seconds && nowUs() < until) {
    const due = begun + Math.floor(sent * 1e6 / rate);
    if (due > nowUs()) {
      await pause(1);
    } else if (waiting >= most) {
      await new Promise((resolve) => { wake = resolve; });
      wake = null;
    } else {
      const id = name(prefix, sent++), at = nowUs();
      waiting++;
      adapter.add(id).then(() => answered(`${id} ${due}`, at), fail);
    }
  }
  while (waiting > 0) await pause(1);
  fs.writeFileSync(log, lines.join('\n') + '\n');
  return { jobs: sent, seconds: (nowUs() - begun) / 1e6 };
}

const ACTS = {
  enqueue, bulk, paced,
  unfinished: async (adapter) => ({ jobs: await adapter.unfinished() }),
};

function say(answer) {
  process.stdout.write(JSON.stringify(answer) + '\n');
}

function fail(problem) {
  console.error(problem);
  process.exit(1);
}

async function serve(adapter, acts) {
  say({ ready: true, pid: process.pid });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    say(await acts[asked.act](adapter, asked));
  }
  process.exit(0);
}

// A handler that takes its time, and says when it has ended too.
function sleeper({ ends, sleep_ms: length }, begin) {
  const out = fs.openSync(ends, 'a');
  return async (id) => {
    begin(id);
    await pause(length);
    fs.writeSync(out, `${id} ${nowUs()}\n`);
  };
}

async function run(connect) {
  const [role, text] = process.argv.slice(2);
  const settings = JSON.parse(text);
  const adapter = await connect({ ...settings, role });
  if (role === 'client') return serve(adapter, ACTS);
  // One write to a file opened for appending for each job, as bench_agent does: what a killed worker began is there.
  const starts = fs.openSync(settings.starts, 'a');
  const begin = (id) => { fs.writeSync(starts, `${id} ${nowUs()}\n`); };
  const start = settings.sleep_ms ? sleeper(settings, begin) : begin;
  return serve(adapter, { go: async () => { await adapter.work(settings, start); return {}; } });
}

module.exports = { payload, pause, run: (connect) => run(connect).catch(fail) };
