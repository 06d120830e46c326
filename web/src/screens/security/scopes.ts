import { named, t } from '../../lib/i18n/i18n.svelte';

/** What a key may do, thing by thing: "Generations: read, change". */
export function scopesText(scopes: readonly string[]): string {
  if (scopes.includes('*')) return t('scope.all');
  const verbs = new Map<string, string[]>();
  for (const scope of scopes) {
    const [object = '', verb = ''] = scope.split(':');
    verbs.set(object, [...(verbs.get(object) ?? []), named(`scope_verb.${verb}`, verb)]);
  }
  return [...verbs].map(([object, all]) => `${named(`scope.${object}`, object)}: ${all.join(', ')}`).join(' · ');
}
