/** What the browser keeps between visits. Every access may be refused (private windows, policy); then nothing is kept. */
export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class Memory {
  readonly #shelf: () => Shelf;

  constructor(shelf: () => Shelf) {
    this.#shelf = shelf;
  }

  read(key: string): string | null {
    try {
      return this.#shelf().getItem(key);
    } catch {
      return null;
    }
  }

  write(key: string, value: string | null): void {
    try {
      if (value === null) this.#shelf().removeItem(key);
      else this.#shelf().setItem(key, value);
    } catch {
      // Nothing is kept; the page works without it.
    }
  }
}

/** Preferences: language and theme. */
export const preferences = new Memory(() => localStorage);
/** What is being written: it lives as long as the tab, since a prompt is nobody else's business. */
export const session = new Memory(() => sessionStorage);
