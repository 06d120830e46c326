import { describe, expect, test } from 'vitest';
import { ago, bytes, duration, estimate, fingerprint, moment, money, settled, shape, textRange } from '../src/lib/format';

/** Intl puts no-break spaces where the eye sees spaces. */
const plain = (text: string): string => text.replace(/[\u00A0\u202F]/g, ' ');

describe('money', () => {
  test('from millionths, in the reader\'s way', () => {
    expect(plain(money(880_000, 'BRL', 'pt-BR'))).toBe('R$ 0,88');
    expect(plain(money(1_234_560_000, 'USD', 'en'))).toBe('$1,234.56');
  });

  test('cheap units keep their digits', () => {
    expect(plain(money(16_000, 'USD', 'pt-BR'))).toBe('US$ 0,016');
    expect(plain(money(0, 'USD', 'en'))).toBe('$0.00');
  });

  test('an estimate counts seconds where the price does', () => {
    const price = { micros: 142_000, currency: 'USD', as_of: '', source: '' };
    expect(estimate({ ...price, unit: 'second' }, 5)).toBe(710_000);
    expect(estimate({ ...price, unit: 'image' }, 5)).toBe(142_000);
    expect(estimate(null, 5)).toBe(0);
  });

  test('what was charged counts, even when it is nothing', () => {
    const five = { micros: 5, currency: 'USD' };
    const nothing = { micros: 0, currency: 'USD' };
    expect(settled({ estimated: five, actual: nothing })).toBe(nothing);
    expect(settled({ estimated: five, actual: null })).toBe(five);
    expect(settled(null)).toBeUndefined();
  });
});

describe('places of findings', () => {
  test('bytes become places in the string', () => {
    const text = 'ação 🐈 <lora:x> fim';
    const start = Buffer.byteLength('ação 🐈 ');
    const { from, to } = textRange(text, start, start + Buffer.byteLength('<lora:x>'));
    expect(text.slice(from, to)).toBe('<lora:x>');
  });

  test('agrees with an encoder at every character', () => {
    const text = 'é🐈\u200Bz漢';
    const ends = [...text].map((_, index) => [...text].slice(0, index).join(''));
    for (const before of [...ends, text]) {
      const offset = Buffer.byteLength(before);
      expect(textRange(text, offset, 999)).toEqual({ from: before.length, to: text.length });
    }
  });
});

describe('time', () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const before = (seconds: number): string => new Date(now - seconds * 1_000).toISOString();

  test('ago', () => {
    expect(ago(before(3), now, 'pt-BR')).toBe('agora');
    expect(ago(before(150), now, 'en')).toBe('2 minutes ago');
    expect(ago(before(7_200), now, 'pt-BR')).toBe('há 2 horas');
    expect(ago(before(86_400), now, 'pt-BR')).toBe('ontem');
    expect(ago(before(3_000_000), now, 'en')).toMatch(/2026/);
  });

  test('a bare day is that day everywhere', () => {
    expect(moment('2026-07-01', 'en', false)).toBe('Jul 1, 2026');
    expect(moment('unknown', 'en')).toBe('unknown');
  });

  test('duration', () => {
    expect(plain(duration(before(4.2), before(0), 'pt-BR'))).toBe('4,2 s');
    expect(plain(duration(before(0), before(9), 'en'))).toBe('0 sec');
    expect(plain(duration(before(150), before(0), 'en'))).toBe('2.5 min');
  });
});

test('bytes, fingerprints, shapes', () => {
  expect(plain(bytes(20 * 1024 * 1024, 'pt-BR'))).toBe('21 MB');
  expect(plain(bytes(999, 'en'))).toBe('999 byte');
  expect(fingerprint('0123456789ab')).toBe('0123 4567 89ab');
  expect(shape('16:9', 16)).toEqual({ width: 16, height: 9 });
  expect(shape('384x640', 20)).toEqual({ width: 12, height: 20 });
  expect(shape('nonsense', 10)).toEqual({ width: 10, height: 10 });
});
