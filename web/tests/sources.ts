/** The files of the page, and those of the server where they are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const WEB = fileURLToPath(new URL('..', import.meta.url));
export const CRATES = join(WEB, '..', 'crates');

export interface Source {
  path: string;
  text: string;
}

export function filesUnder(folder: string, endings: readonly string[]): Source[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(WEB, path), text: readFileSync(path, 'utf8') }));
}

export const page = filesUnder(join(WEB, 'src'), ['.ts', '.svelte']);
export const server = filesUnder(CRATES, ['.rs']);
