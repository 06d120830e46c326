// Prints what a first visit loads and holds it against the budget, in compressed bytes (gzip -9).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const BUDGET = { entryScript: 60_000, entryStyle: 14_000, chunkScript: 15_000, font: 36_000 };

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const zipped = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const entry = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map(([, file]) => file);
const chunks = readdirSync(join(dist, 'assets'))
  .map((name) => `assets/${name}`)
  .filter((file) => /\.(js|css)$/.test(file) && !entry.includes(file));
const sum = (files, ending) => files.filter((file) => file.endsWith(ending)).reduce((all, file) => all + zipped(file), 0);

const rows = [
  ['entry script', sum(entry, '.js'), BUDGET.entryScript],
  ['entry style', sum(entry, '.css'), BUDGET.entryStyle],
  ...chunks.filter((file) => file.endsWith('.js')).map((file) => [file, zipped(file), BUDGET.chunkScript]),
];
for (const name of readdirSync(join(dist, 'assets'))) {
  if (name.endsWith('.woff2')) rows.push([name, readFileSync(join(dist, 'assets', name)).length, BUDGET.font]);
}

let over = 0;
for (const [name, size, budget] of rows) {
  if (size > budget) over += 1;
  console.log(`${String(size).padStart(8)} of ${String(budget).padStart(6)} bytes  ${size > budget ? 'OVER ' : ''}${name}`);
}
process.exitCode = over === 0 ? 0 : 1;
