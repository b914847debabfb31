// graphile-worker: https://worker.graphile.org/docs/performance has the settings of the worker that are used here.
'use strict';
const { Pool } = require('pg');
const { Logger, makeWorkerUtils, run: runWorker } = require('graphile-worker');
const { payload, run } = require('./driver.js');

const quiet = new Logger(() => () => {});


run(async ({ server, role }) => {
  const connectionString = server.url;
  const pool = new Pool({ connectionString, max: server.pool });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  const spec = (due) => (due ? { runAt: new Date(due) } : {});
  return {
    add: (id, due) => utils.addJob('noop', payload(id), spec(due)),
    addMany: (jobs) => utils.addJobs(jobs.map(({ id, due }) => ({ identifier: 'noop', payload: payload(id), ...spec(due) }))),
    unfinished: async () => Number((await pool.query('select count(*) from graphile_worker._private_jobs')).rows[0].count),
    work: (settings, start) => runWorker({
      preset: {
        worker: {
          connectionString, concurrentJobs: server.concurrency, maxPoolSize: server.concurrency + 1, logger: quiet,
          pollInterval: server.poll_ms, localQueue: { size: server.local }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
        },
      },
      noHandleSignals: true,
      taskList: { noop: async ({ id }) => start(id) },
    }),
  };
});
