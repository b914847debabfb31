// The parts of the dashboard that need no browser.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCron, nextFires } from '../../control-server/dashboard/cron.js';
import { layersOf, placeNodes } from '../../control-server/dashboard/dag.js';
import { EventReader } from '../../control-server/dashboard/event_reader.js';
import { complaintOf, elements, member, pretty } from '../../control-server/dashboard/json_text.js';
import { ask, dashboard, fresh, get } from './lib/world.mjs';

test('no file of the dashboard writes markup, styles or code at run time, or is long', () => {
  for (const name of readdirSync(dashboard)) {
    const text = readFileSync(join(dashboard, name), 'utf8');
    assert.doesNotMatch(
      text,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'|srcdoc/,
      name,
    );
    assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/, `${name} names another server`);
    assert.ok(text.split('\n').length <= 400, `${name} is longer than 400 lines`);
    if (name.endsWith('.html')) assert.doesNotMatch(text, /<style|style=|\son\w+=|<script(?![^>]*\ssrc=)/, name);
  }
});

test('a member of an object is cut out as it was written', () => {
  const text = '{"a": {"b": 1, "payload": 2}, "payload" : [12345678901234567890, 1.0, "x\\"}"] ,"c":"payload"}';
  assert.equal(member(text, 'payload'), '[12345678901234567890, 1.0, "x\\"}"]');
  assert.equal(member(text, 'c'), '"payload"');
  assert.equal(member(text, 'b'), null);
  assert.deepEqual(elements('[1.0, {"a": [2, 3]}, "x,y", []]'), ['1.0', '{"a": [2, 3]}', '"x,y"', '[]']);
  assert.deepEqual(elements('[ ]'), []);
});

test('JSON is laid out without a token being changed', () => {
  assert.equal(
    pretty('{"n":12345678901234567890,"l":[1.50,{}],"e":[],"s":"a,b: {"}'),
    '{\n  "n": 12345678901234567890,\n  "l": [\n    1.50,\n    {}\n  ],\n  "e": [],\n  "s": "a,b: {"\n}',
  );
  assert.equal(complaintOf('{"a": 1}'), '');
  assert.notEqual(complaintOf('{"a": }'), '');
});

test('events are read however the stream is cut', () => {
  const text = ': hello\nid: 7\nevent: command\ndata: {"a":\ndata: 1}\n\nevent: reset\ndata:\n\n';
  for (let cut = 0; cut <= text.length; cut += 1) {
    const reader = new EventReader();
    const frames = [...reader.feed(text.slice(0, cut)), ...reader.feed(text.slice(cut))];
    assert.deepEqual(frames, [
      { id: '7', event: 'command', data: '{"a":\n1}' },
      { id: '', event: 'reset', data: '' },
    ]);
  }
});

test('a graph stands in layers, each node behind all it depends on', () => {
  const nodes = [
    ['a', []],
    ['b', ['a']],
    ['c', ['a']],
    ['d', ['b', 'c', 'a']],
  ].map(([name, depends_on]) => ({ name, depends_on }));
  const { layers, routes } = layersOf(nodes);
  const { places } = placeNodes(layers, { width: 100, height: 40, across: 50, down: 10, way: 4 });
  for (const { name, depends_on } of nodes)
    for (const parent of depends_on) assert.ok(places.get(parent).x < places.get(name).x);
  const long = routes.find((stops) => stops[0] === 'a' && stops.at(-1) === 'd');
  assert.equal(long.length, 3, 'a line over a layer passes through it');
  assert.equal(
    new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size,
    places.size,
    'no two stand in one place',
  );
});

const EXPRESSIONS = [
  '* * * * *',
  '*/7 8-18 * * MON-FRI',
  '30 2 * * *',
  '0 9 L * *',
  '0 0 13 * FRI',
  '15 4 * * FRIL',
  '0 12 * * MON#2,WED#4',
  '*/5 1-3 * 3,10 SUN',
  '@monthly',
  '@hourly',
  '0 0 29 2 *',
  '10,40 */3 1-7 * *',
  '5/15 22 * * 7',
  '0 30 2 * * *',
  '*/20 59 23 31 12 *',
  '~ 3 * * *',
  '0~29/10 ~ ~ * *',
  '~/10 * * * 1-5',
  '0 0 */2 * 1',
  '0 6 * JAN-MAR,DEC SAT,SUN',
];
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];

test('the fires shown while typing are those the server has', async () => {
  const from = '2027-03-13T00:00:00.000Z';
  for (const [i, cron] of EXPRESSIONS.entries()) {
    for (const time_zone of [ZONES[i % ZONES.length], 'Europe/Berlin']) {
      const name = fresh('preview');
      await ask('POST', '/v1/schedules', { name, cron, time_zone, enabled: false, command: { type: 'builtin.noop' } });
      const theirs = (await get(`/v1/schedules/${name}/next?count=40&from=${from}`)).items.map((one) => [
        one.fire_at,
        one.shift,
      ]);
      const ours = nextFires(parseCron(cron, name), time_zone, Date.parse(from) - 1, 40).map((one) => [
        new Date(one.at).toISOString(),
        one.shift,
      ]);
      assert.deepEqual(ours, theirs, `${cron} in ${time_zone}`);
      await ask('DELETE', `/v1/schedules/${name}`);
    }
  }
});

test('what the server refuses as a cron expression is refused here', async () => {
  for (const cron of [
    '',
    '* * * *',
    '60 * * * *',
    '* * 30 2 *',
    '5-1 * * * *',
    '*/0 * * * *',
    '* * * * MON#6',
    '@reboot',
    '1,,2 * * * *',
    'x * * * *',
  ]) {
    await assert.rejects(ask('POST', '/v1/schedules', { name: fresh('bad'), cron, command: { type: 'builtin.noop' } }));
    assert.throws(() => parseCron(cron, 'bad'), cron);
  }
});
