import { describe, expect, test } from 'vitest';
import type { Model } from '../src/lib/api/types';
import { chooseModel, countCharacters, type Draft, keyOf, modelsFor, readSeed, requestFrom, shapesOf } from '../src/lib/models';

const model = (over: Partial<Model>): Model => ({
  id: 'm', provider: 'p', title: 'M', demo: false, kinds: ['image'], operations: ['create'], sizes: [], aspects: ['16:9', '1:1'],
  seconds: [], references: { max: 0, roles: [] }, seed: false, max_prompt_chars: 100, price: null,
  data: { country: 'local', verdict: 'local' }, available: true, ...over,
});
const draft: Draft = { kind: 'image', prompt: 'mar', shape: undefined, seconds: undefined, seed: '', purpose: undefined, references: [] };

describe('choosing a model', () => {
  const off = model({ id: 'off', available: false });
  const still = model({ id: 'still' });
  const clip = model({ id: 'clip', kinds: ['video'] });

  test('only those of the kind; those that can be used first', () => {
    expect(modelsFor([off, clip, still], 'image').map(({ id }) => id)).toEqual(['still', 'off']);
  });

  test('the chosen one while it can be used, else the first that can', () => {
    expect(chooseModel([off, still, clip], 'image', keyOf(off))).toBe(still);
    expect(chooseModel([still, clip], 'video', keyOf(still))).toBe(clip);
    expect(chooseModel([off], 'image', null)).toBeUndefined();
  });
});

describe('what is sent', () => {
  test('only fields that the model takes', () => {
    expect(requestFrom({ ...draft, seed: '7', seconds: 5, purpose: 'product' }, model({}))).toEqual({
      kind: 'image', prompt: 'mar', model: 'm', provider: 'p', aspect: '16:9',
    });
  });

  test('size, seconds, seed, purpose and references where it takes them', () => {
    const abroad = model({
      kinds: ['video'], sizes: [{ width: 640, height: 360 }, { width: 360, height: 640 }], seconds: [5, 9], seed: true,
      data: { country: 'US', verdict: 'allowed' },
    });
    const asked: Draft = {
      ...draft, kind: 'video', shape: '360x640', seconds: 9, seed: ' 7 ', purpose: 'product', references: [{ asset: 'ast_1', role: 'style' }],
    };
    expect(requestFrom(asked, abroad)).toEqual({
      kind: 'video', prompt: 'mar', model: 'm', provider: 'p', size: '360x640', seconds: 9, seed: 7, purpose: 'product',
      references: [{ asset: 'ast_1', role: 'style' }],
    });
  });

  test('a shape or length of another model falls back to the first', () => {
    const sized = model({ sizes: [{ width: 8, height: 8 }], kinds: ['video'], seconds: [2, 3] });
    expect(requestFrom({ ...draft, kind: 'video', shape: '16:9', seconds: 9 }, sized)).toMatchObject({ size: '8x8', seconds: 2 });
    expect(shapesOf(sized)).toEqual([{ field: 'size', value: '8x8', label: '8 × 8' }]);
  });
});

test('seeds are whole numbers that JSON holds exactly', () => {
  expect(readSeed('  ')).toEqual({ kind: 'none' });
  expect(readSeed('9007199254740991')).toEqual({ kind: 'seed', value: Number.MAX_SAFE_INTEGER });
  for (const text of ['9007199254740992', '-1', '1.5', '1e3', 'x', '0x10']) expect(readSeed(text), text).toEqual({ kind: 'wrong' });
});

test('characters are counted as the server counts them', () => {
  expect(countCharacters('a🐈é')).toBe(3);
});
