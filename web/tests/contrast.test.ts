import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WEB } from './sources';

const tokens = new Map(
  [...readFileSync(join(WEB, 'src/styles/tokens.css'), 'utf8').matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)].map(
    ([, name = '', light = '', dark = '']) => [name, { light, dark }],
  ),
);

/** Relative luminance, WCAG 2.2. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const TEXT = [
  ...['bg', 'surface', 'sunken', 'well', 'accent-soft'].flatMap((under) => ['text', 'text-2'].map((over) => [over, under] as const)),
  ...['bg', 'surface'].flatMap((under) => ['text-3', 'accent', 'ok', 'warn', 'danger', 'info'].map((over) => [over, under] as const)),
  ['on-accent', 'accent'],
  ['on-accent', 'accent-strong'],
] as const;
const SHAPES = ['bg', 'surface', 'well'].flatMap((under) => ['control', 'focus'].map((over) => [over, under] as const));

describe.each(['light', 'dark'] as const)('colours, %s', (theme) => {
  const of = (name: string): string => {
    const token = tokens.get(name);
    if (token === undefined) throw new Error(`no token ${name}`);
    return token[theme];
  };
  test.each(TEXT)('%s is read on %s', (over, under) => {
    expect(contrast(of(over), of(under))).toBeGreaterThanOrEqual(4.5);
  });
  test.each(SHAPES)('%s is seen on %s', (over, under) => {
    expect(contrast(of(over), of(under))).toBeGreaterThanOrEqual(3);
  });
  test('the ground behind pictures has no colour of its own', () => {
    const well = of('well');
    expect(new Set([well.slice(1, 3), well.slice(3, 5), well.slice(5, 7)]).size).toBe(1);
  });
});
