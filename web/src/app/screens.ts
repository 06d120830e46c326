/** What stands at each address. Every screen is fetched when it is first needed. */
import type { Component } from 'svelte';
import type { PersonRole } from '../lib/api/identityTypes';
import type { RouteName } from './routes';

// Each screen takes the parameters of its own address, which the table cannot say; the addresses are tested.
type Screen = () => Promise<{ default: Component<any> }>;

export const SCREENS: Readonly<Record<RouteName, Screen>> = {
  create: () => import('../screens/create/Create.svelte'),
  job: () => import('../screens/job/Job.svelte'),
  security: () => import('../screens/security/Security.svelte'),
  people: () => import('../screens/people/People.svelte'),
  workspaces: () => import('../screens/workspaces/Workspaces.svelte'),
  members: () => import('../screens/workspaces/Members.svelte'),
  setup: () => import('../screens/setup/Setup.svelte'),
  login: () => import('../screens/login/Login.svelte'),
  register: () => import('../screens/entrance/Register.svelte'),
  verify: () => import('../screens/entrance/Verify.svelte'),
  forgot: () => import('../screens/entrance/Forgot.svelte'),
  reset: () => import('../screens/entrance/Reset.svelte'),
  invitation: () => import('../screens/entrance/Invitation.svelte'),
};

/** Screens that not everybody sees: the right, and the roles that have it (held against the server's table by a test). */
export const NEEDS: Readonly<Partial<Record<RouteName, { right: string; roles: readonly PersonRole[] }>>> = {
  people: { right: 'people:read', roles: ['dpo', 'auditor', 'admin'] },
  workspaces: { right: 'workspaces:read', roles: ['dpo', 'auditor', 'admin'] },
  members: { right: 'people:read', roles: ['dpo', 'auditor', 'admin'] },
};
