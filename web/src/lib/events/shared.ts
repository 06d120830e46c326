import type { FollowOptions, LinkStatus } from './connection';
import type { StreamEvent } from './parser';

/**
 * One stream per browser, shared by its tabs. Over HTTP/1.1 a browser allows six connections per host
 * for all tabs together, so a stream in each would starve everything else.
 *
 * The tab that holds the lock is the leader: it follows the stream and passes on what it hears. When it
 * closes, the lock moves to another tab, which goes on from the last event that it was told of.
 */
export interface SharedOptions {
  url: string;
  follow: (options: FollowOptions) => Promise<void>;
  onEvent: (event: StreamEvent) => void;
  onStatus: (status: LinkStatus) => void;
  /** Absent in insecure contexts: then each tab follows the stream itself. */
  locks: LockManager | undefined;
  openChannel: (() => Channel) | undefined;
}

export interface Channel {
  postMessage(message: Message): void;
  onmessage: ((event: { data: Message }) => void) | null;
  close(): void;
}

export type Message =
  | { kind: 'event'; event: StreamEvent }
  | { kind: 'status'; status: LinkStatus; lastEventId: string }
  | { kind: 'hello' };

const LOCK = 'studio-events';

export function shareEvents(options: SharedOptions): () => void {
  const stop = new AbortController();
  const channel = options.openChannel?.();
  let leading = false;
  let status: LinkStatus = 'connecting';
  let lastEventId = '';

  const hear = (event: StreamEvent): void => {
    if (event.id !== '') lastEventId = event.id;
    options.onEvent(event);
  };
  const learn = (next: LinkStatus): void => {
    status = next;
    options.onStatus(next);
  };
  const tell = (): void => channel?.postMessage({ kind: 'status', status, lastEventId });

  if (channel !== undefined) {
    channel.onmessage = ({ data }) => {
      if (leading) {
        if (data.kind === 'hello') tell();
      } else if (data.kind === 'event') {
        hear(data.event);
      } else if (data.kind === 'status') {
        if (data.lastEventId !== '') lastEventId = data.lastEventId;
        learn(data.status);
      }
    };
    channel.postMessage({ kind: 'hello' });
  }

  const lead = async (): Promise<void> => {
    leading = true;
    await options.follow({
      url: options.url,
      signal: stop.signal,
      lastEventId: () => lastEventId,
      onEvent: (event) => {
        hear(event);
        channel?.postMessage({ kind: 'event', event });
      },
      onStatus: (next) => {
        learn(next);
        tell();
      },
    });
  };

  if (options.locks === undefined || channel === undefined) void lead();
  else options.locks.request(LOCK, { signal: stop.signal }, lead).catch(ignoreAbort);

  return () => {
    stop.abort();
    channel?.close();
  };
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
}
