/** What stands at each address. Every screen is fetched when it is first needed. */
import type { Component } from 'svelte';
import type { PersonRole } from '../lib/api/identityTypes';
import { language } from '../lib/i18n/i18n.svelte';
import type { RouteName } from './routes';

// Each screen takes the parameters of its own address, which the table cannot say; the addresses are tested.
type Screen = () => Promise<{ default: Component<any> }>;

/** A screen whose texts do not come with the shell. */
const withTexts =
  (screen: Screen): Screen =>
  async () => {
    const [fetched] = await Promise.all([screen(), language.whole()]);
    return fetched;
  };

export const SCREENS: Readonly<Record<RouteName, Screen>> = {
  create: () => import('../screens/create/Create.svelte'),
  job: () => import('../screens/job/Job.svelte'),
  security: withTexts(() => import('../screens/security/Security.svelte')),
  people: withTexts(() => import('../screens/people/People.svelte')),
  workspaces: withTexts(() => import('../screens/workspaces/Workspaces.svelte')),
  members: withTexts(() => import('../screens/workspaces/Members.svelte')),
  setup: withTexts(() => import('../screens/setup/Setup.svelte')),
  login: withTexts(() => import('../screens/login/Login.svelte')),
  register: withTexts(() => import('../screens/entrance/Register.svelte')),
  verify: withTexts(() => import('../screens/entrance/Verify.svelte')),
  forgot: withTexts(() => import('../screens/entrance/Forgot.svelte')),
  reset: withTexts(() => import('../screens/entrance/Reset.svelte')),
  invitation: withTexts(() => import('../screens/entrance/Invitation.svelte')),
};

/** Screens that not everybody sees: the right, and the roles that have it (held against the server's table by a test). */
export const NEEDS: Readonly<Partial<Record<RouteName, { right: string; roles: readonly PersonRole[] }>>> = {
  people: { right: 'people:read', roles: ['dpo', 'auditor', 'admin'] },
  workspaces: { right: 'workspaces:read', roles: ['dpo', 'auditor', 'admin'] },
  members: { right: 'people:read', roles: ['dpo', 'auditor', 'admin'] },
};
