/**
 * Accounts, sessions, factors, keys and people of the FAKE studio: the shapes of the real API and just
 * enough of its behaviour to try the pages against. It protects nothing: passwords are compared as text
 * and signatures of passkeys are not looked at.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiKey, Invitation, Me, Membership, Passkey, Person, PersonRole, Policy, Workspace } from '../src/lib/api/identityTypes';
import type { Problem } from '../src/lib/api/types';

/** The code that every authenticator app of the fake shows. */
export const TOTP_CODE = '246810';
export const SETUP_CODE = '4F7K-92QD';
export const PASSWORD = 'uma frase bem comprida';
/** Seconds that an access token lives. */
const ACCESS_SECONDS = 600;

const ALL_RIGHTS = [
  ...['generations', 'assets', 'models', 'account', 'sessions', 'factors', 'api_keys'].flatMap((object) =>
    ['read', 'create', 'change', 'delete'].map((action) => `${object}:${action}`),
  ),
];
const READS = ['members:read', 'people:read', 'workspaces:read', 'audit:read'];
const WRITES = ['members', 'people', 'workspaces'].flatMap((object) => ['create', 'change', 'delete'].map((action) => `${object}:${action}`));
const RIGHTS: Record<PersonRole, string[]> = {
  user: ALL_RIGHTS,
  operator: [...ALL_RIGHTS, 'members:read'],
  finance: [...ALL_RIGHTS, 'members:read'],
  dpo: [...ALL_RIGHTS, ...READS],
  auditor: [...ALL_RIGHTS.filter((right) => !/^(generations|assets):(create|change|delete)/.test(right)), ...READS],
  admin: [...ALL_RIGHTS, ...READS, ...WRITES],
};

interface Account extends Person {
  password: string | undefined;
  locale: string;
  passkeys: (Passkey & { credential: string })[];
  totp: string | undefined;
  codes: string[];
  keys: (ApiKey & { secret: string })[];
}

interface Login {
  id: string;
  account: Account;
  workspace: string;
  agent: string;
  client: string;
  created_at: string;
  access: string;
  until: number;
  refresh: string;
  freshUntil: number;
}

type Reply = { status: number; body?: unknown; headers?: Record<string, string | string[]> };

const now = (): string => new Date().toISOString();
const token = (): string => randomBytes(16).toString('base64url');
const no = (status: number, code: string, more: Partial<Problem> = {}): Reply => ({
  status,
  body: { type: 'about:blank', title: code, detail: code, status, code, ...more },
});
const yes = (body: unknown, status = 200): Reply => ({ status, body });
const DONE: Reply = { status: 204 };

export class FakeIdentity {
  setupNeeded = false;
  policy: Omit<Policy, 'setup_needed'> = {
    registration: 'invite', password_min: 15, password_min_with_factor: 8, passkeys: true, mail: true, oidc: [],
  };
  readonly accounts: Account[] = [];
  readonly workspaces: Workspace[] = [];
  readonly members: { workspace: string; user: string; role: PersonRole }[] = [];
  readonly invitations: (Invitation & { token: string })[] = [];
  /** Tokens of links in mails, with what they are for. */
  readonly tickets = new Map<string, { for: 'verify' | 'reset'; account: Account }>();
  /** Whether who opens the link of a registration is in another browser than who registered. */
  registeredElsewhere = false;
  refreshes = 0;
  #logins: Login[] = [];
  #challenges = new Map<string, string>();
  #failures = 0;

  constructor() {
    this.clear();
  }

  clear(): void {
    this.setupNeeded = false;
    this.policy = { registration: 'invite', password_min: 15, password_min_with_factor: 8, passkeys: true, mail: true, oidc: [] };
    for (const list of [this.accounts, this.workspaces, this.members, this.invitations]) list.length = 0;
    this.tickets.clear();
    this.#challenges.clear();
    this.#logins = [];
    this.#failures = 0;
    this.refreshes = 0;
    this.registeredElsewhere = false;
    this.workspaces.push({ id: 'wsp_1', name: 'Casa', created_at: '2026-07-01T12:00:00Z' });
    this.workspaces.push({ id: 'wsp_2', name: 'Campanha de verão', created_at: '2026-08-09T12:00:00Z' });
    this.person('ana@exemplo.com.br', 'Ana Lúcia Prado', 'admin', ['wsp_1', 'wsp_2']);
  }

  person(email: string, name: string, role: PersonRole = 'user', workspaces: string[] = ['wsp_1'], over: Partial<Account> = {}): Account {
    const account: Account = {
      id: `usr_${this.accounts.length + 1}${token()}`, email, name, role, state: 'active', workspaces: [], second_factor: false,
      created_at: '2026-07-02T09:30:00Z', last_seen: now(), password: PASSWORD, locale: 'pt-BR', passkeys: [], totp: undefined, codes: [], keys: [],
      ...over,
    };
    this.accounts.push(account);
    for (const workspace of workspaces) this.members.push({ workspace, user: account.id, role: role === 'admin' ? 'admin' : 'user' });
    return account;
  }

  find(email: string): Account {
    const found = this.accounts.find((account) => account.email === email);
    if (found === undefined) throw new Error(`nobody at ${email}`);
    return found;
  }

  /** A session without a login; the cookies for the browser. */
  enter(email = 'ana@exemplo.com.br'): { name: string; value: string }[] {
    const login = this.#open(this.find(email), 'Chrome (Linux)');
    return [
      { name: '__Host-sas_at', value: login.access },
      { name: '__Host-sas_rt', value: login.refresh },
    ];
  }

  /** Another device of the same person. */
  elsewhere(email = 'ana@exemplo.com.br', agent = 'Safari (iPhone)', client = 'browser'): void {
    this.#open(this.find(email), agent).client = client;
  }

  /** Every access token is too old from now on; the refresh tokens still work. */
  expire(): void {
    for (const login of this.#logins) login.until = 0;
  }

  /** Every session is over. */
  endAll(): void {
    this.#logins = [];
  }

  /** The last proof is too old for a sensitive act. */
  stale(): void {
    for (const login of this.#logins) login.freshUntil = 0;
  }

  /** Who a request comes from; or the answer that says it comes from nobody. */
  who(request: IncomingMessage): Login | Reply {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const keyed = this.accounts.find((account) => account.keys.some((key) => key.secret === bearer));
    if (bearer !== undefined && keyed !== undefined) return this.#open(keyed, 'key');
    const access = cookie(request, '__Host-sas_at');
    const login = this.#logins.find((one) => one.access === access);
    if (login === undefined) return no(401, 'login_required');
    return login.until < Date.now() ? no(401, 'token_expired') : login;
  }

  async serve(method: string, path: string, request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    const reply = this.#route(method, path, body, request);
    for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
    if (reply.body === undefined) return void response.writeHead(reply.status).end();
    const kind = reply.status >= 400 ? 'application/problem+json' : 'application/json';
    response.writeHead(reply.status, { 'content-type': kind }).end(JSON.stringify(reply.body));
  }

  #open(account: Account, agent: string): Login {
    const login: Login = {
      id: `ses_${token()}`, account, agent, client: 'browser', created_at: now(), access: token(), refresh: token(),
      workspace: this.members.find((member) => member.user === account.id)?.workspace ?? 'wsp_1',
      until: Date.now() + ACCESS_SECONDS * 1_000, freshUntil: Date.now() + 300_000,
    };
    this.#logins.push(login);
    return login;
  }

  #enter(login: Login): Reply {
    const attributes = 'Secure; HttpOnly; Path=/; SameSite=Strict';
    const cookies = [`__Host-sas_at=${login.access}; ${attributes}`, `__Host-sas_rt=${login.refresh}; ${attributes}`];
    return { status: 200, body: { expires_in: ACCESS_SECONDS }, headers: { 'set-cookie': cookies } };
  }

  #methods(account: Account): string[] {
    return [
      ...(account.passkeys.length > 0 ? ['passkey'] : []),
      ...(account.totp === undefined ? [] : ['totp', 'recovery']),
      ...(account.passkeys.length === 0 && account.totp === undefined ? ['password'] : []),
    ];
  }

  #route(method: string, path: string, body: Record<string, unknown>, request: IncomingMessage): Reply {
    const entrance = this.#entrance(`${method} ${path}`, body, request);
    if (entrance !== undefined) return entrance;
    const login = this.who(request);
    if ('status' in login) return login;
    return this.#inside(method, path, body, login);
  }

  #entrance(what: string, body: Record<string, unknown>, request: IncomingMessage): Reply | undefined {
    const text = (name: string): string => String(body[name] ?? '');
    const agent = 'Chrome (Linux)';
    const short = (): Reply | undefined =>
      body['password'] !== undefined && text('password').length < this.policy.password_min
        ? no(422, 'password_refused', { errors: [{ field: 'password', code: 'too_short', detail: 'longer' }] })
        : undefined;
    switch (what) {
      case 'GET /auth/policy':
        return yes({ setup_needed: this.setupNeeded, ...this.policy });
      case 'POST /setup': {
        if (text('code') !== SETUP_CODE) return no(401, 'setup_code');
        const wrong = short();
        if (wrong !== undefined) return wrong;
        this.accounts.length = 0;
        const admin = this.person(text('email'), text('name'), 'admin', ['wsp_1'], { password: body['password'] as string | undefined });
        this.setupNeeded = admin.password === undefined;
        return this.#enter(this.#open(admin, agent));
      }
      case 'POST /auth/register':
        if (this.policy.registration !== 'open') return no(403, 'registration_closed');
        return short() ?? yes({ next: 'mail' }, 202);
      case 'POST /auth/email/verify':
        if (this.tickets.get(text('token'))?.for !== 'verify') return no(400, 'ticket_invalid');
        if (this.registeredElsewhere && text('password') !== PASSWORD) return no(401, 'password_needed');
        this.tickets.delete(text('token'));
        return DONE;
      case 'POST /auth/password/forgot':
        return yes({ next: 'mail' }, 202);
      case 'POST /auth/password/reset': {
        const ticket = this.tickets.get(text('token'));
        if (ticket?.for !== 'reset') return no(400, 'ticket_invalid');
        if (ticket.account.totp !== undefined && body['code'] === undefined) return no(401, 'second_factor_needed', { methods: ['totp', 'recovery'] });
        const wrong = short();
        if (wrong !== undefined) return wrong;
        ticket.account.password = text('password');
        this.tickets.delete(text('token'));
        return DONE;
      }
      case 'POST /auth/invitation': {
        const at = this.invitations.findIndex((invitation) => invitation.token === text('token'));
        const invitation = this.invitations[at];
        if (invitation === undefined) return no(400, 'ticket_invalid');
        const wrong = short();
        if (wrong !== undefined) return wrong;
        this.invitations.splice(at, 1);
        const account = this.find(invitation.email);
        Object.assign(account, { name: text('name'), password: body['password'], state: 'active', last_seen: now() });
        return this.#enter(this.#open(account, agent));
      }
      case 'POST /auth/login': {
        const account = this.accounts.find((one) => one.email === text('email') && one.state === 'active');
        if (account === undefined || account.password !== text('password')) {
          this.#failures += 1;
          return this.#failures > 5 ? { ...no(429, 'too_many_tries'), headers: { 'retry-after': '40' } } : no(401, 'login_failed');
        }
        this.#failures = 0;
        const second = this.#methods(account).filter((one) => one !== 'password');
        if (second.length > 0 && body['code'] === undefined) return no(401, 'second_factor_needed', { methods: second });
        if (second.length > 0 && !this.#takes(account, text('code'))) return no(401, 'login_failed');
        return this.#enter(this.#open(account, agent));
      }
      case 'POST /auth/refresh': {
        this.refreshes += 1;
        const login = this.#logins.find((one) => one.refresh === cookie(request, '__Host-sas_rt'));
        if (login === undefined) return no(401, 'session_over');
        Object.assign(login, { access: token(), refresh: token(), until: Date.now() + ACCESS_SECONDS * 1_000 });
        return this.#enter(login);
      }
      case 'POST /auth/logout': {
        const access = cookie(request, '__Host-sas_at');
        this.#logins = this.#logins.filter((one) => one.access !== access);
        const gone = 'Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Strict';
        return { status: 204, headers: { 'clear-site-data': '"cache", "cookies", "storage"', 'set-cookie': [`__Host-sas_at=; ${gone}`, `__Host-sas_rt=; ${gone}`] } };
      }
      case 'POST /auth/passkeys/login/start':
        return yes(this.#challenge({ rpId: 'localhost', userVerification: 'required', timeout: 60_000, allowCredentials: [] }));
      case 'POST /auth/passkeys/login/finish': {
        const account = this.#shown(body);
        return account === undefined ? no(401, 'login_failed') : this.#enter(this.#open(account, agent));
      }
      default:
        return undefined;
    }
  }

  #inside(method: string, path: string, body: Record<string, unknown>, login: Login): Reply {
    const { account } = login;
    const text = (name: string): string => String(body[name] ?? '');
    const what = `${method} ${path.replace(/\/(pky|ses|key|usr|inv|wsp)_[\w-]+/g, '/:$1')}`;
    const id = /\/((?:pky|ses|key|inv)_[\w-]+)/.exec(path)?.[1];
    const may = (right: string): boolean => RIGHTS[account.role].includes(right);
    if (path.startsWith('/admin/') && !may(method === 'GET' ? 'people:read' : 'people:change')) return no(403, 'not_permitted');
    const fresh = /^(POST \/auth\/(passkeys|totp|recovery)|(PATCH|DELETE) \/auth|POST \/me\/(password|api-keys)|DELETE \/me\/(api-keys|sessions)|(POST|PATCH|DELETE) \/admin)/;
    if (fresh.test(what) && login.freshUntil < Date.now()) return no(403, 'step_up_required');
    switch (what) {
      case 'GET /me':
        return yes(this.#me(login));
      case 'PATCH /me':
        Object.assign(account, body);
        return DONE;
      case 'POST /me/password':
        if (text('password').length < 8) return no(422, 'password_refused', { errors: [{ field: 'password', code: 'too_short', detail: 'longer' }] });
        account.password = text('password');
        this.setupNeeded = false;
        this.#logins = this.#logins.filter((one) => one === login || one.account !== account);
        return DONE;
      case 'POST /me/workspace':
        login.workspace = text('workspace');
        return this.#enter(login);
      case 'GET /me/factors':
        return yes({
          password: account.password !== undefined, passkeys: account.passkeys,
          totp: account.totp === undefined ? null : { created_at: account.totp }, recovery_codes_left: account.codes.length,
        });
      case 'POST /auth/passkeys/register/start':
        return yes(this.#challenge({
          rp: { id: 'localhost', name: 'Secure AI Studio' },
          user: { id: Buffer.from(account.id).toString('base64url'), name: account.email, displayName: account.name },
          pubKeyCredParams: [-7, -257].map((alg) => ({ type: 'public-key', alg })),
          authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
          excludeCredentials: account.passkeys.map(({ credential }) => ({ type: 'public-key', id: credential })),
          attestation: 'none', timeout: 60_000, extensions: null,
        }));
      case 'POST /auth/passkeys/register/finish': {
        if (!this.#answers(body)) return no(400, 'ticket_invalid');
        const { id: credential } = body['credential'] as { id: string };
        const passkey = { id: `pky_${token()}`, name: text('name'), created_at: now(), used_at: null, backed_up: true, credential };
        account.passkeys.push(passkey);
        account.second_factor = true;
        this.setupNeeded = false;
        return yes(passkey, 201);
      }
      case 'PATCH /auth/passkeys/:pky':
        for (const passkey of account.passkeys) if (passkey.id === id) passkey.name = text('name');
        return DONE;
      case 'DELETE /auth/passkeys/:pky':
        account.passkeys = account.passkeys.filter((passkey) => passkey.id !== id);
        return DONE;
      case 'POST /auth/totp/start':
        return yes({ secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', uri: `otpauth://totp/Secure%20AI%20Studio:${encodeURIComponent(account.email)}?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Secure%20AI%20Studio` });
      case 'POST /auth/totp/confirm':
        if (text('code') !== TOTP_CODE) return no(422, 'factor_wrong');
        account.totp = now();
        account.second_factor = true;
        return yes({ recovery_codes: this.#codes(account) });
      case 'DELETE /auth/totp':
        account.totp = undefined;
        return DONE;
      case 'POST /auth/recovery-codes':
        return yes({ recovery_codes: this.#codes(account) });
      case 'POST /auth/step-up': {
        const good = body['code'] === undefined ? this.#methods(account).includes('password') && text('password') === account.password : this.#takes(account, text('code'));
        if (good) login.freshUntil = Date.now() + 300_000;
        return good ? DONE : no(422, 'factor_wrong');
      }
      case 'POST /auth/step-up/passkey/start':
        return yes(this.#challenge({ rpId: 'localhost', userVerification: 'required', allowCredentials: account.passkeys.map(({ credential }) => ({ type: 'public-key', id: credential })) }));
      case 'POST /auth/step-up/passkey/finish':
        if (this.#shown(body) !== account) return no(422, 'passkey_refused');
        login.freshUntil = Date.now() + 300_000;
        return DONE;
      case 'GET /me/sessions':
        return yes({
          items: this.#logins.filter((one) => one.account === account).reverse().map((one) => ({
            id: one.id, client: one.client, agent: one.agent, network: '203.0.113.0/24', created_at: one.created_at, used_at: now(), current: one === login,
          })),
        });
      case 'DELETE /me/sessions/:ses':
        this.#logins = this.#logins.filter((one) => one.id !== id);
        return DONE;
      case 'DELETE /me/sessions':
        this.#logins = this.#logins.filter((one) => one === login || one.account !== account);
        return DONE;
      case 'GET /me/api-keys':
        return yes({ items: account.keys.map(({ secret: _, ...key }) => key) });
      case 'POST /me/api-keys': {
        const key = {
          id: `key_${token()}`, name: text('name'), scopes: body['scopes'] as string[], created_at: now(), used_at: null,
          expires_at: (body['expires_at'] as string | undefined) ?? null, networks: (body['networks'] as string[] | undefined) ?? [], secret: `sas_live_${token()}${token()}`,
        };
        account.keys.unshift(key);
        return yes(key, 201);
      }
      case 'DELETE /me/api-keys/:key':
        account.keys = account.keys.filter((key) => key.id !== id);
        return DONE;
      default:
        return this.#admin(what, path, body);
    }
  }

  #admin(what: string, path: string, body: Record<string, unknown>): Reply {
    const user = /\/(usr_[\w-]+)/.exec(path)?.[1] ?? String(body['user'] ?? '');
    const workspace = /\/(wsp_[\w-]+)/.exec(path)?.[1];
    const person = this.accounts.find((account) => account.id === user);
    const last = (): boolean => person?.role === 'admin' && this.accounts.filter((one) => one.role === 'admin' && one.state === 'active').length === 1;
    switch (what) {
      case 'GET /admin/users':
        return yes({ items: this.accounts.map((account) => this.#shownTo(account)), next_cursor: null });
      case 'POST /admin/users': {
        const email = String(body['email']);
        const role = (body['role'] as PersonRole | undefined) ?? 'user';
        if (!email.includes('@')) return no(422, 'email_invalid', { errors: [{ field: 'email', code: 'invalid', detail: 'write an address' }] });
        const invited = this.person(email, '', role, [], { state: 'pending', password: undefined, last_seen: null });
        if (body['workspace'] !== undefined) this.members.push({ workspace: String(body['workspace']), user: invited.id, role: body['workspace_role'] as PersonRole });
        const made = token();
        this.invitations.push({ id: `inv_${token()}`, email, role, created_at: now(), expires_at: new Date(Date.now() + 604_800_000).toISOString(), token: made });
        return yes({ user: this.#shownTo(invited), link: this.policy.mail ? null : `/invitation#token=${made}` }, 201);
      }
      case 'PATCH /admin/users/:usr':
        if (person === undefined) return no(404, 'not_found');
        if (last() && (body['state'] === 'disabled' || (body['role'] !== undefined && body['role'] !== 'admin'))) return no(409, 'last_administrator');
        Object.assign(person, body);
        return DONE;
      case 'POST /admin/users/:usr/reset':
        return yes({ link: this.policy.mail ? null : `/reset#token=${token()}` });
      case 'DELETE /admin/users/:usr/sessions':
        this.#logins = this.#logins.filter((one) => one.account.id !== user);
        return DONE;
      case 'GET /admin/invitations':
        return yes({ items: this.invitations.map(({ token: _, ...invitation }) => invitation) });
      case 'DELETE /admin/invitations/:inv':
        this.invitations.splice(this.invitations.findIndex((one) => path.endsWith(one.id)), 1);
        return DONE;
      case 'GET /admin/workspaces':
        return yes({ items: this.workspaces.map((one) => ({ ...one, members: this.members.filter((member) => member.workspace === one.id).length })) });
      case 'POST /admin/workspaces': {
        const made = { id: `wsp_${token()}`, name: String(body['name']), created_at: now() };
        this.workspaces.push(made);
        return yes(made, 201);
      }
      case 'PATCH /admin/workspaces/:wsp':
        for (const one of this.workspaces) if (one.id === workspace) one.name = String(body['name']);
        return DONE;
      case 'GET /admin/workspaces/:wsp/members':
        return yes({
          items: this.members.filter((member) => member.workspace === workspace).map(({ user: who, role }) => {
            const account = this.accounts.find((one) => one.id === who);
            return { id: who, name: account?.name ?? '', email: account?.email ?? '', role };
          }),
        });
      case 'POST /admin/workspaces/:wsp/members':
        this.members.push({ workspace: workspace ?? '', user, role: body['role'] as PersonRole });
        return { status: 201, body: {} };
      case 'PATCH /admin/workspaces/:wsp/members/:usr':
        for (const member of this.members) if (member.workspace === workspace && member.user === user) member.role = body['role'] as PersonRole;
        return DONE;
      case 'DELETE /admin/workspaces/:wsp/members/:usr':
        this.members.splice(this.members.findIndex((member) => member.workspace === workspace && member.user === user), 1);
        return DONE;
      default:
        return no(404, 'not_found');
    }
  }

  #memberships(account: Account): Membership[] {
    return this.members.filter((member) => member.user === account.id).map(({ workspace, role }) => ({
      id: workspace, role, name: this.workspaces.find((one) => one.id === workspace)?.name ?? '',
    }));
  }

  #shownTo(account: Account): Person {
    const { id, email, name, state, role, second_factor, created_at, last_seen } = account;
    return { id, email, name, state, role, second_factor, created_at, last_seen: last_seen ?? null, workspaces: this.#memberships(account) };
  }

  #me(login: Login): Me {
    const { account } = login;
    const workspaces = this.#memberships(account);
    return {
      id: account.id, email: account.email, name: account.name, locale: account.locale, role: account.role,
      workspace: workspaces.find(({ id }) => id === login.workspace) ?? { id: 'wsp_1', name: 'Casa', role: account.role }, workspaces,
      rights: RIGHTS[account.role], second_factor: account.second_factor, fresh_until: new Date(login.freshUntil).toISOString(), via: 'session',
    };
  }

  #codes(account: Account): string[] {
    account.codes = Array.from({ length: 10 }, () => randomUUID().toUpperCase().slice(0, 23));
    return account.codes;
  }

  #takes(account: Account, code: string): boolean {
    if (account.totp !== undefined && code === TOTP_CODE) return true;
    const at = account.codes.indexOf(code);
    if (at >= 0) account.codes.splice(at, 1);
    return at >= 0;
  }

  #challenge(options: Record<string, unknown>): { ticket: string; options: unknown } {
    const ticket = token();
    const challenge = randomBytes(32).toString('base64url');
    this.#challenges.set(ticket, challenge);
    return { ticket, options: { publicKey: { ...options, challenge } } };
  }

  #answers(body: Record<string, unknown>): boolean {
    const ticket = String(body['ticket']);
    const { response } = body['credential'] as { response: { clientDataJSON: string } };
    const said = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString('utf8')) as { challenge: string };
    const good = this.#challenges.get(ticket) === said.challenge;
    this.#challenges.delete(ticket);
    return good;
  }

  #shown(body: Record<string, unknown>): Account | undefined {
    const { id } = body['credential'] as { id: string };
    return this.#answers(body) ? this.accounts.find((account) => account.passkeys.some((passkey) => passkey.credential === id)) : undefined;
  }
}

function cookie(request: IncomingMessage, name: string): string | undefined {
  return (request.headers.cookie ?? '')
    .split(/;\s*/)
    .map((pair) => pair.split('='))
    .find(([key]) => key === name)?.[1];
}
