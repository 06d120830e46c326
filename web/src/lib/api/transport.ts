/**
 * Every request of a signed-in page goes through here: an access token that ended is renewed once and
 * the request repeated; where a fresh proof is asked for, the person gives it and the request is
 * repeated; where the session is over, the page is told.
 */
import type { Renewed } from '../session/renewal';
import { problemFrom, ProblemError, unreachable } from './problem';

export const BASE = '/api/v1';

/** 401 codes that are about the session. Others are an answer to what was typed and belong to the screen. */
const ABOUT_SESSION = ['login_required', 'session_over', 'token_expired', 'token_invalid', 'http.401'];

export interface TransportParts {
  fetch: typeof fetch;
  stamp: () => string | null;
  renew: (seen: string | null) => Promise<Renewed>;
  /** The session is over: the page leaves for the login. `had`: there was one until now. */
  onOver: (had: boolean) => void;
  /** Asks for a fresh proof; false when the person left it. */
  onStepUp: (methods: readonly string[]) => Promise<boolean>;
}

/** The person closed the question for a fresh proof: nothing was changed and nothing needs to be said. */
export const stepUpLeft = (): ProblemError =>
  new ProblemError({ type: 'about:blank', title: 'Left', status: 403, code: 'client.step_up_left' });

export const wasLeft = (error: unknown): boolean =>
  error instanceof ProblemError && error.problem.code === 'client.step_up_left';

export class Transport {
  readonly #parts: TransportParts;

  constructor(parts: TransportParts) {
    this.#parts = parts;
  }

  /** As `fetch`: the answer, whatever it is, unless the session is over. Bodies must be repeatable. */
  async send(url: string, init: RequestInit = {}): Promise<Response> {
    let renewed = false;
    for (;;) {
      const seen = this.#parts.stamp();
      const response = await this.#fetch(url, init);
      if (response.status === 401) {
        const problem = await problemFrom(response.clone());
        if (!ABOUT_SESSION.includes(problem.problem.code)) return response;
        // A browser that had no session has nothing to renew.
        const outcome = renewed || (seen === null && problem.problem.code !== 'token_expired') ? 'over' : await this.#parts.renew(seen);
        if (outcome === 'unreachable') throw unreachable();
        if (outcome === 'over') {
          this.#parts.onOver(seen !== null);
          throw problem;
        }
        renewed = true;
        continue;
      }
      if (response.status === 403) {
        const problem = await problemFrom(response.clone());
        if (problem.problem.code === 'step_up_required') {
          if (await this.#parts.onStepUp(problem.problem.methods ?? [])) continue;
          throw stepUpLeft();
        }
      }
      return response;
    }
  }

  /** The answer when it is a yes; else its problem, thrown. */
  async call(path: string, init?: RequestInit): Promise<Response> {
    const response = await this.send(BASE + path, { ...init, headers: { accept: 'application/json', ...init?.headers } });
    if (!response.ok) throw await problemFrom(response);
    return response;
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#parts.fetch(url, init);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      throw unreachable();
    }
  }
}
