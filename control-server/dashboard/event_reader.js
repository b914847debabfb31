// Server-sent events out of a stream of text, however it is cut.  EventSource would do, but it cannot send a key.
export class EventReader {
  #rest = '';
  #frame = { event: 'message', data: [], id: '' };

  // The frames that this piece completes.
  feed(text) {
    this.#rest += text;
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const frames = [];
    for (const line of lines) {
      if (line === '') this.#end(frames);
      else this.#field(line);
    }
    return frames;
  }

  #end(frames) {
    const { event, data, id } = this.#frame;
    if (data.length > 0 || event !== 'message') frames.push({ event, data: data.join('\n'), id });
    this.#frame = { event: 'message', data: [], id: '' };
  }

  #field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#frame.event = value;
    if (name === 'data') this.#frame.data.push(value);
    if (name === 'id') this.#frame.id = value;
  }
}
