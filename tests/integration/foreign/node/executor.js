#!/usr/bin/env node
// A whole executor for Duly in JavaScript, with amqplib: takes the commands of one queue from RabbitMQ and runs them.
//
//   executor.js --queue QUEUE [--amqp URL] [--server URL] [--name NAME] [--at-once N] [--report http|message] [--no-begin]
//
// It begins, beats and finishes over HTTP; with `--report message` it reports through the queue duly.results, and with
// `--no-begin` as well it speaks AMQP alone.  docs/executors.md says why each step is there.
'use strict';
const { parseArgs } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const amqp = require('amqplib');

const retryMs = 300;
const remembered = 1000;
const text = (fallback) => ({ type: 'string', default: fallback });
const { values: options } = parseArgs({
  options: {
    queue: { type: 'string' },
    amqp: text('amqp://guest:guest@127.0.0.1:5672/%2f'),
    server: text('http://127.0.0.1:8080'),
    name: text('node'),
    'at-once': text('1'),
    report: text('http'),
    'no-begin': { type: 'boolean', default: false },
  },
});
const begins = !options['no-begin'];
if (!options.queue || (!begins && options.report === 'http')) {
  console.error('executor.js: --queue is required, and --no-begin only goes with --report message');
  process.exit(2);
}

class NotRetryable extends Error {}

// The work itself.  `stop` is aborted when nobody waits for it any more.
async function handle(type, payload, stop) {
  if (type === 'echo') return payload;
  if (type === 'work')
    return sleep(payload.ms, { whole: true }, { signal: stop }).catch(() => ({ whole: false }));
  if (type === 'fail') throw new Error('as asked');
  throw new NotRetryable(`no handler for ${type}`);
}

// Asked again until the server answers, because only an answer says what is on disk.
async function ask(messageId, step, fields = {}) {
  const [id, attempt] = messageId.split('.');
  for (;;) {
    try {
      const answer = await fetch(`${options.server}/v1/commands/${id}/attempts/${attempt}/${step}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ executor: options.name, ...fields }),
        signal: AbortSignal.timeout(10_000),
      });
      if (answer.status < 500 && answer.status !== 429) return { status: answer.status, ...(await answer.json()) };
    } catch {
      // Nobody answered: below.
    }
    await sleep(retryMs);
  }
}

// Until `ended`: says three times in a time-out that the work goes on.
async function beat(messageId, timeoutMs, stop, ended) {
  for (;;) {
    await sleep(timeoutMs / 3, undefined, { signal: ended }).catch(() => {});
    if (ended.aborted) return;
    const { status, cancelled } = await ask(messageId, 'heartbeat');
    if (status === 200 && !cancelled) continue;
    console.log('stops', messageId);
    stop.abort();
    return;
  }
}

const reports = new Map(); // of what ran without asking: by message id, to know a copy

async function work(messageId, type, body, timeoutMs) {
  console.log('runs', messageId);
  const [stop, ended] = [new AbortController(), new AbortController()];
  if (timeoutMs) beat(messageId, timeoutMs, stop, ended.signal);
  let report;
  try {
    report = { outcome: 'succeeded', result: await handle(type, JSON.parse(body), stop.signal) };
  } catch (failure) {
    report = { outcome: 'failed', error: String(failure), retryable: !(failure instanceof NotRetryable) };
  }
  ended.abort();
  if (!begins) reports.set(messageId, report);
  if (reports.size > remembered) reports.delete(reports.keys().next().value);
  return report;
}

async function execute(channel, message) {
  const { messageId, type, headers } = message.properties;
  let timeoutMs;
  if (begins) {
    const answer = await ask(messageId, 'begin', { token: headers['duly-token'] });
    // Either way this message has done its duty: an attempt begins once, and from then on the server watches it.
    channel.ack(message);
    if (answer.status !== 200) return console.log('refused', messageId, answer.detail);
    timeoutMs = answer.timeout_ms;
  }
  const report = reports.get(messageId) ?? (await work(messageId, type, message.content.toString(), timeoutMs));
  if (options.report === 'http') {
    const { status } = await ask(messageId, 'finish', report);
    return console.log(status === 200 ? 'finished' : 'stale', messageId);
  }
  // The report first, and only when the broker has it, the message that asked for it.
  const properties = { correlationId: messageId, persistent: true, mandatory: true, headers: { 'duly-token': headers['duly-token'] } };
  channel.sendToQueue('duly.results', Buffer.from(JSON.stringify({ executor: options.name, ...report })), properties);
  await channel.waitForConfirms();
  console.log('reported', messageId);
  if (!begins) channel.ack(message);
}

// Consumes until the connection or the channel is lost: what was not acknowledged then comes again.
async function consume() {
  const connection = await amqp.connect(options.amqp);
  const lost = new Promise((resolve) => connection.on('close', resolve));
  connection.on('error', () => {}); // and `close` follows
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => {});
  channel.on('return', () => channel.close().catch(() => {})); // no queue took a report: not confirmed, then
  channel.on('close', () => connection.close().catch(() => {}));
  await channel.prefetch(Number(options['at-once']));
  await channel.consume(`duly.execute.${options.queue}`, (message) => {
    if (message === null) return channel.close().catch(() => {}); // the queue was deleted
    execute(channel, message).catch((failure) => console.log('not sent:', String(failure)));
  });
  console.log('consumes');
  await lost;
}

(async () => {
  for (;;) {
    await consume().catch((lost) => console.log('away:', String(lost))); // 404: nobody has submitted to this queue yet
    await sleep(retryMs);
  }
})();
