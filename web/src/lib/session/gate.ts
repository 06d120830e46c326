/** The one way to the server of a signed-in page, and what the tabs tell each other about the session. */
import { problemFrom } from '../api/problem';
import { BASE, Transport } from '../api/transport';
import { preferences } from '../memory';
import { Renewal } from './renewal';
import { loginAddress } from './returning';
import { stepUp } from './stepUp.svelte';

/** What the tabs of one browser tell each other: the session ended, or it is another one now. */
type Word = 'over' | 'changed';

let channel: BroadcastChannel | undefined;
let leaving = false;

async function ask(): Promise<number | 'over' | 'unreachable'> {
  try {
    const response = await fetch(`${BASE}/auth/refresh`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: '{}',
    });
    if (response.ok) return ((await response.json()) as { expires_in: number }).expires_in;
    const { problem } = await problemFrom(response);
    return problem.status === 401 || problem.status === 403 ? 'over' : 'unreachable';
  } catch {
    return 'unreachable';
  }
}

export const renewal = new Renewal({
  shelf: preferences,
  locks: globalThis.navigator?.locks,
  now: () => Date.now(),
  ask,
});

export const transport = new Transport({
  fetch: (url, init) => fetch(url, init),
  stamp: () => renewal.stamp(),
  renew: (seen) => renewal.renew(seen),
  onOver: (had) => {
    renewal.ended();
    tell('over');
    leave(loginAddress(location, had));
  },
  onStepUp: (methods) => stepUp.ask(methods),
});

/** Leaves for a fresh page, once: nothing of the session that was stays in memory. */
export function leave(address: string): void {
  if (leaving) return;
  leaving = true;
  location.replace(address);
}

export function tell(word: Word): void {
  channel?.postMessage(word);
}

/** Listens to the other tabs. `isInside`: this tab shows something that needs the session. */
export function listen(isInside: () => boolean): () => void {
  if (!('BroadcastChannel' in globalThis)) return () => undefined;
  channel = new BroadcastChannel('studio-session');
  channel.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data === 'over' && isInside()) leave(loginAddress(location, true));
    if (data === 'changed') location.reload();
  };
  return () => {
    channel?.close();
    channel = undefined;
  };
}
