// pg-boss: https://timgit.github.io/pg-boss/.  Workers fetch batches, at the shortest interval of polling that it takes; a batch is
// completed in one statement.
'use strict';
const PgBoss = require('pg-boss');
const { payload, run } = require('./driver.js');

const NAME = 'bench';


run(async ({ server, role }) => {
  const boss = new PgBoss({ connectionString: server.url, max: server.pool,
    schedule: false });
  boss.on('error', (problem) => console.error(problem));
  await boss.start();
  await boss.createQueue(NAME);
  const spec = (due) => (due ? { startAfter: new Date(due) } : {});
  return {
    add: (id, due) => boss.send(NAME, payload(id), spec(due)),
    addMany: (jobs) => boss.insert(jobs.map(({ id, due }) => ({ name: NAME, data: payload(id), ...spec(due) }))),
    unfinished: () => boss.getQueueSize(NAME, { before: 'completed' }),
    work: async (settings, start) => {
      const options = { batchSize: server.batch, pollingIntervalSeconds: 0.5 };
      const handler = async (jobs) => {
        const open = [];
        for (const job of jobs) {
          const done = start(job.data.id);
          if (done) open.push(done);
        }
        await Promise.all(open);
      };
      for (let i = 0; i < server.workers; i++) {
        await boss.work(NAME, options, handler);
      }
    },
  };
});
