import { preferences } from '../memory';
import {
  chooseLocale,
  type Key,
  type Locale,
  lookUp,
  type PluralKey,
  translate,
  translatePlural,
  type Values,
} from './message';

const STORED = 'studio.locale';

class Language {
  #locale = $state<Locale>(chooseLocale(preferences.read(STORED), navigator.languages));

  get locale(): Locale {
    return this.#locale;
  }

  choose(locale: Locale): void {
    this.#locale = locale;
    preferences.write(STORED, locale);
  }
}

export const language = new Language();

export const t = (key: Key, values?: Values): string => translate(language.locale, key, values);

export const plural = (base: PluralKey, count: number, values?: Values): string =>
  translatePlural(language.locale, base, count, values);

/** The text for a code that came from the server, or what the server itself said. */
export const named = (key: string, otherwise: string, values?: Values): string =>
  lookUp(language.locale, key, values) ?? otherwise;
