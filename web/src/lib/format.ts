import type { Cost, Money, Price, Size } from './api/types';

const MICROS = 1_000_000;

/** Money from whole millionths. Four digits when two would hide the price of a cheap unit. */
export function money(micros: number, currency: string, locale: string): string {
  const fine = micros !== 0 && micros % 10_000 !== 0;
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    minimumFractionDigits: 2,
    maximumFractionDigits: fine ? 4 : 2,
  }).format(micros / MICROS);
}

/** What one generation is expected to cost, in millionths. */
export function estimate(price: Price | null | undefined, seconds: number | undefined): number {
  if (price === null || price === undefined) return 0;
  return price.unit === 'second' ? price.micros * (seconds ?? 1) : price.micros;
}

/** The cost that counts: the real one when it is known. */
export function settled(cost: Cost | null | undefined): Money | undefined {
  return cost?.actual ?? cost?.estimated ?? undefined;
}

export const sizeText = (size: Size): string => `${size.width} × ${size.height}`;

export const sizeValue = (size: Size): string => `${size.width}x${size.height}`;

export function bytes(count: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
  let value = count;
  let index = 0;
  while (value >= 1_000 && index < units.length - 1) {
    value /= 1_000;
    index += 1;
  }
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: units[index] ?? 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: value < 10 && index > 0 ? 1 : 0,
  }).format(value);
}

/** "2 minutes ago"; anything older than a week as a date. */
export function ago(then: string, now: number, locale: string): string {
  const seconds = Math.round((Date.parse(then) - now) / 1_000);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const age = Math.abs(seconds);
  if (age < 10) return relative.format(0, 'second');
  if (age < 60) return relative.format(seconds, 'second');
  if (age < 3_600) return relative.format(Math.trunc(seconds / 60), 'minute');
  if (age < 86_400) return relative.format(Math.trunc(seconds / 3_600), 'hour');
  if (age < 604_800) return relative.format(Math.trunc(seconds / 86_400), 'day');
  return moment(then, locale);
}

/** A point in time. A bare day (`2026-07-01`) is read as that day everywhere, so it takes no clock. */
export function moment(then: string, locale: string, clock = true): string {
  const date = new Date(then);
  if (Number.isNaN(date.getTime())) return then;
  const form = clock ? { timeStyle: 'short' as const } : { timeZone: 'UTC' };
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', ...form }).format(date);
}

export function duration(from: string, to: string, locale: string): string {
  const seconds = Math.max(0, Date.parse(to) - Date.parse(from)) / 1_000;
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: seconds < 120 ? 'second' : 'minute',
    unitDisplay: 'short',
    maximumFractionDigits: seconds < 10 || seconds >= 120 ? 1 : 0,
  }).format(seconds < 120 ? seconds : seconds / 60);
}

/** A digest in groups of four, which eyes can compare. */
export const fingerprint = (hex: string): string => hex.replace(/(.{4})(?=.)/g, '$1 ');

/**
 * The place of a finding in a string: findings count UTF-8 bytes, strings count UTF-16 units. Offsets
 * past the end, or inside a character, move to the next whole one.
 */
export function textRange(text: string, start: number, end: number): { from: number; to: number } {
  const encoder = new TextEncoder();
  let bytes = 0;
  let units = 0;
  let from: number | undefined;
  let to: number | undefined;
  for (const character of text) {
    if (from === undefined && bytes >= start) from = units;
    if (to === undefined && bytes >= end) to = units;
    bytes += encoder.encode(character).length;
    units += character.length;
  }
  return { from: from ?? units, to: to ?? units };
}

/** The width of a shape drawn to scale in a square of `box`, from "16:9" or "1024x576". */
export function shape(ratio: string, box: number): Size {
  const [width = 1, height = 1] = ratio.split(/[:x]/).map(Number);
  const valid = width > 0 && height > 0;
  const longest = valid ? Math.max(width, height) : 1;
  return {
    width: Math.max(3, Math.round(((valid ? width : 1) / longest) * box)),
    height: Math.max(3, Math.round(((valid ? height : 1) / longest) * box)),
  };
}
