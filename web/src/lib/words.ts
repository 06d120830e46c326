/** Sentences made from what the server says, in the reader's language. */
import type { ProblemError } from './api/problem';
import type { Fault, FieldProblem, Generation, Model, Money, Note, Price } from './api/types';
import { money } from './format';
import { language, named, plural, t } from './i18n/i18n.svelte';
import { modelList } from './modelList.svelte';

/** What went wrong, in words: ours when the catalogue knows the code, else the server's. */
export function problemText(error: ProblemError): string {
  const { code, detail, title } = error.problem;
  const family = code.split('.')[0] ?? '';
  const values = error.retryAfter === undefined ? { wait: t('wait.a_while') } : { wait: waitText(error.retryAfter) };
  return named(`error.${code}`, named(`error.${family}`, detail ?? title, values), values);
}

/** "40 seconds", "3 minutes": how long to wait before another try. */
export const waitText = (seconds: number): string =>
  seconds < 90 ? plural('seconds', Math.max(1, Math.ceil(seconds))) : plural('minutes', Math.ceil(seconds / 60));

export const faultText = (fault: Fault): string =>
  named(`error.${fault.code}`, named(`error.${fault.code.split('.')[0] ?? ''}`, fault.detail));

/** What is wrong with one field, beside it. */
export const fieldText = (error: FieldProblem | undefined): string | undefined =>
  error === undefined
    ? undefined
    : named(`field_error.${error.field}.${error.code}`, named(`field_error.${error.code}`, error.detail));

export const noteTitle = (note: Note): string => named(`note.${note.code}`, note.detail);

/** Notes that are a label of the whole result and stand beside its name. */
const LABELS: readonly string[] = ['demo_model', 'animated_still'];
export const isLabel = (note: Note): boolean => LABELS.includes(note.code);

/** A finding's kind is its code: `screening.cpf`. */
export const findingText = (kind: string): string => named(kind, kind);

export const actionText = (action: string): string => named(`screening_action.${action}`, action);

export function stateText(generation: Pick<Generation, 'state' | 'progress'>): string {
  if (generation.state === 'running') {
    const stage = generation.progress?.stage;
    if (stage !== undefined && stage !== null && stage !== 'queued') return named(`stage.${stage}`, t('state.running'));
  }
  return t(`state.${generation.state}`);
}

export function priceText(price: Price | null | undefined): string {
  if (price === null || price === undefined || price.micros === 0) return t('price.free');
  return t(`price.per_${price.unit}`, { amount: money(price.micros, price.currency, language.locale) });
}

export function placeText(country: string | null | undefined): string {
  if (country === 'local') return t('place.local');
  if (country === null || country === undefined || country === 'unknown') return t('place.unknown');
  try {
    return new Intl.DisplayNames(language.locale, { type: 'region' }).of(country.toUpperCase()) ?? country;
  } catch {
    return country;
  }
}

/** A note's sentence: what the words named above it mean for the picture. */
export const noteText = (note: Note): string => named(`note_help.${note.code}`, note.detail);

/** The model's name for people while it is known, else its id. */
export function modelTitle(generation: Pick<Generation, 'model' | 'provider'>, models: readonly Model[] = modelList.items): string {
  return models.find((model) => model.id === generation.model && model.provider === generation.provider)?.title ?? generation.model;
}

/** What this result must not be mistaken for: made by a demonstration model, an animated still. */
export function labelsOf(generation: Generation): string[] {
  const labels = (generation.notes ?? []).filter(isLabel).map(noteTitle);
  return generation.engine?.demo === true ? [...new Set([t('model.demo'), ...labels])] : labels;
}

export const moneyText = (amount: Money): string =>
  amount.micros === 0 ? t('price.free') : money(amount.micros, amount.currency, language.locale);
