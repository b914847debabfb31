// BullMQ: https://docs.bullmq.io/.  The queue keeps nothing of what is done (removeOnComplete), as its documents advise for
// production; the client and the worker have a connection each.
'use strict';
const { Queue, Worker } = require('bullmq');
const { payload, run } = require('./driver.js');

const NAME = 'bench';
const KEEP = { removeOnComplete: true, removeOnFail: false };

run(async ({ server, role }) => {
  const connection = { host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null };
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  // The delay counts from the timestamp: both are given, so that it is due at `due` exactly.
  const options = (due) => {
    if (!due) return KEEP;
    const timestamp = Date.now();
    return { ...KEEP, timestamp, delay: Math.max(due - timestamp, 0) };
  };
  let worker = null, handler = null;
  if (role === 'worker') {
    worker = new Worker(NAME, async (job) => handler(job.data.id),
      { connection, concurrency: server.concurrency, autorun: false });
    await worker.waitUntilReady();
  }
  return {
    add: (id, due) => queue.add('noop', payload(id), options(due)),
    addMany: (jobs) => queue.addBulk(jobs.map(({ id, due }) => ({ name: 'noop', data: payload(id), opts: options(due) }))),
    unfinished: async () => {
      const counts = await queue.getJobCounts();
      return Object.values(counts).reduce((sum, one) => sum + one, 0);
    },
    work: async (_, start) => {
      handler = start;
      worker.run();
    },
  };
});
