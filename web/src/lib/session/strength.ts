/**
 * A hint of how hard a password is to guess. It is shown and never enforced: what is too weak the
 * server refuses by its own lists. Length counts most; what repeats, runs in a row or is known from the
 * account counts little.
 */
export const STRENGTHS = ['very_weak', 'weak', 'fair', 'good', 'strong'] as const;
export type Strength = (typeof STRENGTHS)[number];

/** Bits from which each word holds. */
const LADDER = [25, 36, 48, 62] as const;
const ROWS = ['abcdefghijklmnopqrstuvwxyz', '0123456789', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm'];
/** What a guesser tries first, in the languages of the page. */
const COMMON = /senha|password|passw0rd|admin|brasil|studio|estudio|futebol|flamengo|corinthians|iloveyou|teamo|welcome|bemvindo|qwert|letmein|mudar|changeme/g;

/** Characters that a guesser has to try at a place of this kind. */
function poolOf(text: string): number {
  let pool = 0;
  if (/[a-z]/.test(text)) pool += 26;
  if (/[A-Z]/.test(text)) pool += 26;
  if (/\d/.test(text)) pool += 10;
  if (/[ \-_.,!?]/.test(text)) pool += 8;
  if (/[^\w\s\-.,!?]/.test(text)) pool += 24;
  return Math.max(pool, 10);
}

/** How many characters are worth guessing: a repeat or the next of a row tells almost nothing new. */
function weight(text: string): number {
  const lower = text.toLowerCase();
  let sum = 0;
  for (let at = 0; at < lower.length; at += 1) {
    const character = lower[at] ?? '';
    const before = lower[at - 1] ?? '';
    const isRow = ROWS.some((row) => {
      const place = row.indexOf(character);
      return place >= 0 && before !== '' && Math.abs(row.indexOf(before) - place) <= 1 && row.includes(before);
    });
    sum += isRow || character === before ? 0.25 : 1;
  }
  return sum;
}

export function strengthOf(password: string, context: readonly string[] = []): Strength {
  let text = password.normalize('NFKC').trim();
  // A word known from the account, or among the most common ones, is worth one character.
  for (const known of context.flatMap((words) => words.toLowerCase().split(/[^\p{L}\p{N}]+/u)).filter((word) => word.length >= 3)) {
    text = text.replace(new RegExp(known.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'giu'), known[0] ?? '');
  }
  text = text.toLowerCase() === text ? text.replace(COMMON, 'x') : text.replace(new RegExp(COMMON.source, 'gi'), 'x');
  // The same piece over and over is one piece.
  text = text.replace(/(.{2,}?)\1+/g, '$1');
  const characters = Array.from(text);
  // A phrase is guessed by words: a long run of letters of one case gives less for each letter.
  const perCharacter = /^[\p{L}\s]+$/u.test(text) ? 2.7 : Math.log2(poolOf(text)) * 0.72;
  const bits = Math.min(weight(text), new Set(characters).size * 2.2) * perCharacter;
  return STRENGTHS[LADDER.filter((step) => bits >= step).length] ?? 'strong';
}
