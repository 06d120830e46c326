/** The steps of the first start, in order. */
export const STEPS = ['language', 'administrator', 'credential'] as const;
export type Step = (typeof STEPS)[number];

export function stepMark(step: Step, current: Step): 'done' | 'current' | 'ahead' {
  const difference = STEPS.indexOf(step) - STEPS.indexOf(current);
  if (difference === 0) return 'current';
  return difference < 0 ? 'done' : 'ahead';
}
