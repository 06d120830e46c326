/** One event of a stream, as the HTML standard's event-stream interpretation gives it. */
export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

/**
 * Reads `text/event-stream` piece by piece (HTML standard, section "Interpreting an event stream").
 * Own code rather than `EventSource`, because a tab that takes the stream over must say which event it
 * saw last, and `EventSource` sends no header of ours.
 */
export class StreamParser {
  /** Milliseconds that the server asked to wait before a new connection. */
  retry: number | undefined;
  #rest = '';
  #id: string;
  #event = '';
  #data: string[] = [];
  #first = true;

  constructor(lastEventId = '') {
    this.#id = lastEventId;
  }

  get lastEventId(): string {
    return this.#id;
  }

  push(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let text = this.#rest + piece;
    if (this.#first && text.length > 0) {
      if (text.startsWith('\uFEFF')) text = text.slice(1);
      this.#first = false;
    }
    let from = 0;
    for (;;) {
      const end = lineEnd(text, from);
      if (end === undefined) break;
      const event = this.#line(text.slice(from, end.at));
      if (event !== undefined) events.push(event);
      from = end.next;
    }
    this.#rest = text.slice(from);
    return events;
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return undefined;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  #dispatch(): StreamEvent | undefined {
    const event = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    return empty ? undefined : event;
  }
}

/** A line ends with LF, CR or CRLF; a CR at the very end may be half of a CRLF and waits for more. */
function lineEnd(text: string, from: number): { at: number; next: number } | undefined {
  for (let index = from; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\n') return { at: index, next: index + 1 };
    if (character === '\r') {
      if (index + 1 === text.length) return undefined;
      return { at: index, next: text[index + 1] === '\n' ? index + 2 : index + 1 };
    }
  }
  return undefined;
}
