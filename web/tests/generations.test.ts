import { describe, expect, test } from 'vitest';
import type { Generation, GenerationState, GenerationUpdate } from '../src/lib/api/types';
import { apply, merge, milestone } from '../src/lib/generations/reduce';

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

const made = (id: string, second: number, state: GenerationState = 'queued', over: Partial<Generation> = {}): Generation => ({
  id, kind: 'image', state, prompt: 'mar', model: 'm', provider: 'p', created_at: at(0), updated_at: at(second), ...over,
});

const update = (id: string, second: number, state: GenerationState, percent?: number): GenerationUpdate => ({
  type: 'generation.updated', timestamp: at(second), sequence: second,
  data: { id, state, ...(percent === undefined ? {} : { progress: { percent } }) },
});

describe('events', () => {
  test('move state and progress', () => {
    const step = apply([made('a', 1)], update('a', 2, 'running', 40));
    expect(step.effect).toBe('none');
    expect(step.items[0]).toMatchObject({ state: 'running', progress: { percent: 40 } });
  });

  test('that come late change nothing', () => {
    const first = apply([made('a', 1)], update('a', 5, 'running', 80)).items;
    const late = apply(first, update('a', 4, 'running', 20));
    expect(late.items).toEqual(first);
    expect(apply([made('a', 9, 'succeeded')], update('a', 8, 'running')).items[0]?.state).toBe('succeeded');
  });

  test('of something unknown, and of an end, ask for it to be read', () => {
    expect(apply([], update('b', 1, 'queued')).effect).toBe('read');
    expect(apply([made('a', 1, 'running')], update('a', 2, 'succeeded')).effect).toBe('read');
    expect(apply([made('a', 1, 'running')], update('a', 2, 'running')).effect).toBe('none');
  });
});

describe('answers', () => {
  test('newest first, and each once', () => {
    const list = merge([made('a', 1)], [made('a', 2, 'running'), made('b', 1, 'queued', { created_at: at(3) })]);
    expect(list.map(({ id, state }) => [id, state])).toEqual([['b', 'queued'], ['a', 'running']]);
  });

  test('that were overtaken are left aside', () => {
    expect(merge([made('a', 5, 'running')], [made('a', 4, 'queued')])[0]?.state).toBe('running');
    const ended = apply([made('a', 1, 'running')], update('a', 9, 'succeeded')).items;
    expect(merge(ended, [made('a', 8, 'running')])[0]?.state).toBe('succeeded');
  });

  test('that were on their way when an event told of more do not take progress back', () => {
    const heard = apply([made('a', 1, 'running', { progress: { percent: 33 } })], update('a', 3, 'running', 42)).items;
    const late = made('a', 2, 'running', { progress: { percent: 33 }, notes: [] });
    expect(merge(heard, [late])[0]).toMatchObject({ state: 'running', progress: { percent: 42 } });
    const later = made('a', 4, 'running', { progress: { percent: 50 } });
    expect(merge(heard, [later])[0]?.progress?.percent).toBe(50);
  });

  test('that follow an event are taken, whichever clock was a little ahead', () => {
    const ended = apply([made('a', 1, 'running')], update('a', 9, 'succeeded')).items;
    const outputs = [{ asset: 'ast_1', media_type: 'image/png', width: 1, height: 1, sha256: '00' }];
    expect(merge(ended, [made('a', 8, 'succeeded', { outputs })])[0]?.outputs).toEqual(outputs);
  });

  test('of a repeated one move it back to the queue', () => {
    const ended = apply([made('a', 1, 'running')], update('a', 5, 'failed')).items;
    expect(merge(ended, [made('a', 6, 'queued')])[0]?.state).toBe('queued');
  });
});

describe('what is said aloud', () => {
  const running = (percent: number): Generation => made('a', 1, 'running', { progress: { percent } });

  test('beginning, half and end, and nothing between', () => {
    expect(milestone(undefined, made('a', 1))).toBe('queued');
    expect(milestone(made('a', 1), running(3))).toBe('running');
    const spoken = Array.from({ length: 99 }, (_, percent) => milestone(running(percent), running(percent + 1))).filter(Boolean);
    expect(spoken).toEqual(['half']);
    expect(milestone(running(99), made('a', 2, 'succeeded'))).toBe('succeeded');
    expect(milestone(running(99), made('a', 2, 'blocked'))).toBe('stopped');
  });
});
