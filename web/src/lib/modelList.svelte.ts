import * as api from './api/client';
import { ProblemError } from './api/problem';
import type { Model } from './api/types';

/** The models that the studio offers. */
class ModelList {
  #items = $state.raw<readonly Model[]>([]);
  #status = $state<'loading' | 'ready' | 'failed'>('loading');

  get items(): readonly Model[] {
    return this.#items;
  }

  get status(): 'loading' | 'ready' | 'failed' {
    return this.#status;
  }

  async load(): Promise<void> {
    this.#status = 'loading';
    try {
      this.#items = (await api.models()).items;
      this.#status = 'ready';
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.#status = 'failed';
    }
  }
}

export const modelList = new ModelList();
