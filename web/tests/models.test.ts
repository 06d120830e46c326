import { describe, expect, test } from 'vitest';
import type { Ability, Model } from '../src/lib/api/types';
import { abilityFor, chooseModel, countCharacters, type Draft, keyOf, modelsFor, readSeed, requestFrom, shapesOf } from '../src/lib/models';

const ability = (over: Partial<Ability>): Ability => ({
  kind: 'image', operation: 'create', sizes: [], aspects: ['16:9', '1:1'], seconds: [], references: { max: 0, roles: [] }, ...over,
});
const model = (over: Partial<Model>, ...abilities: Partial<Ability>[]): Model => ({
  id: 'm', provider: 'p', title: 'M', demo: false, abilities: (abilities.length > 0 ? abilities : [{}]).map(ability),
  seed: false, max_prompt_chars: 100, data: { country: 'local', verdict: 'local' }, available: true, ...over,
});
const draft: Draft = { kind: 'image', prompt: 'mar', shape: undefined, seconds: undefined, seed: '', purpose: undefined, references: [] };

describe('choosing a model', () => {
  const off = model({ id: 'off', available: false });
  const still = model({ id: 'still' });
  const clip = model({ id: 'clip' }, { kind: 'video' });

  test('only those of the kind; those that can be used first', () => {
    expect(modelsFor([off, clip, still], 'image').map(({ id }) => id)).toEqual(['still', 'off']);
  });

  test('the chosen one while it can be used, else the first that can', () => {
    expect(chooseModel([off, still, clip], 'image', keyOf(off))).toBe(still);
    expect(chooseModel([still, clip], 'video', keyOf(still))).toBe(clip);
    expect(chooseModel([off], 'image', null)).toBeUndefined();
  });
});

describe('what a model does for a kind', () => {
  test('making new, with the roles that changing something adds', () => {
    const both = model({}, { references: { max: 2, roles: ['style', 'image'] } }, { operation: 'edit', references: { max: 5, roles: ['source', 'image'] } });
    expect(abilityFor(both, 'image')?.references).toEqual({ max: 5, roles: ['style', 'image', 'source'] });
  });

  test('nothing, where it only enlarges or goes on with something', () => {
    expect(abilityFor(model({}, { operation: 'upscale' }, { kind: 'video', operation: 'extend' }), 'image')).toBeUndefined();
    expect(modelsFor([model({}, { kind: 'video', operation: 'extend' })], 'video')).toEqual([]);
  });
});

describe('what is sent', () => {
  test('only fields that the model takes', () => {
    expect(requestFrom({ ...draft, seed: '7', seconds: 5, purpose: 'product' }, model({}))).toEqual({
      kind: 'image', prompt: 'mar', model: 'm', provider: 'p', aspect: '16:9',
    });
  });

  test('size, seconds, seed, purpose and references where it takes them', () => {
    const abroad = model(
      { seed: true, data: { country: 'US', verdict: 'allowed' } },
      { kind: 'video', sizes: [{ width: 640, height: 360 }, { width: 360, height: 640 }], seconds: [5, 9] },
    );
    const asked: Draft = {
      ...draft, kind: 'video', shape: '360x640', seconds: 9, seed: ' 7 ', purpose: 'product', references: [{ asset: 'ast_1', role: 'style' }],
    };
    expect(requestFrom(asked, abroad)).toEqual({
      kind: 'video', prompt: 'mar', model: 'm', provider: 'p', size: '360x640', seconds: 9, seed: 7, purpose: 'product',
      references: [{ asset: 'ast_1', role: 'style' }],
    });
  });

  test('a shape or length of another model falls back to the first', () => {
    const sized = model({}, { kind: 'video', sizes: [{ width: 8, height: 8 }], seconds: [2, 3] });
    expect(requestFrom({ ...draft, kind: 'video', shape: '16:9', seconds: 9 }, sized)).toMatchObject({ size: '8x8', seconds: 2 });
    expect(shapesOf(ability({ sizes: [{ width: 8, height: 8 }] }))).toEqual([{ field: 'size', value: '8x8', label: '8 × 8' }]);
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
