#!/usr/bin/env node
// Runs the dashboard's tests: a real server, agents and RabbitMQ, and a real Chromium.
//
//   run.mjs [PART…]      all of them, or the files that contain one of these words (commands, shell, …)
import { after, before } from 'node:test';
import { readdirSync } from 'node:fs';
import { closeWorld, here, openWorld } from './lib/world.mjs';

const wanted = process.argv.slice(2);
before(openWorld);
after(closeWorld);
for (const name of readdirSync(here)
  .filter((one) => one.endsWith('.test.mjs'))
  .sort()) {
  if (wanted.length === 0 || wanted.some((part) => name.includes(part))) await import(`./${name}`);
}
