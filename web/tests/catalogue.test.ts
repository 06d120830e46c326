import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GENERATION_STATES, PURPOSES, REFERENCE_ROLES, STAGES } from '../src/lib/api/types';
import { ACCOUNT_STATES, PERSON_ROLES, SCOPE_OBJECTS } from '../src/lib/api/identityTypes';
import { partOf, PARTS } from '../src/lib/i18n/parts';
import { STRENGTHS } from '../src/lib/session/strength';
import { STEPS } from '../src/screens/setup/steps';
import { chooseLocale, fill, FIRST, type Key, LOCALES, lookUp, speak, translatePlural } from '../src/lib/i18n/message';
import { THEMES } from '../src/lib/theme.svelte';
import { page, server } from './sources';

const portuguese = await speak('pt-BR', PARTS);
const english = await speak('en', PARTS);
const CATALOGUES = { 'pt-BR': portuguese.catalogue, en: english.catalogue };
const keys = Object.keys(portuguese.catalogue) as Key[];
const pageText = page.map(({ text }) => text).join('\n');
const serverText = server.map(({ text }) => text).join('\n');

/** Keys that are put together from a word of a closed list. */
const CLOSED: Record<string, readonly string[]> = {
  state: GENERATION_STATES,
  stage: STAGES.filter((stage) => stage !== 'queued'),
  kind: ['image', 'video'],
  theme: THEMES,
  role: REFERENCE_ROLES,
  purpose: PURPOSES,
  live: ['connecting', 'live', 'reconnecting'],
  person_role: PERSON_ROLES,
  role_help: PERSON_ROLES,
  account_state: ACCOUNT_STATES,
  scope: [...SCOPE_OBJECTS, 'all'],
  scope_verb: ['read', 'write'],
  strength: STRENGTHS,
  credential: ['passkey', 'password'],
  'setup.step': STEPS,
  announce: ['queued', 'running', 'half', 'succeeded', 'stopped'],
};

/** What an administrator does to an account: each is named, explained before, and told after. */
const PERSON_ACTS = ['disable', 'enable', 'reset', 'end_sessions'];

/** Keys that the server names by a code; the code must stand in the server's or the page's source. */
const OPEN = ['error', 'screening', 'screening_action', 'note', 'note_help', 'field_error', 'words'] as const;

/** Codes that stand for a whole family, used when the member has no text of its own. */
const FAMILIES = ['media'];

const quoted = (text: string, word: string): boolean => [`'${word}'`, `"${word}"`, `\`${word}\``].some((form) => text.includes(form));

/** Files that these files import, directly or not, without those that are fetched later. */
function reached(from: readonly string[]): { path: string; text: string }[] {
  const found = new Map<string, { path: string; text: string }>();
  const queue = [...from];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = page.find((candidate) => candidate.path === path);
    if (file === undefined || found.has(path)) continue;
    found.set(path, file);
    for (const [, wanted = ''] of file.text.matchAll(/^\s*(?:import|export) [^;]*?from '(\.[^']+)'/gms)) {
      const target = join(dirname(path), wanted);
      for (const ending of ['', '.ts', '.svelte.ts']) queue.push(target.endsWith('.svelte') ? (ending === '' ? target : `${target}.ts`) : target + ending);
    }
  }
  return [...found.values()];
}

function isUsed(key: string): boolean {
  if (quoted(pageText, key)) return true;
  const plural = /^(.*)_(one|other)$/.exec(key)?.[1];
  if (plural !== undefined && quoted(pageText, plural)) return true;
  const [family = '', ...rest] = key.split('.');
  const code = rest.join('.');
  if (CLOSED[family]?.includes(code) === true) return true;
  const last = key.lastIndexOf('.');
  if (CLOSED[key.slice(0, last)]?.includes(key.slice(last + 1)) === true) return true;
  if (family === 'people' && PERSON_ACTS.includes(code.replace(/_(text|done)$/, ''))) return true;
  if (family === 'menu') return quoted(pageText, code);
  if (family === 'own') return quoted(pageText, code);
  if (/^price\.per_(image|second|video)$/.test(key) || /^create\.no_model_(image|video)$/.test(key)) return true;
  if (!(OPEN as readonly string[]).includes(family)) return false;
  // Without the server's source (the web part alone) its codes cannot be looked up.
  if (server.length === 0) return true;
  // Problems of a field are named by the field and the code.
  if (family === 'field_error') return quoted(serverText, rest.at(-1) ?? '');
  if (family === 'screening') return quoted(serverText, key);
  if (family === 'screening_action') return new RegExp(`\\b${code[0]?.toUpperCase()}${code.slice(1)}\\b`).test(serverText);
  return quoted(serverText, code) || quoted(pageText, code) || FAMILIES.includes(code);
}

describe('the catalogues', () => {
  test('have the same keys in the same order', () => {
    for (const locale of LOCALES) expect(Object.keys(CATALOGUES[locale])).toEqual(keys);
  });

  test('have no empty text and no text with stray spaces', () => {
    for (const locale of LOCALES) {
      for (const [key, text] of Object.entries(CATALOGUES[locale])) expect(text, `${locale} ${key}`).toMatch(/^\S(.*\S)?$/s);
    }
  });

  test('name the same values in every language', () => {
    const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).sort();
    for (const key of keys) {
      for (const locale of LOCALES) expect(names(CATALOGUES[locale][key]), `${locale} ${key}`).toEqual(names(CATALOGUES['pt-BR'][key]));
    }
  });

  test('hold no key that nothing uses', () => {
    expect(keys.filter((key) => !isUsed(key))).toEqual([]);
  });

  test('of the shell are all that the studio and the frame around every screen say', () => {
    const shell = reached(['src/main.ts', 'src/screens/create/Create.svelte', 'src/screens/job/Job.svelte']);
    expect(shell.length).toBeGreaterThan(40);
    const text = shell.map((file) => file.text).join('\n');
    const said = keys.filter((key) => [key, key.replace(/_(one|other)$/, '')].some((name) => quoted(text, name)));
    expect(said.filter((key) => partOf(key) === 'rest')).toEqual([]);
  });

  test('the search for unused keys can fail', () => {
    for (const key of ['state.asleep', 'create.nonsense', 'error.of.nothing', 'own.nobody']) expect(isUsed(key)).toBe(false);
  });

  test('hold a text for every word of a closed list', () => {
    for (const [family, words] of Object.entries(CLOSED)) {
      for (const word of words) expect(keys, `${family}.${word}`).toContain(`${family}.${word}`);
    }
  });

  test('hold a text for every finding and every fault of a provider', () => {
    const codes = (path: string, pattern: RegExp): string[] => {
      const source = server.find((file) => file.path.endsWith(path));
      return source === undefined ? [] : [...new Set([...source.text.matchAll(pattern)].map(([, code = '']) => code))];
    };
    const wanted = [
      ...codes('domain/src/screening/mod.rs', /"(screening\.[a-z_]+)"/g).filter((code) => code !== 'screening.refused'),
      ...codes('providers/src/codes.rs', /"((?:provider|content)\.[a-z_]+)"/g).map((code) => `error.${code}`),
      ...codes('domain/src/gate.rs', /"(gate\.[a-z_]+)"/g).map((code) => `error.${code}`),
    ];
    if (server.length > 0) expect(wanted.length).toBeGreaterThan(50);
    expect(wanted.filter((key) => !(keys as string[]).includes(key))).toEqual([]);
  });
});

describe('texts', () => {
  test('take values, and leave what is not given', () => {
    expect(fill('{a} de {b} {c}', { a: 1234.5, b: 'x' }, 'pt-BR')).toBe('1.234,5 de x {c}');
    expect(fill('{a}', undefined, 'en')).toBe('{a}');
  });

  test('know one from many', () => {
    expect(translatePlural(FIRST, 'seconds', 1)).toBe('1 segundo');
    expect(translatePlural(FIRST, 'seconds', 5)).toBe('5 segundos');
    expect(translatePlural(english, 'seconds', 0)).toBe('0 seconds');
  });

  test('of a code that nobody knows are undefined, even for names every object has', () => {
    expect(lookUp(english, 'error.nobody.knows')).toBeUndefined();
    expect(lookUp(english, 'constructor')).toBeUndefined();
  });

  test('come in the language that was asked for', () => {
    expect(chooseLocale(null, ['pt-PT', 'en'])).toBe('pt-BR');
    expect(chooseLocale(null, ['fr', 'en-GB', 'pt'])).toBe('en');
    expect(chooseLocale(null, ['fr'])).toBe('en');
    expect(chooseLocale(null, [])).toBe('pt-BR');
    expect(chooseLocale('pt-BR', ['en'])).toBe('pt-BR');
    expect(chooseLocale('xx', ['en'])).toBe('en');
  });
});
