import { SvelteSet } from 'svelte/reactivity';
import * as api from '../api/client';
import { ProblemError } from '../api/problem';
import type { Generation, GenerationRequest, GenerationUpdate } from '../api/types';
import { apply, isActive, type Known, merge, milestone, type Milestone, without } from './reduce';

const PAGE = 24;

/** The generations this page knows, newest first, kept current by the server's events. */
class Generations {
  #items = $state.raw<readonly Known[]>([]);
  #status = $state<'loading' | 'ready' | 'failed'>('loading');
  #problem = $state.raw<ProblemError | undefined>(undefined);
  #cursor = $state<string | null>(null);
  /** Finished while this page looked on: only these are shown developing. */
  readonly witnessed = new SvelteSet<string>();
  readonly #reading = new Set<string>();
  #tell: (milestone: Milestone, generation: Generation) => void = () => undefined;

  get items(): readonly Generation[] {
    return this.#items;
  }

  get status(): 'loading' | 'ready' | 'failed' {
    return this.#status;
  }

  get problem(): ProblemError | undefined {
    return this.#problem;
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  find(id: string): Generation | undefined {
    return this.#items.find((item) => item.id === id);
  }

  /** Whoever speaks hears of every milestone of a generation that changed while the page was open. */
  onMilestone(tell: (milestone: Milestone, generation: Generation) => void): void {
    this.#tell = tell;
  }

  /** Reads the newest page; also after a broken line, when events may have been missed. */
  async refresh(): Promise<void> {
    try {
      const page = await api.listGenerations(PAGE);
      if (this.#status !== 'ready') this.#cursor = page.next_cursor ?? null;
      this.#take(page.items, this.#status === 'ready');
      this.#status = 'ready';
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (this.#status !== 'ready') this.#status = 'failed';
      this.#problem = error;
    }
  }

  async more(): Promise<void> {
    if (this.#cursor === null) return;
    const page = await api.listGenerations(PAGE, this.#cursor);
    this.#cursor = page.next_cursor ?? null;
    this.#take(page.items, false);
  }

  async read(id: string): Promise<Generation> {
    const found = await api.generation(id);
    this.#take([found], this.find(id) !== undefined);
    return found;
  }

  async submit(request: GenerationRequest, key: string): Promise<Generation> {
    return this.#settle(await api.createGeneration(request, key), true);
  }

  async cancel(id: string, key: string): Promise<void> {
    try {
      await this.#settle(await api.cancelGeneration(id, key), false);
    } catch (error) {
      // It ended at the same moment: show how.
      if (error instanceof ProblemError && error.problem.status === 409) await this.#catchUp(id);
      throw error;
    }
  }

  async retry(id: string, key: string): Promise<Generation> {
    return this.#settle(await api.retryGeneration(id, key), true);
  }

  async remove(id: string): Promise<void> {
    await api.deleteGeneration(id);
    this.#items = without(this.#items, id);
  }

  receive(update: GenerationUpdate): void {
    const before = this.find(update.data.id);
    const step = apply(this.#items, update);
    this.#items = step.items;
    const after = this.find(update.data.id);
    if (after !== undefined && before !== undefined) this.#speak(before, after);
    if (step.effect === 'read') void this.#catchUp(update.data.id);
  }

  /** Reads one that changed in ways its event does not tell; one reading per generation at a time. */
  async #catchUp(id: string): Promise<void> {
    if (this.#reading.has(id)) return;
    this.#reading.add(id);
    try {
      this.#take([await api.generation(id)], true);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      // Gone or out of reach: the next refresh decides.
    } finally {
      this.#reading.delete(id);
    }
  }

  /** An answer may be a bare `{id, state}`; the rest is read. */
  async #settle(answer: Generation, fresh: boolean): Promise<Generation> {
    const whole = typeof answer.prompt === 'string' ? answer : await api.generation(answer.id);
    this.#take([whole], true, fresh);
    return whole;
  }

  #take(incoming: readonly Generation[], watched: boolean, fresh = false): void {
    const before = new Map(this.#items.map((item) => [item.id, item]));
    this.#items = merge(this.#items, incoming);
    if (!watched) return;
    for (const item of incoming) {
      const known = before.get(item.id);
      const after = this.find(item.id);
      if (after === undefined || (known === undefined && !fresh)) continue;
      this.#speak(known, after);
    }
  }

  #speak(before: Generation | undefined, after: Generation): void {
    if (after.state === 'succeeded' && (before === undefined || isActive(before.state))) {
      this.witnessed.add(after.id);
    }
    const reached = milestone(before, after);
    if (reached !== undefined) this.#tell(reached, after);
  }
}

export const generations = new Generations();
