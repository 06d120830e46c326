/** Accounts, sessions, factors, keys and people, as the API offers them. */
import { transport } from '../session/gate';
import type {
  ApiKey,
  Challenge,
  Entered,
  Factors,
  Invitation,
  MadeApiKey,
  Me,
  Member,
  NewApiKey,
  NewPerson,
  Passkey,
  Person,
  PersonRole,
  Policy,
  Session,
  Workspace,
} from './identityTypes';
import type { Page } from './types';

/** Cookies, never a token in the body: said outright, whatever the browser's headers say. */
const BROWSER = { client: 'browser' } as const;

function withBody(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function read<T>(path: string): Promise<T> {
  return (await (await transport.call(path)).json()) as T;
}

async function ask<T>(method: string, path: string, body: unknown = {}): Promise<T> {
  return (await (await transport.call(path, withBody(method, body))).json()) as T;
}

async function act(method: string, path: string, body?: unknown): Promise<void> {
  await transport.call(path, body === undefined ? { method } : withBody(method, body));
}

const id = encodeURIComponent;

/** The most that one page of a list holds. */
const PAGE = 100;
/** How many pages are read where a whole list is shown. */
const MAX_PAGES = 20;

const paged = <T>(path: string, cursor?: string): Promise<Page<T>> =>
  read(`${path}?${new URLSearchParams({ limit: String(PAGE), ...(cursor === undefined ? {} : { cursor }) })}`);

/** A list from its first to its last page. */
async function every<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const next = await paged<T>(path, cursor);
    items.push(...next.items);
    cursor = next.next_cursor ?? undefined;
    if (cursor === undefined) break;
  }
  return items;
}

export const policy = (): Promise<Policy> => read('/auth/policy');

export const setup = (body: { code: string; email: string; name: string; password?: string; locale: string }): Promise<Entered> =>
  ask('POST', '/setup', { ...body, ...BROWSER });

export const login = (body: { email: string; password: string; code?: string }): Promise<Entered> =>
  ask('POST', '/auth/login', { ...body, ...BROWSER });

export const logout = (): Promise<void> => act('POST', '/auth/logout', {});

export const register = (body: { email: string; name: string; password: string; locale: string }): Promise<void> =>
  act('POST', '/auth/register', body);

export const verifyEmail = (body: { token: string; password?: string }): Promise<void> => act('POST', '/auth/email/verify', body);

export const forgot = (email: string): Promise<void> => act('POST', '/auth/password/forgot', { email });

export const reset = (body: { token: string; password: string; code?: string }): Promise<void> =>
  act('POST', '/auth/password/reset', body);

export const acceptInvitation = (body: { token: string; name: string; password?: string; locale: string }): Promise<Entered> =>
  ask('POST', '/auth/invitation', { ...body, ...BROWSER });

export const startPasskeyLogin = (): Promise<Challenge> => ask('POST', '/auth/passkeys/login/start');

export const finishPasskeyLogin = (ticket: string, credential: unknown): Promise<Entered> =>
  ask('POST', '/auth/passkeys/login/finish', { ticket, credential, ...BROWSER });

export const startPasskey = (): Promise<Challenge> => ask('POST', '/auth/passkeys/register/start');

export const finishPasskey = (ticket: string, credential: unknown, name: string): Promise<Passkey> =>
  ask('POST', '/auth/passkeys/register/finish', { ticket, credential, name });

export const renamePasskey = (key: string, name: string): Promise<void> => act('PATCH', `/auth/passkeys/${id(key)}`, { name });

export const removePasskey = (key: string): Promise<void> => act('DELETE', `/auth/passkeys/${id(key)}`);

export const startTotp = (): Promise<{ secret: string; uri: string }> => ask('POST', '/auth/totp/start');

export const confirmTotp = (code: string): Promise<{ recovery_codes: string[] }> => ask('POST', '/auth/totp/confirm', { code });

export const removeTotp = (): Promise<void> => act('DELETE', '/auth/totp');

export const renewRecoveryCodes = (): Promise<{ recovery_codes: string[] }> => ask('POST', '/auth/recovery-codes');

export const stepUpWith = (proof: { password: string } | { code: string }): Promise<void> => act('POST', '/auth/step-up', proof);

export const startPasskeyStepUp = (): Promise<Challenge> => ask('POST', '/auth/step-up/passkey/start');

export const finishPasskeyStepUp = (ticket: string, credential: unknown): Promise<void> =>
  act('POST', '/auth/step-up/passkey/finish', { ticket, credential });

export const factors = (): Promise<Factors> => read('/me/factors');

export const me = (): Promise<Me> => read('/me');

export const changeMe = (change: { name?: string; locale?: string }): Promise<void> => act('PATCH', '/me', change);

export const changePassword = (password: string): Promise<void> => act('POST', '/me/password', { password });

export const changeWorkspace = (workspace: string): Promise<Entered> => ask('POST', '/me/workspace', { workspace });

export const sessions = (): Promise<Page<Session>> => read('/me/sessions');

export const endSession = (session: string): Promise<void> => act('DELETE', `/me/sessions/${id(session)}`);

export const endOtherSessions = (): Promise<void> => act('DELETE', '/me/sessions');

export const apiKeys = (): Promise<Page<ApiKey>> => read('/me/api-keys');

export const createApiKey = (body: NewApiKey): Promise<MadeApiKey> => ask('POST', '/me/api-keys', body);

export const revokeApiKey = (key: string): Promise<void> => act('DELETE', `/me/api-keys/${id(key)}`);

export const people = (cursor?: string): Promise<Page<Person>> => paged('/admin/users', cursor);

export const everybody = (): Promise<Person[]> => every('/admin/users');

export const invite = (body: NewPerson): Promise<{ user: Person; link?: string | null }> => ask('POST', '/admin/users', body);

export const changePerson = (person: string, change: { role?: PersonRole; state?: 'active' | 'disabled' }): Promise<void> =>
  act('PATCH', `/admin/users/${id(person)}`, change);

export const resetPerson = (person: string): Promise<{ link?: string | null }> => ask('POST', `/admin/users/${id(person)}/reset`);

export const endSessionsOf = (person: string): Promise<void> => act('DELETE', `/admin/users/${id(person)}/sessions`);

export const invitations = (): Promise<Invitation[]> => every('/admin/invitations');

export const withdrawInvitation = (invitation: string): Promise<void> => act('DELETE', `/admin/invitations/${id(invitation)}`);

export const workspaces = (): Promise<Workspace[]> => every('/admin/workspaces');

export const createWorkspace = (name: string): Promise<Workspace> => ask('POST', '/admin/workspaces', { name });

export const renameWorkspace = (workspace: string, name: string): Promise<void> =>
  act('PATCH', `/admin/workspaces/${id(workspace)}`, { name });

export const members = (workspace: string): Promise<Member[]> => every(`/admin/workspaces/${id(workspace)}/members`);

export const addMember = (workspace: string, user: string, role: PersonRole): Promise<void> =>
  act('POST', `/admin/workspaces/${id(workspace)}/members`, { user, role });

export const changeMember = (workspace: string, user: string, role: PersonRole): Promise<void> =>
  act('PATCH', `/admin/workspaces/${id(workspace)}/members/${id(user)}`, { role });

export const removeMember = (workspace: string, user: string): Promise<void> =>
  act('DELETE', `/admin/workspaces/${id(workspace)}/members/${id(user)}`);
