import { StreamParser, type StreamEvent } from './parser';

export type LinkStatus = 'connecting' | 'live' | 'reconnecting';

/** The server sends a comment every 15 s; three of them missing means that the line is dead. */
export const SILENCE_MS = 45_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

export interface FollowOptions {
  url: string;
  signal: AbortSignal;
  lastEventId: () => string;
  onEvent: (event: StreamEvent) => void;
  onStatus: (status: LinkStatus) => void;
  fetch?: typeof fetch;
  random?: () => number;
  wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Milliseconds before connection number `failures` + 1: doubling, capped, and spread by up to a half. */
export function backoff(failures: number, random: number, asked = 0): number {
  const doubled = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures, 10), LONGEST_WAIT_MS);
  return Math.max(asked, doubled * (0.5 + random / 2));
}

/** Follows the stream until the signal says stop, connecting again and again where it left off. */
export async function follow(options: FollowOptions): Promise<void> {
  const wait = options.wait ?? pause;
  const random = options.random ?? Math.random;
  let failures = 0;
  let asked: number | undefined;
  options.onStatus('connecting');
  while (!options.signal.aborted) {
    const link = new AbortController();
    const stop = (): void => link.abort();
    options.signal.addEventListener('abort', stop, { once: true });
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
    };
    try {
      heard();
      const lastEventId = options.lastEventId();
      const response = await (options.fetch ?? fetch)(options.url, {
        headers: { accept: 'text/event-stream', ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }) },
        cache: 'no-store',
        signal: link.signal,
      });
      if (response.ok && response.body !== null) {
        failures = 0;
        options.onStatus('live');
        const parser = new StreamParser(lastEventId);
        const decoder = new TextDecoder();
        const reader = response.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          heard();
          for (const event of parser.push(decoder.decode(value, { stream: true }))) options.onEvent(event);
        }
        asked = parser.retry;
      }
    } catch {
      // A broken line is the ordinary case here; what follows is the same as for one that was closed.
    } finally {
      clearTimeout(silence);
      options.signal.removeEventListener('abort', stop);
    }
    if (options.signal.aborted) return;
    options.onStatus('reconnecting');
    await wait(backoff(failures, random(), asked), options.signal);
    failures += 1;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
