/**
 * Renewing the session for every tab at once. The tokens are cookies that no script sees; all that is
 * known here is when the access token ends, in milliseconds, kept where the tabs can compare it.
 */
import type { Memory } from '../memory';

/** When the access token ends. The number also tells the tabs whether another one has renewed already. */
const STORED = 'studio.session_until';
const LOCK = 'studio-session';
/** How long before the end a visible tab renews, so that pictures never meet an ended session. */
export const AHEAD_MS = 60_000;
/** Never sooner than this after the last one, whatever the server says. */
export const SOONEST_MS = 5_000;

export type Renewed = 'renewed' | 'over' | 'unreachable';

export interface RenewalParts {
  shelf: Pick<Memory, 'read' | 'write'>;
  locks: Pick<LockManager, 'request'> | undefined;
  now: () => number;
  /** Asks the server; answers seconds of validity, `over` or `unreachable`. */
  ask: () => Promise<number | 'over' | 'unreachable'>;
}

export class Renewal {
  readonly #parts: RenewalParts;
  #flight: Promise<Renewed> | undefined;
  /** Used where nothing can be kept. */
  #own: string | null = null;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  /** What is known of the session's end; null when there was none in this browser. */
  stamp(): string | null {
    return this.#parts.shelf.read(STORED) ?? this.#own;
  }

  began(seconds: number): void {
    const now = this.#parts.now();
    let until = Math.round(now + seconds * 1_000);
    // A renewal is told from the one before by its number alone.
    if (String(until) === this.stamp()) until += 1;
    this.#own = String(until);
    this.#parts.shelf.write(STORED, this.#own);
  }

  ended(): void {
    this.#own = null;
    this.#parts.shelf.write(STORED, null);
  }

  /** Milliseconds until a visible tab should renew. */
  wait(): number {
    const until = Number(this.stamp());
    return Number.isFinite(until) && until > 0 ? Math.max(SOONEST_MS, until - AHEAD_MS - this.#parts.now()) : 0;
  }

  /**
   * Renews once for everybody who asks with the same stamp: in this tab by sharing the flight, between
   * tabs by a lock. Who comes after another tab has renewed gets its result.
   */
  async renew(seen: string | null = this.stamp()): Promise<Renewed> {
    this.#flight ??= this.#locked(seen).finally(() => (this.#flight = undefined));
    return this.#flight;
  }

  async #locked(seen: string | null): Promise<Renewed> {
    const once = (): Promise<Renewed> => this.#once(seen);
    return this.#parts.locks === undefined ? once() : ((await this.#parts.locks.request(LOCK, once)) as Renewed);
  }

  async #once(seen: string | null): Promise<Renewed> {
    const known = this.stamp();
    if (known !== seen) return known === null ? 'over' : 'renewed';
    const answer = await this.#parts.ask();
    if (typeof answer === 'number') {
      this.began(answer);
      return 'renewed';
    }
    if (answer === 'over') this.ended();
    return answer;
  }
}
