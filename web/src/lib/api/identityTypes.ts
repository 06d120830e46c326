/** The shapes of accounts, sessions, factors, keys and people in the HTTP API. */

/** Where a thing of the workspace or the installation may be asked for: `object:action`. */
export type Right = string;

export const PERSON_ROLES = ['user', 'operator', 'finance', 'dpo', 'auditor', 'admin'] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

export const ACCOUNT_STATES = ['pending', 'active', 'disabled'] as const;
export type AccountState = (typeof ACCOUNT_STATES)[number];

export type Registration = 'closed' | 'invite' | 'open';

/** What a visitor needs to know before any login. */
export interface Policy {
  setup_needed: boolean;
  registration: Registration;
  /** Characters of a password that stands alone. */
  password_min: number;
  password_min_with_factor: number;
  passkeys: boolean;
  mail: boolean;
  oidc: { name: string; title: string }[];
}

export interface Membership {
  id: string;
  name: string;
  role: PersonRole;
}

export interface Me {
  id: string;
  email: string;
  name: string;
  locale: string;
  /** The role in the installation. */
  role: PersonRole;
  /** Where this session works, with the role there. */
  workspace: Membership;
  workspaces: Membership[];
  rights: Right[];
  second_factor: boolean;
  fresh_until?: string | null;
  via: string;
}

/** The answer to a browser's login: the tokens themselves travel as cookies that no script sees. */
export interface Entered {
  /** Seconds until the access token ends. */
  expires_in: number;
}

/** What a browser is asked to make or show, with the ticket that ties the answer to the question. */
export interface Challenge {
  ticket: string;
  options: unknown;
}

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  used_at?: string | null;
  backed_up: boolean;
}

export interface Factors {
  password: boolean;
  passkeys: Passkey[];
  totp?: { created_at: string } | null;
  recovery_codes_left: number;
}

export interface Session {
  id: string;
  client: string;
  agent?: string | null;
  network?: string | null;
  created_at: string;
  used_at: string;
  current: boolean;
}

/** Objects that an API key can be let at; each with `read` and `write`. */
export const SCOPE_OBJECTS = [
  'generations',
  'assets',
  'models',
  'account',
  'members',
  'people',
  'workspaces',
  'audit',
] as const;

export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  created_at: string;
  expires_at?: string | null;
  used_at?: string | null;
  networks?: string[] | null;
}

export interface NewApiKey {
  name: string;
  scopes: string[];
  expires_at?: string;
  networks?: string[];
}

/** The one moment at which the key itself is known. */
export interface MadeApiKey extends ApiKey {
  secret: string;
}

export interface Person {
  id: string;
  email: string;
  name: string;
  state: AccountState;
  role: PersonRole;
  workspaces: Membership[];
  second_factor: boolean;
  created_at: string;
  last_seen?: string | null;
}

export interface NewPerson {
  email: string;
  name?: string;
  role?: PersonRole;
  workspace?: string;
  workspace_role?: PersonRole;
  locale?: string;
}

export interface Invitation {
  id: string;
  email: string;
  role: PersonRole;
  created_at: string;
  expires_at: string;
}

export interface Workspace {
  id: string;
  name: string;
  created_at: string;
  members?: number | null;
}

export interface Member {
  id: string;
  name: string;
  email: string;
  role: PersonRole;
}
