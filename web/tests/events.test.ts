import { describe, expect, test } from 'vitest';
import { backoff, follow, type LinkStatus } from '../src/lib/events/connection';
import { StreamParser, type StreamEvent } from '../src/lib/events/parser';
import { type Channel, type Message, shareEvents } from '../src/lib/events/shared';

const STREAM =
  '\uFEFF: hello\r\nretry: 250\r\n\r\nid: 7\nevent: generation.updated\ndata: {"a":1}\ndata: {"b":2}\n\n' +
  'data\n\nid: 8\r\rdata:x\rnonsense: y\r\r\nid: bad\0id\ndata: last\n\n';

const EXPECTED: StreamEvent[] = [
  { id: '7', event: 'generation.updated', data: '{"a":1}\n{"b":2}' },
  { id: '7', event: 'message', data: '' },
  { id: '8', event: 'message', data: 'x' },
  { id: '8', event: 'message', data: 'last' },
];

describe('reading a stream', () => {
  test('as the standard says', () => {
    const parser = new StreamParser();
    expect(parser.push(STREAM)).toEqual(EXPECTED);
    expect(parser.retry).toBe(250);
    expect(parser.lastEventId).toBe('8');
  });

  test('the same wherever the pieces are cut', () => {
    for (let cut = 1; cut < STREAM.length; cut += 1) {
      const parser = new StreamParser();
      expect([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))], `cut at ${cut}`).toEqual(EXPECTED);
    }
    const parser = new StreamParser();
    expect([...STREAM].flatMap((character) => parser.push(character))).toEqual(EXPECTED);
  });
});

describe('following a stream', () => {
  test('the wait doubles, is spread, capped, and not shorter than asked', () => {
    expect(backoff(0, 1)).toBe(500);
    expect(backoff(0, 0)).toBe(250);
    expect(backoff(3, 1)).toBe(4_000);
    expect(backoff(30, 1)).toBe(20_000);
    expect(backoff(0, 0, 3_000)).toBe(3_000);
  });

  test('goes on from the last event after the line breaks', async () => {
    const stop = new AbortController();
    const asked: (string | null)[] = [];
    const statuses: LinkStatus[] = [];
    const heard: string[] = [];
    let last = '';
    const answers = [new Response('id: 5\ndata: one\n\n'), new Response(null, { status: 503 }), new Response('id: 6\ndata: two\n\n')];
    await follow({
      url: '/events',
      signal: stop.signal,
      lastEventId: () => last,
      onEvent: (event) => {
        last = event.id;
        heard.push(event.data);
        if (event.data === 'two') stop.abort();
      },
      onStatus: (status) => statuses.push(status),
      random: () => 0,
      wait: () => Promise.resolve(),
      fetch: (_url, init) => {
        asked.push(new Headers(init?.headers).get('last-event-id'));
        const answer = answers.shift();
        return answer === undefined ? Promise.reject(new TypeError('no more')) : Promise.resolve(answer);
      },
    });
    expect(heard).toEqual(['one', 'two']);
    expect(asked).toEqual([null, '5', '5']);
    expect(statuses).toEqual(['connecting', 'live', 'reconnecting', 'reconnecting', 'live']);
  });
});

/** Tabs of one browser: channels that hear each other, and one lock. */
class Browser {
  readonly channels = new Set<Channel>();
  readonly queue: (() => void)[] = [];
  held = false;

  openChannel = (): Channel => {
    const channel: Channel = {
      onmessage: null,
      postMessage: (message: Message) => {
        for (const other of this.channels) if (other !== channel) other.onmessage?.({ data: message });
      },
      close: () => void this.channels.delete(channel),
    };
    this.channels.add(channel);
    return channel;
  };

  locks = {
    request: async (_name: string, options: { signal: AbortSignal }, work: () => Promise<void>): Promise<void> => {
      if (this.held) await new Promise<void>((resolve) => this.queue.push(resolve));
      if (options.signal.aborted) return;
      this.held = true;
      await work();
      this.held = false;
      this.queue.shift()?.();
    },
  } as unknown as LockManager;
}

interface Tab {
  heard: string[];
  statuses: LinkStatus[];
  close: () => void;
}

describe('one stream for all tabs', () => {
  function setUp(): { tab: () => Tab; streams: { resumedFrom: string; emit: (id: string) => void; live: () => void }[] } {
    const browser = new Browser();
    const streams: { resumedFrom: string; emit: (id: string) => void; live: () => void }[] = [];
    const tab = (): Tab => {
      const heard: string[] = [];
      const statuses: LinkStatus[] = [];
      const close = shareEvents({
        url: '/events',
        locks: browser.locks,
        openChannel: browser.openChannel,
        onEvent: (event) => heard.push(event.id),
        onStatus: (status) => statuses.push(status),
        follow: ({ lastEventId, onEvent, onStatus, signal }) => {
          streams.push({
            resumedFrom: lastEventId(),
            emit: (id) => onEvent({ id, event: 'generation.updated', data: '{}' }),
            live: () => onStatus('live'),
          });
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
        },
      });
      return { heard, statuses, close };
    };
    return { tab, streams };
  }

  test('the leader follows, the others are told', () => {
    const { tab, streams } = setUp();
    const first = tab();
    streams[0]?.live();
    const second = tab();
    streams[0]?.emit('1');
    expect(streams).toHaveLength(1);
    expect(first.heard).toEqual(['1']);
    expect(second.heard).toEqual(['1']);
    // A tab that comes later learns at once that the line is up.
    expect(second.statuses.at(-1)).toBe('live');
  });

  test('when the leader leaves, another goes on from the last event', async () => {
    const { tab, streams } = setUp();
    const first = tab();
    const second = tab();
    streams[0]?.emit('41');
    first.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(streams).toHaveLength(2);
    expect(streams[1]?.resumedFrom).toBe('41');
    streams[1]?.emit('42');
    expect(second.heard).toEqual(['41', '42']);
  });
});
