// Who gets a command when it is due: an executor of its queue, or an exchange of one's own.
import { el } from './el.js';
import { field, input, radios } from './field.js';
import { complaintOf } from './json_text.js';

const KINDS = ['string', 'number', 'boolean'];

// What is wrong with the text of the headers; empty = nothing.
function headersComplaint(text) {
  if (text === '') return '';
  if (complaintOf(text)) return complaintOf(text);
  const headers = JSON.parse(text);
  if (headers === null || typeof headers !== 'object' || Array.isArray(headers)) return 'An object: {"region": "eu"}.';
  return Object.values(headers).every((value) => KINDS.includes(typeof value))
    ? ''
    : 'Texts, numbers, true and false only.';
}

export class DeliveryForm {
  // deliver: as the API shows it, or null; headers: their raw text.
  constructor(deliver, headers = '') {
    this.who = radios(
      'When it is due',
      [
        ['run', 'an executor runs it'],
        ['deliver', 'it is published to an exchange of yours, and that is all'],
      ],
      deliver ? 'deliver' : 'run',
      () => this.#draw(),
    );
    this.exchange = field(
      'Exchange',
      input({ value: deliver?.exchange ?? '', placeholder: 'orders' }),
      'It must be there; empty: the default one, which knows every queue by its name.',
    );
    this.routingKey = field('Routing key', input({ value: deliver?.routing_key ?? '' }), 'Of the message.');
    this.headers = field(
      'Headers',
      el('textarea', { rows: 2, value: headers === '{}' ? '' : headers, placeholder: '{"region": "eu"}' }),
      'A JSON object, passed on as they are.',
    );
    this.fields = el('div', { class: 'grid' }, this.exchange, this.routingKey, this.headers);
    this.nodes = [this.who, this.fields];
    this.#draw();
  }

  get #delivers() {
    return this.who.value === 'deliver';
  }

  get #headersText() {
    return this.headers.control.value.trim();
  }

  #draw() {
    this.fields.hidden = !this.#delivers;
  }

  get boxes() {
    return { exchange: this.exchange, routing_key: this.routingKey, headers: this.headers };
  }

  // Marks what cannot be read; true when all can.
  check() {
    if (!this.#delivers) return true;
    const nowhere = this.exchange.control.value === '' && this.routingKey.control.value === '';
    this.exchange.complain(nowhere ? 'Name an exchange, or a queue as the routing key.' : '');
    const complaint = headersComplaint(this.#headersText);
    this.headers.complain(complaint);
    return !nowhere && complaint === '';
  }

  // The member `deliver` as raw text; null when an executor runs it.
  get raw() {
    if (!this.#delivers) return null;
    const texts = [
      `"exchange":${JSON.stringify(this.exchange.control.value)}`,
      `"routing_key":${JSON.stringify(this.routingKey.control.value)}`,
      this.#headersText && `"headers":${this.#headersText}`,
    ];
    return `{${texts.filter(Boolean).join(',')}}`;
  }
}
