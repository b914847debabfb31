// The HTTP API: one function a verb, problems as errors, the key where there is one.
import { connection } from './connection.js';
import { heardDate } from './format.js';
import { askForKey, currentKey } from './key.js';

const PATIENCE_MS = 20000;

// What the server says is wrong (RFC 9457).
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.status = status;
    this.errors = document.errors ?? [];
  }
}

// No answer, or none of the server's own.
export class Offline extends Error {
  constructor() {
    super('The server does not answer.');
  }
}

async function problemOf(response) {
  const type = response.headers.get('Content-Type') ?? '';
  if (!type.includes('json')) {
    // A proxy in front of a server that is away.
    if (response.status >= 502) return new Offline();
    return new Problem(response.status, {});
  }
  return new Problem(response.status, await response.json().catch(() => ({})));
}

// Relative, so that the dashboard also works below a path of somebody's proxy.
async function send(method, path, { body, headers = {}, signal, stream = false } = {}) {
  const all = { ...headers };
  if (body !== undefined) all['Content-Type'] = 'application/json';
  if (currentKey()) all.Authorization = `Bearer ${currentKey()}`;
  const signals = stream ? [signal] : [signal, AbortSignal.timeout(PATIENCE_MS)];
  const response = await fetch(path.slice(1), {
    method,
    headers: all,
    body,
    cache: 'no-store',
    signal: AbortSignal.any(signals.filter(Boolean)),
  });
  heardDate(response.headers.get('Date'));
  return response;
}

// Aborted by the one who asked: passed on; anything else that is no answer is Offline.
function unanswered(error, signal) {
  if (signal?.aborted) return error;
  connection.failed();
  return new Offline();
}

export async function request(method, path, options = {}) {
  for (;;) {
    let response;
    try {
      response = await send(method, path, options);
    } catch (error) {
      throw unanswered(error, options.signal);
    }
    if (response.ok) {
      connection.heard();
      return response;
    }
    const problem = await problemOf(response);
    if (problem instanceof Offline) connection.failed();
    else connection.heard();
    if (response.status !== 401 || !(await askForKey(problem.message))) throw problem;
  }
}

async function textOf(response, signal) {
  try {
    return await response.text();
  } catch (error) {
    throw unanswered(error, signal);
  }
}

// The answer as text: numbers in a payload may be longer than JavaScript's.
export async function getText(path, options = {}) {
  return textOf(await request('GET', path, options), options.signal);
}

async function ask(method, path, options) {
  const text = await textOf(await request(method, path, options), options.signal);
  return text === '' ? null : JSON.parse(text);
}

export const get = (path, options = {}) => ask('GET', path, options);
export const post = (path, value, options = {}) => ask('POST', path, withBody(value, options));
export const put = (path, value, options = {}) => ask('PUT', path, withBody(value, options));
export const remove = (path, options = {}) => ask('DELETE', path, options);

// A string is JSON already.
function withBody(value, options) {
  if (value === undefined) return options;
  return { ...options, body: typeof value === 'string' ? value : JSON.stringify(value) };
}

export function query(path, parameters) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}

export const segment = encodeURIComponent;

// Random enough to be nobody else's; crypto.randomUUID is not there on plain HTTP.
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dash-${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}
