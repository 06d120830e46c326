import type { GenerationUpdate } from '../api/types';
import { transport } from '../session/gate';
import { follow, type LinkStatus } from './connection';
import { type Channel, shareEvents } from './shared';

/** How long a line may be down before the page says so, in milliseconds. */
export const LOST_AFTER_MS = 20_000;

class Live {
  #status = $state<LinkStatus>('connecting');
  #lost = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  get status(): LinkStatus {
    return this.#status;
  }

  /** No live updates for so long that the reader should know. */
  get lost(): boolean {
    return this.#lost;
  }

  start(handlers: { onUpdate: (update: GenerationUpdate) => void; onLive: () => void }): () => void {
    return shareEvents({
      url: '/api/v1/events',
      follow: (options) => follow({ ...options, fetch: (url, init) => transport.send(String(url), init) }),
      locks: 'locks' in navigator ? navigator.locks : undefined,
      openChannel: 'BroadcastChannel' in globalThis ? () => new BroadcastChannel('studio-events') as Channel : undefined,
      onEvent: (event) => {
        const update = event.event === 'generation.updated' ? read(event.data) : undefined;
        if (update !== undefined) handlers.onUpdate(update);
      },
      onStatus: (status) => {
        const turned = status === 'live' && this.#status !== 'live';
        this.#status = status;
        clearTimeout(this.#timer);
        if (status === 'live') this.#lost = false;
        else this.#timer = setTimeout(() => (this.#lost = true), LOST_AFTER_MS);
        if (turned) handlers.onLive();
      },
    });
  }
}

function read(data: string): GenerationUpdate | undefined {
  try {
    return JSON.parse(data) as GenerationUpdate;
  } catch {
    return undefined;
  }
}

export const live = new Live();
