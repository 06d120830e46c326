/** House rules that a compiler does not see. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ICONS } from '../src/components/Icon.svelte';
import { filesUnder, page, WEB } from './sources';

describe('the policy of the page', () => {
  const FORBIDDEN: [string, RegExp][] = [
    ['a style attribute', /\sstyle=/],
    ['raw HTML', /\{@html|\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write/],
    ['code from text', /\beval\(|new Function\(/],
    ['a worker or service worker, which needs a Trusted Types policy', /new (Shared)?Worker\(|serviceWorker/],
    ['another address', /https?:\/\/(?!tus\.io|localhost)/],
  ];

  test.each(FORBIDDEN)('no %s', (_what, pattern) => {
    expect(page.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('no inline script or style in the document', () => {
    const html = readFileSync(join(WEB, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  });
});

test('the sprite holds the icons that are named, and no other', () => {
  const sprite = readFileSync(join(WEB, 'src/assets/icons.svg'), 'utf8');
  const drawn = [...sprite.matchAll(/<symbol id="([^"]+)"/g)].map(([, id]) => id);
  expect([...drawn].sort()).toEqual([...ICONS].sort());
  const text = page.filter(({ path }) => !path.endsWith('Icon.svelte')).map((file) => file.text).join('\n');
  expect(ICONS.filter((icon) => !new RegExp(`['"]${icon}['"]`).test(text))).toEqual([]);
});

test('every version is exact and every package was listed on purpose', () => {
  const manifest = JSON.parse(readFileSync(join(WEB, 'package.json'), 'utf8')) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
  for (const versions of [manifest.dependencies, manifest.devDependencies]) {
    for (const [name, version] of Object.entries(versions)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  }
  expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(6);
  expect(Object.keys(manifest.devDependencies).length).toBeLessThanOrEqual(10);
  expect(readFileSync(join(WEB, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
});

/** Made from the server's description by `npm run types`. */
const GENERATED = 'src/lib/api/openapi.ts';

test('no file grows past what one can hold in the head', () => {
  const long = filesUnder(join(WEB, 'src'), ['.ts', '.svelte', '.css']).filter(({ path, text }) => path !== GENERATED && text.split('\n').length > 500);
  expect(long.map(({ path }) => path)).toEqual([]);
});

test('the checker of types does report a planted error', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(WEB, 'tests', 'canary-'));
  try {
    writeFileSync(join(folder, 'Wrong.svelte'), '<script lang="ts">\n  const n: number = "text";\n</script>\n\n{n.nothing}\n');
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../tsconfig.json', include: ['Wrong.svelte'], exclude: [] }),
    );
    let output = '';
    try {
      const checker = join(WEB, 'node_modules/svelte-check/bin/svelte-check');
      execFileSync(process.execPath, [checker, '--workspace', folder, '--tsconfig', join(folder, 'tsconfig.json'), '--output', 'machine'], { encoding: 'utf8' });
    } catch (error) {
      output = String((error as { stdout?: unknown }).stdout ?? '');
    }
    expect(output).toContain("'string' is not assignable to type 'number'");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
