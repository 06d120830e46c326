/** One browser, one studio: the fake one, or the one at STUDIO_URL. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, type BrowserContextOptions, type CDPSession, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { FakeStudio } from './fake-server';

const SHOTS = fileURLToPath(new URL('./shots/', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Visit {
  /** E-mail of who is signed in at the fake studio, or `nobody`. A real studio is entered as STUDIO_EMAIL. */
  as?: string;
  theme?: 'light' | 'dark';
  locale?: 'pt-BR' | 'en-US';
  width?: number;
  height?: number;
  calm?: boolean;
  forcedColours?: boolean;
}

type State = Exclude<NonNullable<BrowserContextOptions['storageState']>, string>;
const COOKIE = { domain: 'localhost', path: '/', expires: -1, httpOnly: true, secure: true, sameSite: 'Strict' } as const;
/** How long one login serves several visits: none of them lives long enough to renew it. */
const STATE_MS = 240_000;

/** A page that remembers everything it should not have done. */
export interface Watched {
  page: Page;
  context: BrowserContext;
  /** Policy violations, errors in the console, requests to other origins. */
  offences: string[];
  close(): Promise<void>;
}

export class Stage {
  readonly fake: FakeStudio | undefined;
  url = '';
  #browser: Browser | undefined;
  #state: State | undefined;
  #since = 0;

  constructor(given = process.env['STUDIO_URL']) {
    this.fake = given === undefined ? new FakeStudio() : undefined;
    this.url = given === undefined ? '' : new URL(given).origin;
  }

  async open(): Promise<void> {
    if (this.fake !== undefined) this.url = await this.fake.start();
    const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
    if (!existsSync(executablePath)) throw new Error(`no browser at ${executablePath}; set CHROMIUM`);
    mkdirSync(SHOTS, { recursive: true });
    this.#browser = await chromium.launch({ executablePath, args: FLAGS });
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    await this.fake?.stop();
  }

  async visit(path = '/', visit: Visit = {}): Promise<Watched> {
    if (this.#browser === undefined) throw new Error('the stage is not open');
    const context = await this.#browser.newContext({
      ...(visit.as === 'nobody' ? {} : { storageState: await this.#signedIn(visit.as) }),
      colorScheme: visit.theme ?? 'light',
      locale: visit.locale ?? 'pt-BR',
      viewport: { width: visit.width ?? 1280, height: visit.height ?? 860 },
      reducedMotion: visit.calm === true ? 'reduce' : 'no-preference',
      forcedColors: visit.forcedColours === true ? 'active' : 'none',
      acceptDownloads: true,
    });
    return this.enter(context, path);
  }

  /** What a browser keeps of a login: the cookies, and when the session is to be renewed. */
  async #signedIn(email: string | undefined): Promise<State> {
    if (this.fake !== undefined) {
      const cookies = this.fake.identity.enter(email).map((cookie) => ({ ...cookie, ...COOKIE }));
      return { cookies, origins: [{ origin: this.url, localStorage: [{ name: 'studio.session_until', value: String(Date.now() + 600_000) }] }] };
    }
    if (this.#state !== undefined && Date.now() - this.#since < STATE_MS) return this.#state;
    const context = await (this.#browser as Browser).newContext();
    const page = await context.newPage();
    await page.goto(`${this.url}/favicon.svg`);
    const until = await page.evaluate(async (body) => {
      const answer = await fetch('/api/v1/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      if (!answer.ok) throw new Error(`login: ${answer.status} ${await answer.text()}`);
      return Date.now() + ((await answer.json()) as { expires_in: number }).expires_in * 1_000;
    }, JSON.stringify({ email: process.env['STUDIO_EMAIL'], password: process.env['STUDIO_PASSWORD'], client: 'browser' }));
    const { cookies } = await context.storageState();
    await context.close();
    this.#since = Date.now();
    this.#state = { cookies, origins: [{ origin: this.url, localStorage: [{ name: 'studio.session_until', value: String(until) }] }] };
    return this.#state;
  }

  /** Another tab of the same visitor. */
  async enter(context: BrowserContext, path = '/'): Promise<Watched> {
    const page = await context.newPage();
    const offences: string[] = [];
    await page.exposeBinding('reportOffence', (_source, text: string) => void offences.push(text));
    await page.addInitScript(() => {
      const report = (globalThis as unknown as { reportOffence: (text: string) => void }).reportOffence;
      document.addEventListener('securitypolicyviolation', (event) => {
        report(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
    page.on('console', (message) => {
      const text = message.text();
      // A refused request is part of some scenarios; the browser always notes it.
      if (message.type() === 'error' && !text.startsWith('Failed to load resource')) offences.push(`console: ${text}`);
    });
    page.on('pageerror', (error) => offences.push(`exception: ${error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'blob:' && url.origin !== this.url) offences.push(`foreign request: ${request.url()}`);
    });
    await page.goto(this.url + path);
    return { page, context, offences, close: () => context.close() };
  }
}

const debuggers = new WeakMap<Page, CDPSession>();

/** One debugger for each page, kept: the end of any of them takes the virtual authenticators along. */
async function debuggerOf(page: Page): Promise<CDPSession> {
  const known = debuggers.get(page) ?? (await page.context().newCDPSession(page));
  debuggers.set(page, known);
  return known;
}

/** A virtual authenticator (WebDriver's, over the debugger) that holds passkeys and verifies its user. */
export async function withAuthenticator(page: Page): Promise<{ credentials: () => Promise<number> }> {
  const debug = await debuggerOf(page);
  await debug.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await debug.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  return { credentials: async () => (await debug.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length };
}

interface AxeResults {
  violations: { id: string; help: string; nodes: { target: string[]; failureSummary?: string }[] }[];
}

/** Runs axe (WCAG 2.2 A and AA), on a part where the rest is covered, through the debugger, since the policy lets no foreign script in. */
export async function audit(page: Page, state: string, within?: string): Promise<void> {
  const debug = await debuggerOf(page);
  await debug.send('Runtime.evaluate', { expression: AXE });
  const options = { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] } };
  const answer = await debug.send('Runtime.evaluate', {
    expression: `axe.run(${within === undefined ? 'document' : JSON.stringify(within)}, ${JSON.stringify(options)}).then((found) => JSON.stringify(found))`,
    awaitPromise: true,
    returnByValue: true,
  });
  const { violations } = JSON.parse(String(answer.result.value)) as AxeResults;
  const told = violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help} at ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
  );
  expect(told, `axe, ${state}`).toEqual([]);
}

export async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  if (fullPage) {
    // Pictures below the fold load when they come near; a long photograph wants them all.
    await page.evaluate(async () => {
      for (const image of document.images) image.loading = 'eager';
      await Promise.all([...document.images].map((image) => image.decode().catch(() => undefined)));
    });
  }
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${SHOTS}${name}.png`, fullPage, animations: 'disabled' });
}

/** Nothing is wider than the window, so nothing scrolls sideways (WCAG 1.4.10). */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const wide = await page.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= limit) return [];
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > limit + 1)
      .map((element) => `${element.tagName}.${element.getAttribute('class') ?? ''}`)
      .slice(0, 5);
  });
  expect(wide).toEqual([]);
}
