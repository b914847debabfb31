// Where the reader is: '#/commands/cmd_…?state=dead' → the parts of the path and the parameters.
export function currentRoute() {
  const hash = location.hash.replace(/^#/, '') || '/';
  const [path, text = ''] = hash.split('?');
  return {
    parts: path.split('/').filter(Boolean).map(decode),
    parameters: Object.fromEntries(new URLSearchParams(text)),
    hash,
  };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function href(parts, parameters = {}) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const query = pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : '';
  return `#/${parts.map(encodeURIComponent).join('/')}${query}`;
}

export const go = (parts, parameters) => {
  location.hash = href(parts, parameters);
};

// The same view with other parameters, without a step in the browser's history.
export function refine(parts, parameters) {
  history.replaceState(null, '', href(parts, parameters));
}

const KINDS = { cmd_: 'commands', wf_: 'workflows', op_: 'operations' };

// The view of an id, by its prefix; null when it is none.
export function placeOf(id) {
  const kind = Object.keys(KINDS).find((prefix) => id.startsWith(prefix));
  return kind && /^[a-z]+_[0-9A-Za-z]{13}$/.test(id) ? [KINDS[kind], id] : null;
}
