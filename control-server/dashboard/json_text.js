// JSON as it was written.  A payload goes through Duly byte for byte, and a number in it may be longer than
// JavaScript's: so it is cut out of the answer and laid out, never parsed and written anew.

// The end of the string that begins at `at`.
function stringEnd(text, at) {
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

const SPACE = /\s/;

// Calls token(text) for each string, number, word and mark of valid JSON, in order.
function eachToken(text, token) {
  let at = 0;
  while (at < text.length) {
    if (SPACE.test(text[at])) {
      at += 1;
    } else if (text[at] === '"') {
      const end = stringEnd(text, at);
      token(text.slice(at, end), at, end);
      at = end;
    } else if ('{}[],:'.includes(text[at])) {
      token(text[at], at, at + 1);
      at += 1;
    } else {
      let end = at;
      while (end < text.length && !SPACE.test(text[end]) && !'{}[],:"'.includes(text[end])) end += 1;
      token(text.slice(at, end), at, end);
      at = end;
    }
  }
}

// The text of member `name` of the object `text`, as it stands there; null when there is none.
export function member(text, name) {
  const wanted = JSON.stringify(name);
  let depth = 0;
  let key = null;
  let begin = -1;
  let found = null;
  let previous = '';
  eachToken(text, (token, at, end) => {
    if (found !== null) return;
    if (depth === 1 && token === ':' && begin < 0) {
      key = previous;
      begin = end;
    } else if (depth === 1 && (token === ',' || token === '}')) {
      if (key === wanted) found = text.slice(begin, at).trim();
      begin = -1;
      key = null;
    }
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    previous = token;
  });
  return found;
}

// The texts of the elements of the array `text`.
export function elements(text) {
  const found = [];
  let depth = 0;
  let begin = 0;
  eachToken(text, (token, at, end) => {
    if (depth === 1 && (token === ',' || token === ']') && text.slice(begin, at).trim() !== '')
      found.push(text.slice(begin, at).trim());
    if ('[{'.includes(token)) depth += 1;
    if (']}'.includes(token)) depth -= 1;
    if (depth === 1 && (token === ',' || token === '[')) begin = end;
  });
  return found;
}

// Indented, each token untouched.
export function pretty(text) {
  let out = '';
  let depth = 0;
  let previous = '';
  const fresh = () => `\n${'  '.repeat(depth)}`;
  eachToken(text, (token) => {
    const opens = previous === '{' || previous === '[';
    if (token === '}' || token === ']') {
      depth -= 1;
      out += opens ? token : fresh() + token;
    } else {
      if (opens) out += fresh();
      out += token;
      if (token === ',') out += fresh();
      if (token === ':') out += ' ';
      if (token === '{' || token === '[') depth += 1;
    }
    previous = token;
  });
  return out;
}

// What is wrong with it, in a few words; empty when it is JSON.
export function complaintOf(text) {
  if (text.trim() === '') return 'Empty: write null for no payload.';
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error.message.replace(/^JSON\.parse: /, '').replace(/ \(line.*$/, '');
  }
}
