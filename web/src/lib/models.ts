import type { Ability, Aspect, GenerationRequest, Kind, Model, Purpose, ReferenceRole } from './api/types';
import { sizeText, sizeValue } from './format';

/** Largest seed that the API takes: 2^53 − 1, exact in JSON and here. */
export const MAX_SEED = Number.MAX_SAFE_INTEGER;

/** One shape a model makes, in the words of the API. */
export type Shape = { label: string } & (
  | { field: 'size'; value: string }
  | { field: 'aspect'; value: Aspect }
);

/** Two providers may offer a model of the same id. */
export const keyOf = (model: Pick<Model, 'provider' | 'id'>): string => `${model.provider}/${model.id}`;

/** Ways of making something from words; the server infers which from the roles of the references. */
const FROM_WORDS = ['create', 'edit', 'modify'];

/**
 * What a model does for a kind when asked in words: its bounds for making something new, with the roles
 * that changing something given would add. Undefined where it makes nothing new of this kind.
 */
export function abilityFor(model: Model, kind: Kind): Ability | undefined {
  const fitting = model.abilities.filter((ability) => ability.kind === kind && FROM_WORDS.includes(ability.operation));
  const create = fitting.find((ability) => ability.operation === 'create');
  if (create === undefined) return undefined;
  const roles = [...new Set(fitting.flatMap((ability) => ability.references.roles))];
  return { ...create, references: { max: Math.max(...fitting.map((ability) => ability.references.max)), roles } };
}

/** Models for a kind: those that can be used now first, in the server's order. */
export function modelsFor(models: readonly Model[], kind: Kind): Model[] {
  const fitting = models.filter((model) => abilityFor(model, kind) !== undefined);
  return [...fitting.filter((model) => model.available), ...fitting.filter((model) => !model.available)];
}

/** The one that was chosen, if it can still be used; else the first that can. */
export function chooseModel(models: readonly Model[], kind: Kind, key: string | null): Model | undefined {
  const usable = modelsFor(models, kind).filter((model) => model.available);
  return usable.find((model) => keyOf(model) === key) ?? usable[0];
}

/** Whether what is sent goes to somebody else's machines; then its purpose is asked for and recorded. */
export const leavesTheHouse = (model: Model): boolean => model.data.verdict !== 'local';

/** Exact sizes where it has them, else aspects. */
export function shapesOf(ability: Ability): Shape[] {
  if (ability.sizes.length > 0) {
    return ability.sizes.map((size) => ({ field: 'size', value: sizeValue(size), label: sizeText(size) }));
  }
  return ability.aspects.map((aspect) => ({ field: 'aspect', value: aspect, label: aspect }));
}

/** `wanted` if it is on offer, else the first. */
export function choose<T>(offered: readonly T[], wanted: T | undefined): T | undefined {
  return wanted !== undefined && offered.includes(wanted) ? wanted : offered[0];
}

export type SeedReading = { kind: 'none' } | { kind: 'seed'; value: number } | { kind: 'wrong' };

export function readSeed(text: string): SeedReading {
  const trimmed = text.trim();
  if (trimmed === '') return { kind: 'none' };
  const value = Number(trimmed);
  return /^\d+$/.test(trimmed) && value <= MAX_SEED ? { kind: 'seed', value } : { kind: 'wrong' };
}

/** Characters as the server counts them: Unicode scalar values. */
export const countCharacters = (text: string): number => Array.from(text).length;

export interface Draft {
  kind: Kind;
  prompt: string;
  shape: string | undefined;
  seconds: number | undefined;
  seed: string;
  purpose: Purpose | undefined;
  references: readonly { asset: string; role: ReferenceRole }[];
}

/** What is sent: only fields that this model takes. */
export function requestFrom(draft: Draft, model: Model): GenerationRequest {
  const request: GenerationRequest = {
    kind: draft.kind,
    prompt: draft.prompt,
    model: model.id,
    provider: model.provider,
  };
  const ability = abilityFor(model, draft.kind);
  const shapes = ability === undefined ? [] : shapesOf(ability);
  const shape = shapes.find((candidate) => candidate.value === draft.shape) ?? shapes[0];
  if (shape?.field === 'size') request.size = shape.value;
  if (shape?.field === 'aspect') request.aspect = shape.value;
  const seconds = draft.kind === 'video' ? choose(ability?.seconds ?? [], draft.seconds) : undefined;
  if (seconds !== undefined) request.seconds = seconds;
  const seed = readSeed(draft.seed);
  if (model.seed && seed.kind === 'seed') request.seed = seed.value;
  if (draft.purpose !== undefined && leavesTheHouse(model)) request.purpose = draft.purpose;
  if (draft.references.length > 0) request.references = draft.references.map(({ asset, role }) => ({ asset, role }));
  return request;
}
