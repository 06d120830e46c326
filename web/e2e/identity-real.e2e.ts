/**
 * The real binary, from its first start: it is started here over an empty folder. STUDIO_BIN names it;
 * where STUDIO_URL says that a real studio is looked at, the one that the tests built is taken.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { audit, shoot, Stage, type Watched, withAuthenticator } from './harness';

const built = fileURLToPath(new URL('../../target/debug/studio', import.meta.url));
const binary = process.env['STUDIO_BIN'] ?? (process.env['STUDIO_URL'] !== undefined && existsSync(built) ? built : undefined);

const EMAIL = 'ana@exemplo.com.br';
const PASSWORD = 'tangerina relogio verde chuva';
/** How soon a session that was ended elsewhere must be refused. */
const REFUSED_WITHIN_MS = 5_000;

/** One studio over a folder of its own. */
class RealStudio {
  readonly data = mkdtempSync(join(tmpdir(), 'studio-e2e-'));
  url = '';
  printed = '';
  #child: ChildProcess | undefined;

  async start(): Promise<void> {
    const port = await freePort();
    this.url = `http://localhost:${port}`;
    const child = spawn(String(binary), ['serve', '--data', this.data], {
      env: { ...process.env, STUDIO__SERVER__LISTEN: `127.0.0.1:${port}`, STUDIO__LOG__LEVEL: 'warn' },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece: Buffer) => (this.printed += piece.toString('utf8')));
    for (let time = 0; time < 300; time += 1) {
      if (await fetch(`${this.url}/ready`).then(({ ok }) => ok, () => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`not ready after a minute: ${this.printed}`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      const over = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await over;
    }
    rmSync(this.data, { recursive: true, force: true });
  }

  /** The one-time code that stands in what it printed. */
  code(): string {
    const found = /\b([0-9A-Z]{4}-[0-9A-Z]{4}(?:-[0-9A-Z]{4})*)\b/.exec(this.printed)?.[1];
    if (found === undefined) throw new Error(`no code in: ${this.printed}`);
    return found;
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** RFC 6238 with SHA-1, 6 digits and 30 seconds: what an authenticator app computes. */
function totp(secret: string, seconds = Date.now() / 1_000): string {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const offset = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const field = (page: Page, name: string | RegExp) => page.getByRole('textbox', { name, exact: typeof name === 'string' });
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const studioPage = (page: Page) => page.getByRole('heading', { name: 'O que você quer ver?' });
const loginPage = (page: Page) => page.getByRole('heading', { name: 'Entrar', level: 1 });

describe.skipIf(binary === undefined)('a studio from its first start', () => {
  const real = new RealStudio();
  let stage: Stage;
  const open: Watched[] = [];
  /** The secret of the authenticator app, and the time step of the last code that was used. */
  let secret = '';
  let used = 0;

  /** A code that was not used yet: the studio takes each step once. */
  async function code(page: Page): Promise<string> {
    const step = (): number => Math.floor(Date.now() / 30_000);
    while (step() <= used) await page.waitForTimeout(500);
    used = step();
    return totp(secret);
  }

  beforeAll(async () => {
    await real.start();
    stage = new Stage(real.url);
    await stage.open();
  }, 90_000);

  afterAll(async () => {
    await stage?.close();
    await real.stop();
  });

  afterEach(async ({ task }) => {
    for (const [index, watched] of open.splice(0).entries()) {
      if (task.result?.state === 'fail') await shoot(watched.page, `failed-real-${index}`);
      expect(watched.offences).toEqual([]);
      await watched.close();
    }
  });

  async function visit(path = '/'): Promise<Watched> {
    const watched = await stage.visit(path, { as: 'nobody' });
    open.push(watched);
    await watched.page.getByRole('heading', { level: 1 }).waitFor();
    return watched;
  }

  async function logout(page: Page): Promise<void> {
    await button(page, /^Conta de/).click();
    await button(page, 'Sair').click();
    await loginPage(page).waitFor();
  }

  /** Password and, when it is asked for, a code of the app. */
  async function signIn(page: Page): Promise<void> {
    await field(page, 'E-mail').fill(EMAIL);
    await field(page, 'Senha').fill(PASSWORD);
    await button(page, 'Entrar').click();
    const second = field(page, 'Código');
    await second.or(studioPage(page)).waitFor();
    if (await second.isVisible()) {
      await second.fill(await code(page));
      await button(page, 'Entrar').click();
    }
    await studioPage(page).waitFor();
  }

  /** Answers the question for a fresh proof, if it is asked. */
  async function prove(page: Page, done: () => Promise<unknown>): Promise<void> {
    const dialog = page.getByRole('dialog', { name: 'Confirme que é você' });
    const finished = done().then(() => 'done' as const);
    const asked = dialog.waitFor({ timeout: 30_000 }).then(() => 'asked' as const, () => 'done' as const);
    if ((await Promise.race([finished, asked])) === 'asked') {
      await dialog.getByLabel('Código').fill(await code(page));
      await dialog.getByRole('button', { name: 'Confirmar' }).click();
    }
    await finished;
  }

  test('set up with the printed code, in by passkey, codes from an app, a session ended elsewhere', { timeout: 300_000 }, async () => {
    const { page } = await visit('/');
    const authenticator = await withAuthenticator(page);
    await page.getByRole('heading', { name: 'Preparar o estúdio' }).waitFor();
    await audit(page, 'real setup');
    await button(page, 'Continuar').click();
    await field(page, 'Código de preparação').fill('0000-0000');
    await field(page, 'Nome').fill('Ana Lúcia');
    await field(page, 'E-mail').fill(EMAIL);
    await button(page, 'Continuar').click();
    await button(page, 'Criar a passkey').click();
    await page.getByText('Este código não confere').waitFor();
    await field(page, 'Código de preparação').fill(real.code());
    await button(page, 'Continuar').click();
    await button(page, 'Criar a passkey').click();
    await studioPage(page).waitFor();
    expect(await authenticator.credentials()).toBe(1);
    await shoot(page, 'real-after-setup');
    expect(await page.evaluate(() => document.cookie)).toBe('');

    // Out, and in again by the passkey that the address field offers.
    await button(page, /^Conta de/).click();
    await button(page, 'Sair').click();
    await page.waitForURL(/\/login/);
    await studioPage(page).waitFor();

    // A password and codes from an app beside it.
    await page.goto(`${real.url}/me/security`);
    await button(page, 'Criar uma senha').click();
    await field(page, 'Nova senha').fill('12345678901234567890');
    await button(page, 'Salvar').click();
    await expect.poll(() => field(page, 'Nova senha').getAttribute('aria-invalid')).toBe('true');
    await field(page, 'Nova senha').fill(PASSWORD);
    await button(page, 'Salvar').click();
    await button(page, 'Trocar a senha').waitFor();
    await button(page, 'Ligar os códigos').click();
    secret = await page.getByRole('textbox', { name: 'Segredo' }).inputValue();
    await field(page, /Código que o aplicativo mostra/).fill(await code(page));
    await button(page, 'Confirmar').click();
    const codes = page.getByRole('list', { name: 'Códigos de recuperação do Secure AI Studio' });
    await codes.waitFor();
    expect(await codes.getByRole('listitem').count()).toBe(10);
    await shoot(page, 'real-security', true);
    await audit(page, 'real security');
    await button(page, 'Já guardei').click();

    // Another browser: password and code.
    const other = await visit('/');
    await loginPage(other.page).waitFor();
    await signIn(other.page);
    await field(other.page, 'O que você quer ver?').fill('um moinho que ainda não existe');

    // Ended from the first one: refused within seconds, and what was typed is kept.
    await page.reload();
    const end = page.getByRole('button', { name: /^Terminar a sessão/ });
    await end.first().waitFor();
    await end.first().click();
    await expect.poll(() => end.count()).toBe(0);
    const ended = Date.now();
    await expect
      .poll(() => other.page.evaluate(() => fetch('/api/v1/me').then(({ status }) => status)), { timeout: REFUSED_WITHIN_MS, interval: 100 })
      .toBe(401);
    expect(Date.now() - ended).toBeLessThan(REFUSED_WITHIN_MS);
    // It notices by itself: its stream is cut, and the next one refused.
    await other.page.getByText('Sua sessão terminou por segurança').waitFor();
    await signIn(other.page);
    await expect.poll(() => field(other.page, 'O que você quer ver?').inputValue()).toBe('um moinho que ainda não existe');
    await logout(other.page);
  });

  test('an invitation becomes a person with a role, who sees what the role sees', { timeout: 180_000 }, async () => {
    const { page } = await visit('/login');
    await signIn(page);
    await page.goto(`${real.url}/admin/users`);
    await button(page, 'Convidar').click();
    const dialog = page.getByRole('dialog', { name: 'Convidar' });
    await dialog.getByLabel('E-mail').fill('bruno@exemplo.com.br');
    await dialog.getByRole('button', { name: 'Convidar' }).click();
    const shown = page.getByRole('textbox', { name: 'Link para bruno@exemplo.com.br' });
    await prove(page, () => shown.waitFor({ timeout: 60_000 }));
    const link = new URL(await shown.inputValue());
    expect(link.hash).toMatch(/^#token=/);
    await shoot(page, 'real-invitation');

    const guest = await visit(link.pathname + link.hash);
    expect(guest.page.url()).toBe(`${real.url}/invitation`);
    await field(guest.page, 'Nome').fill('Bruno');
    await guest.page.getByRole('radio', { name: 'Senha' }).check();
    await field(guest.page, 'Senha').fill('guarda-chuva amarelo no varal');
    await button(guest.page, 'Aceitar e entrar').click();
    await studioPage(guest.page).waitFor();
    await guest.page.goto(`${real.url}/admin/users`);
    await guest.page.getByText('é preciso o papel').waitFor();

    await page.reload();
    await page.getByText('Bruno', { exact: true }).waitFor();
    await audit(page, 'real people');
    await shoot(page, 'real-people');
    await button(page, 'Gerir Bruno').click();
    await button(page, 'Desativar a conta').click();
    await page.getByText('A pessoa sai de todos').waitFor();
    await button(page, 'Desativar a conta').click();
    await prove(page, () => page.getByText('desativada', { exact: true }).waitFor({ timeout: 60_000 }));
    await expect
      .poll(() => guest.page.evaluate(() => fetch('/api/v1/me').then(({ status }) => status)), { timeout: REFUSED_WITHIN_MS, interval: 100 })
      .toBe(401);
  });

  test('an API key is made, shown once, used within its scopes, and revoked', { timeout: 180_000 }, async () => {
    const { page } = await visit('/login');
    await signIn(page);
    await page.goto(`${real.url}/me/security`);
    await button(page, 'Criar uma chave').click();
    await field(page, 'Nome da chave').fill('Robô de capas');
    await page.getByRole('checkbox', { name: 'mudar' }).first().uncheck();
    await button(page, 'Criar a chave').click();
    const made = page.getByRole('textbox', { name: 'Chave', exact: true });
    await prove(page, () => made.waitFor({ timeout: 60_000 }));
    const key = await made.inputValue();
    const use = (path: string): Promise<number> =>
      fetch(`${real.url}/api/v1${path}`, { headers: { authorization: `Bearer ${key}` } }).then(({ status }) => status);
    expect(await use('/generations')).toBe(200);
    expect(await use('/models')).toBe(403);
    await page.reload();
    await page.getByText('Robô de capas', { exact: true }).waitFor();
    expect(await page.content()).not.toContain(key);
    await button(page, 'Revogar a chave Robô de capas').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revogar' }).click();
    await prove(page, () => page.getByText('Nenhuma chave ainda.').waitFor({ timeout: 60_000 }));
    await expect.poll(() => use('/generations'), { timeout: REFUSED_WITHIN_MS, interval: 100 }).toBe(401);
  });
});
