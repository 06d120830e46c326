import type { Generation, GenerationState, GenerationUpdate } from '../api/types';

const ACTIVE: readonly GenerationState[] = ['queued', 'running'];

/** Work goes on: it can be cancelled and its progress is worth watching. */
export const isActive = (state: GenerationState): boolean => ACTIVE.includes(state);

/** It ended without a result and may be asked for again. */
export const isRepeatable = (state: GenerationState): boolean =>
  state === 'failed' || state === 'expired' || state === 'cancelled';

/** A generation as read, with the time of the last event heard about it. */
export interface Known extends Generation {
  heard?: string;
}

export type Effect = 'none' | 'read';

export interface Step {
  items: Known[];
  /** `read`: the event says that something changed which only the generation itself tells. */
  effect: Effect;
}

/** Newest first; the id breaks ties, since identifiers are ordered by time. */
function newestFirst(a: Generation, b: Generation): number {
  return Date.parse(b.created_at) - Date.parse(a.created_at) || (a.id < b.id ? 1 : -1);
}

/** Whether an answer was already overtaken: by a later answer, or by an event that told of the end. */
function isStale(known: Known, incoming: Generation): boolean {
  const written = Date.parse(incoming.updated_at);
  if (written < Date.parse(known.updated_at)) return true;
  return isActive(incoming.state) && !isActive(known.state) && written < Date.parse(known.heard ?? known.updated_at);
}

/**
 * An answer that was on its way while an event told of more keeps the event's state and progress: it may
 * know more of the rest.
 */
function joined(known: Known, incoming: Generation): Known {
  const overtaken = known.heard !== undefined && Date.parse(incoming.updated_at) < Date.parse(known.heard);
  if (!overtaken || !isActive(incoming.state)) return { ...known, ...incoming };
  return { ...known, ...incoming, state: known.state, ...(known.progress === undefined ? {} : { progress: known.progress }) };
}

/** Puts what the server answered into the list, unless the list already knows something newer. */
export function merge(items: readonly Known[], incoming: readonly Generation[]): Known[] {
  const byId = new Map(items.map((item) => [item.id, item]));
  for (const item of incoming) {
    const known = byId.get(item.id);
    if (known === undefined) byId.set(item.id, item);
    else if (!isStale(known, item)) byId.set(item.id, joined(known, item));
  }
  return [...byId.values()].sort(newestFirst);
}

/** Applies one event. One that is older than what is known changes nothing. */
export function apply(items: readonly Known[], update: GenerationUpdate): Step {
  const { id, state, progress } = update.data;
  const known = items.find((item) => item.id === id);
  if (known === undefined) return { items: [...items], effect: 'read' };
  const told = Date.parse(update.timestamp);
  if (told < Date.parse(known.updated_at) || told < Date.parse(known.heard ?? known.updated_at)) {
    return { items: [...items], effect: 'none' };
  }
  const next: Known = { ...known, state, heard: update.timestamp };
  if (progress !== undefined) next.progress = progress;
  const finished = isActive(known.state) && !isActive(state);
  return { items: items.map((item) => (item.id === id ? next : item)), effect: finished ? 'read' : 'none' };
}

export const without = (items: readonly Known[], id: string): Known[] =>
  items.filter((item) => item.id !== id);

export type Milestone = 'queued' | 'running' | 'half' | 'succeeded' | 'stopped';

/**
 * What is worth saying aloud about a change. Progress is spoken at the start, at half and at the end
 * only: a screen reader that reads every percent cannot be used.
 */
export function milestone(before: Generation | undefined, after: Generation): Milestone | undefined {
  if (before?.state !== after.state) {
    if (after.state === 'queued' || after.state === 'running' || after.state === 'succeeded') return after.state;
    return 'stopped';
  }
  const percent = (generation: Generation): number => generation.progress?.percent ?? 0;
  if (after.state === 'running' && percent(before) < 50 && percent(after) >= 50) return 'half';
  return undefined;
}
