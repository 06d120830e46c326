import { transport } from '../session/gate';
import { ProblemError } from './problem';
import { BASE } from './transport';
import type { Generation, GenerationRequest, Model, Page } from './types';

/** How often one click is sent at most: the first time and two repeats, all under one idempotency key. */
export const SUBMIT_ATTEMPTS = 3;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5_000;

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await transport.call(path, init)).json()) as T;
}

function post<T>(path: string, key: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method: 'POST', headers: { 'idempotency-key': key } };
  if (body !== undefined) {
    init.headers = { ...init.headers, 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  return json<T>(path, init);
}

/** A repeat can help when no answer came or the server was too busy to take the request. */
export function isWorthRepeating(error: unknown): boolean {
  return error instanceof ProblemError && [0, 502, 503, 504].includes(error.problem.status);
}

/** The same click may be sent again by hand: also when there was no room at that moment. */
export const canBeRepeated = (error: ProblemError): boolean =>
  isWorthRepeating(error) || [429, 507].includes(error.problem.status);

/**
 * Sends what one click asks for. The same key goes with every repeat, so that a lost answer cannot
 * become a second generation.
 */
export async function submitOnce(
  send: (key: string) => Promise<Generation>,
  key: string,
  wait: (milliseconds: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<Generation> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send(key);
    } catch (error) {
      if (attempt >= SUBMIT_ATTEMPTS || !isWorthRepeating(error)) throw error;
      const asked = error instanceof ProblemError ? (error.retryAfter ?? 0) * 1_000 : 0;
      await wait(Math.min(Math.max(asked, FIRST_WAIT_MS * 2 ** (attempt - 1)), LONGEST_WAIT_MS));
    }
  }
}

export const models = (): Promise<Page<Model>> => json('/models');

export const listGenerations = (limit: number, cursor?: string): Promise<Page<Generation>> => {
  const query = new URLSearchParams({ limit: String(limit) });
  if (cursor !== undefined) query.set('cursor', cursor);
  return json(`/generations?${query}`);
};

export const generation = (id: string): Promise<Generation> => json(`/generations/${encodeURIComponent(id)}`);

export const createGeneration = (request: GenerationRequest, key: string): Promise<Generation> =>
  submitOnce((sameKey) => post<Generation>('/generations', sameKey, request), key);

export const cancelGeneration = (id: string, key: string): Promise<Generation> =>
  submitOnce((sameKey) => post<Generation>(`/generations/${encodeURIComponent(id)}/cancel`, sameKey), key);

export const retryGeneration = (id: string, key: string): Promise<Generation> =>
  submitOnce((sameKey) => post<Generation>(`/generations/${encodeURIComponent(id)}/retry`, sameKey), key);

export const deleteGeneration = async (id: string): Promise<void> => {
  await transport.call(`/generations/${encodeURIComponent(id)}`, { method: 'DELETE' });
};

export const contentUrl = (asset: string): string => `${BASE}/assets/${encodeURIComponent(asset)}/content`;

export const downloadUrl = (asset: string): string => `${contentUrl(asset)}?download=1`;
