import { ProblemError } from './api/problem';

/** Something read from the studio: not there yet, there, or not to be had. */
export class Loaded<T> {
  #value = $state.raw<T | undefined>(undefined);
  #problem = $state.raw<ProblemError | undefined>(undefined);
  readonly #read: () => Promise<T>;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  get value(): T | undefined {
    return this.#value;
  }

  get problem(): ProblemError | undefined {
    return this.#problem;
  }

  async load(): Promise<void> {
    try {
      this.#value = await this.#read();
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.#problem = error;
    }
  }
}
