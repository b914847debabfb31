// beanstalkd: https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt.  Each caller has a connection of its own, as the
// protocol wants it: one request, one answer.  There is no bulk call; what stands for it is many puts written on one
// connection before their answers are read.  A delay is whole seconds: it is rounded up, for early is worse than late.
'use strict';
const net = require('net');
const { payload, run } = require('./driver.js');

const CALLERS = 64;
const PRIORITY = 1024;
const TIME_TO_RUN_S = 60;
const WITH_BODY = /^(?:RESERVED \d+|OK) (\d+)$/;

class Connection {
  constructor(port) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.waiting = [];  // who waits for an answer, the first first
    this.first = 0;
    this.left = Buffer.alloc(0);
    this.socket.on('data', (data) => this.take(data));
    this.socket.on('error', (problem) => { console.error(problem); process.exit(1); });
  }

  // The bytes of whole answers are taken off; `{words, body}` for each.
  take(data) {
    let left = this.left.length ? Buffer.concat([this.left, data]) : data;
    let end = left.indexOf('\r\n');
    while (end >= 0) {
      const line = left.toString('latin1', 0, end), size = WITH_BODY.exec(line);
      const whole = end + 2 + (size ? Number(size[1]) + 2 : 0);
      if (left.length < whole) break;
      const body = size ? left.toString('utf8', end + 2, whole - 2) : '';
      left = left.subarray(whole);
      this.next()({ words: line.split(' '), body });
      end = left.indexOf('\r\n');
    }
    this.left = left;
  }

  next() {
    const taken = this.waiting[this.first++];
    if (this.first === this.waiting.length) { this.waiting = []; this.first = 0; }
    return taken;
  }

  ask(text, wanted) {
    this.socket.write(text);
    return this.answer(wanted);
  }

  answer(wanted) {
    return new Promise((resolve, reject) => this.waiting.push((said) => {
      if (said.words[0] === wanted) resolve(said);
      else reject(new Error(`beanstalkd says ${said.words.join(' ')}`));
    }));
  }
}

function put({ id, due }) {
  const body = JSON.stringify(payload(id));
  const delay = due ? Math.max(Math.ceil((due - Date.now()) / 1000), 0) : 0;
  return `put ${PRIORITY} ${delay} ${TIME_TO_RUN_S} ${body.length}\r\n${body}\r\n`;
}

async function work(connection, start) {
  for (;;) {
    const { words, body } = await connection.ask('reserve\r\n', 'RESERVED');
    const done = start(JSON.parse(body).id);
    if (done) await done;
    await connection.ask(`delete ${words[1]}\r\n`, 'DELETED');
  }
}

async function counts(connection) {
  const { body } = await connection.ask('stats\r\n', 'OK');
  return ['ready', 'reserved', 'delayed', 'buried'].reduce(
    (sum, state) => sum + Number(new RegExp(`^current-jobs-${state}: (\\d+)$`, 'm').exec(body)[1]), 0);
}

run(async ({ server, role }) => {
  const size = role === 'client' ? CALLERS : server.concurrency;
  const free = Array.from({ length: size }, () => new Connection(server.port));
  const all = [...free];
  await counts(all[0]);
  return {
    add: async (id, due) => {
      const connection = free.pop();
      await connection.ask(put({ id, due }), 'INSERTED');
      free.push(connection);
    },
    addMany: async (jobs) => {
      const answers = jobs.map(() => all[0].answer('INSERTED'));
      all[0].socket.write(jobs.map(put).join(''));
      await Promise.all(answers);
    },
    unfinished: () => counts(all[0]),
    work: async (_, start) => {
      for (const connection of all) work(connection, start).catch((problem) => { console.error(problem); process.exit(1); });
    },
  };
});
