import * as identity from '../api/identity';
import type { Policy } from '../api/identityTypes';
import { ProblemError } from '../api/problem';

/** What a visitor may do here, as the studio says. */
class Entry {
  #policy = $state.raw<Policy | undefined>(undefined);
  #problem = $state.raw<ProblemError | undefined>(undefined);

  get policy(): Policy | undefined {
    return this.#policy;
  }

  get problem(): ProblemError | undefined {
    return this.#problem;
  }

  async load(): Promise<void> {
    this.#problem = undefined;
    try {
      this.#policy = await identity.policy();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.#problem = error;
    }
  }
}

export const entry = new Entry();
