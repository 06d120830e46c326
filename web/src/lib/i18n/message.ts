import first from 'virtual:texts/pt-BR/shell';
import type ptBR from '../../../../locales/pt-BR.json';
import type { Part } from './parts';

/** pt-BR is written first; its keys are the keys. */
export type Key = keyof typeof ptBR;
/** A key with a text for each plural form: `base_one`, `base_other`. */
export type PluralKey = Key extends infer K ? (K extends `${infer Base}_other` ? Base : never) : never;

export const LOCALES = ['pt-BR', 'en'] as const;
export type Locale = (typeof LOCALES)[number];
export type Values = Readonly<Record<string, string | number>>;

export type Catalogue = Readonly<Record<Key, string>>;

/** A language with its texts. */
export interface Spoken {
  locale: Locale;
  catalogue: Catalogue;
}

/** The shell's texts, always at hand; everything else is fetched when it is asked for. */
export const FIRST: Spoken = { locale: 'pt-BR', catalogue: first as Catalogue };

const FETCHED: Readonly<Record<Locale, Record<Part, () => Promise<{ default: Readonly<Record<string, string>> }>>>> = {
  'pt-BR': { shell: () => Promise.resolve({ default: first }), rest: () => import('virtual:texts/pt-BR/rest') },
  en: { shell: () => import('virtual:texts/en/shell'), rest: () => import('virtual:texts/en/rest') },
};

/** A language with the parts of its texts that are asked for. */
export async function speak(locale: Locale, parts: readonly Part[]): Promise<Spoken> {
  const fetched = await Promise.all(parts.map((part) => FETCHED[locale][part]()));
  const catalogue: Record<string, string> = Object.assign({}, ...fetched.map((part) => part.default));
  return { locale, catalogue: catalogue as Catalogue };
}

/** Puts values where the text says `{name}`; numbers are written as the language writes them. */
export function fill(text: string, values: Values | undefined, locale: Locale): string {
  if (values === undefined) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value;
  });
}

export const translate = ({ locale, catalogue }: Spoken, key: Key, values?: Values): string =>
  fill(catalogue[key], values, locale);

/** For texts that the server names by a code: undefined when the catalogue has none. */
export function lookUp({ locale, catalogue }: Spoken, key: string, values?: Values): string | undefined {
  const text: string | undefined = Object.hasOwn(catalogue, key) ? catalogue[key as Key] : undefined;
  return text === undefined ? undefined : fill(text, values, locale);
}

export function translatePlural(spoken: Spoken, base: PluralKey, count: number, values?: Values): string {
  const form = new Intl.PluralRules(spoken.locale).select(count) === 'one' ? 'one' : 'other';
  return translate(spoken, `${base}_${form}` as Key, { ...values, count });
}

/** The first language the reader asked for that we speak; any Portuguese is served by the Brazilian one. */
export function chooseLocale(stored: string | null, asked: readonly string[]): Locale {
  const known = LOCALES.find((locale) => locale === stored);
  if (known !== undefined) return known;
  for (const tag of asked) {
    const language = tag.toLowerCase().split('-')[0];
    if (language === 'pt') return 'pt-BR';
    if (language === 'en') return 'en';
  }
  return asked.length === 0 ? 'pt-BR' : 'en';
}
