import { preferences } from '../memory';
import {
  chooseLocale,
  FIRST,
  type Key,
  type Locale,
  lookUp,
  type PluralKey,
  speak,
  translate,
  translatePlural,
  type Values,
} from './message';
import { type Part, PARTS } from './parts';

const STORED = 'studio.locale';

/** Each language is named in itself, so that whoever is lost can find theirs. */
export const NAMES: Readonly<Record<Locale, string>> = { 'pt-BR': 'Português', en: 'English' };

class Language {
  #spoken = $state.raw(FIRST);
  /** The parts of the texts that were asked for so far. */
  #parts: readonly Part[] = ['shell'];

  get spoken(): typeof FIRST {
    return this.#spoken;
  }

  get locale(): Locale {
    return this.#spoken.locale;
  }

  /** Takes up the reader's language; where its texts do not arrive, the first language stays. */
  async start(): Promise<void> {
    await this.#take(chooseLocale(preferences.read(STORED), navigator.languages));
  }

  async choose(locale: Locale): Promise<void> {
    preferences.write(STORED, locale);
    await this.#take(locale);
  }

  /** Fetches all texts: for the screens that are not in the shell. Throws where they do not arrive. */
  async whole(): Promise<void> {
    if (this.#parts.length === PARTS.length) return;
    const spoken = await speak(this.locale, PARTS);
    this.#parts = PARTS;
    // Where the language was changed meanwhile, its own texts were fetched by then.
    if (spoken.locale === this.locale) this.#spoken = spoken;
    else await this.#take(this.locale);
  }

  async #take(locale: Locale): Promise<void> {
    try {
      this.#spoken = await speak(locale, this.#parts);
    } catch {
      // The server is away: what is on the page stays readable.
    }
  }
}

export const language = new Language();

export const t = (key: Key, values?: Values): string => translate(language.spoken, key, values);

export const plural = (base: PluralKey, count: number, values?: Values): string =>
  translatePlural(language.spoken, base, count, values);

/** The text for a code that came from the server, or what the server itself said. */
export const named = (key: string, otherwise: string, values?: Values): string =>
  lookUp(language.spoken, key, values) ?? otherwise;
