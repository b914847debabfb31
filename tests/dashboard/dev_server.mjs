#!/usr/bin/env node
// Serves control-server/dashboard from disk, as the binary serves it, and passes everything else on to a running
// server: for working on the dashboard without building.
//
//   dev_server.mjs http://127.0.0.1:8080 [PORT]      prints its own address
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../../control-server/dashboard');
const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async function serveFile(name, from, response) {
  const body = basename(name) === name ? await readFile(join(folder, name)).catch(() => null) : null;
  if (body === null) return response.writeHead(404).end();
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
  const seen = from.headers['if-none-match'] === etag;
  response.writeHead(seen ? 304 : 200, {
    'Content-Type': types[extname(name)] ?? 'application/octet-stream',
    ETag: etag,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  response.end(seen ? undefined : body);
}

// A server that is away looks to the browser as it would without us: the connection breaks.
function passOn(target, from, response) {
  const headers = { ...from.headers, host: target.host };
  if (headers.origin) headers.origin = target.origin;
  const onward = request(new URL(from.url, target), { method: from.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  from.pipe(onward);
}

const target = new URL(process.argv[2]);
const server = createServer((from, response) => {
  const path = from.url.split('?')[0];
  if (path === '/') return serveFile('index.html', from, response);
  if (path.startsWith('/dashboard/'))
    return serveFile(decodeURIComponent(path.slice('/dashboard/'.length)), from, response);
  passOn(target, from, response);
});
server.listen(Number(process.argv[3] ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
