import { getContext, setContext } from 'svelte';
import { SvelteSet } from 'svelte/reactivity';
import { ProblemError } from './api/problem';
import { wasLeft } from './api/transport';

/** One thing at a time that a person asks for: whether it is under way, and why it did not work. */
export class Attempt {
  busy = $state(false);
  problem = $state.raw<ProblemError | undefined>(undefined);

  /** Runs it unless something is under way. True when it worked. */
  async run(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = undefined;
    try {
      await work();
      return true;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return false;
      if (!(error instanceof ProblemError)) throw error;
      if (!wasLeft(error)) this.problem = error;
      return false;
    } finally {
      this.busy = false;
    }
  }
}

/** What a field knows of the form around it. */
export class FormState {
  /** Ids of required fields that were empty when the form was sent. */
  missing = $state.raw<ReadonlySet<string>>(new Set());
  /** Names of the fields that are shown: what is wrong with them they say themselves. */
  readonly names = new SvelteSet<string>();
  readonly attempt: () => Attempt;
  /** Codes that are about one field, by the field's name. */
  readonly #blame: () => Readonly<Record<string, string>>;

  constructor(attempt: () => Attempt, blame: () => Readonly<Record<string, string>>) {
    this.attempt = attempt;
    this.#blame = blame;
  }

  /** The problem, where all of it is about this field. */
  blames(name: string): ProblemError | undefined {
    const { problem } = this.attempt();
    return problem !== undefined && this.#blame()[problem.problem.code] === name ? problem : undefined;
  }
}

const KEY = Symbol('form');

export const provideForm = (state: FormState): FormState => setContext(KEY, state);

export const formAround = (): FormState | undefined => getContext<FormState | undefined>(KEY);
