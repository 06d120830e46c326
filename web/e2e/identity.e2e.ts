/** Coming in, staying in, going out, and what guards an account: on the fake studio. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PASSWORD, SETUP_CODE, TOTP_CODE } from './fake-identity';
import type { FakeStudio } from './fake-server';
import { Stage, type Visit, type Watched, withAuthenticator } from './harness';

const stage = new Stage();
const open: Watched[] = [];
beforeAll(() => stage.open());
afterAll(() => stage.close());
beforeEach(() => stage.fake?.clear());
afterEach(async () => {
  for (const watched of open.splice(0)) {
    expect(watched.offences).toEqual([]);
    await watched.close();
  }
});

async function visit(path = '/', how: Visit = { as: 'nobody' }): Promise<Watched> {
  const watched = await stage.visit(path, how);
  open.push(watched);
  await watched.page.getByRole('heading', { level: 1 }).waitFor();
  return watched;
}

const fake = (): FakeStudio => {
  if (stage.fake === undefined) throw new Error('only with the fake studio');
  return stage.fake;
};
const ana = () => fake().identity.find('ana@exemplo.com.br');
const ANA: Visit = { as: 'ana@exemplo.com.br' };
const field = (page: Page, name: string | RegExp) => page.getByRole('textbox', { name, exact: typeof name === 'string' });
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const studio = (page: Page) => page.getByRole('heading', { name: 'O que você quer ver?' });
const focused = (page: Page): Promise<string | undefined> => page.evaluate(() => document.activeElement?.textContent?.trim());
const kept = (page: Page): Promise<string> => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));

async function signIn(page: Page, password = PASSWORD): Promise<void> {
  await field(page, 'E-mail').fill('ana@exemplo.com.br');
  await field(page, 'Senha').fill(password);
  await button(page, 'Entrar').click();
}

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('the first start', () => {
  beforeEach(() => (fake().identity.setupNeeded = true));

  test('all by keyboard, with a passkey', async () => {
    const { page } = await visit('/');
    await withAuthenticator(page);
    await page.getByRole('heading', { name: 'Preparar o estúdio' }).waitFor();
    const press = async (name: string): Promise<void> => {
      for (let step = 0; step < 12; step += 1) {
        if ((await focused(page)) === name) return page.keyboard.press('Enter');
        await page.keyboard.press('Tab');
      }
      throw new Error(`no way to ${name}`);
    };
    await press('Continuar');
    // The focus goes to the step's heading, so that a reader hears where they are.
    await expect.poll(() => focused(page)).toBe('Administração');
    for (const text of [SETUP_CODE, 'Ana Lúcia', 'ana@exemplo.com.br']) {
      await page.keyboard.press('Tab');
      await page.keyboard.type(text);
    }
    await page.keyboard.press('Enter');
    await expect.poll(() => focused(page)).toBe('Como entrar');
    await press('Criar a passkey');
    await studio(page).waitFor();
    expect(await field(page, 'O que você quer ver?').inputValue()).toBe('um barco vermelho no mar ao pôr do sol');
    expect(ana().passkeys).toHaveLength(1);
    expect(fake().identity.setupNeeded).toBe(false);
    // What was typed on the way is not kept once it is done; no secret ever was.
    expect(await kept(page)).not.toMatch(/4F7K|ana@exemplo/);
  });

  test('left in the middle and taken up again, without the secret parts', async () => {
    const { page } = await visit('/setup');
    await button(page, 'Continuar').click();
    await field(page, 'Código de preparação').fill(SETUP_CODE);
    await field(page, 'Nome').fill('Ana');
    await field(page, 'E-mail').fill('ana@exemplo.com.br');
    expect(await kept(page)).not.toContain(SETUP_CODE);
    await page.reload();
    await expect.poll(() => field(page, 'Nome').inputValue()).toBe('Ana');
    expect(await field(page, 'Código de preparação').inputValue()).toBe('');
  });

  test('a passkey that was not made leaves a way on: another try, or a password', async () => {
    const { page } = await visit('/setup');
    const debug = await page.context().newCDPSession(page);
    await debug.send('WebAuthn.enable', { enableUI: false });
    await button(page, 'Continuar').click();
    await field(page, 'Código de preparação').fill(SETUP_CODE);
    await field(page, 'Nome').fill('Ana');
    await field(page, 'E-mail').fill('ana@exemplo.com.br');
    await button(page, 'Continuar').click();
    // There is no authenticator, so the browser refuses at once.
    await page.evaluate(() => {
      navigator.credentials.create = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    });
    await button(page, 'Criar a passkey').click();
    await page.getByText('A passkey não foi usada').waitFor();
    await page.reload();
    await page.getByText('ainda não há como voltar a ela').waitFor();
    await page.getByRole('radio', { name: 'Senha' }).check();
    await field(page, 'Senha').fill('tangerina com relógio verde');
    await button(page, 'Abrir o estúdio').click();
    await studio(page).waitFor();
    expect(ana().password).toBe('tangerina com relógio verde');
  });

  test('is no page any more once it is done', async () => {
    fake().identity.setupNeeded = false;
    const { page } = await visit('/setup');
    await page.getByRole('heading', { name: 'Entrar', level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/login');
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('coming in', () => {
  test('a page asks for a login and is come back to', async () => {
    const made = fake().plant({ prompt: 'um barco' });
    const { page } = await visit(`/jobs/${made.id}`);
    await page.getByRole('heading', { name: 'Entrar', level: 1 }).waitFor();
    expect(page.url()).toContain(`return=${encodeURIComponent(`/jobs/${made.id}`)}`);
    // Who was never in is not told that a session ended.
    expect(await page.getByText('Sua sessão terminou').count()).toBe(0);
    await signIn(page);
    await page.getByText('SHA-256').waitFor();
    expect(new URL(page.url()).pathname).toBe(`/jobs/${made.id}`);
  });

  test('a foreign address is not gone to', async () => {
    const { page } = await visit('/login?return=//evil.example/');
    await signIn(page);
    await studio(page).waitFor();
    expect(page.url()).toBe(`${stage.url}/`);
  });

  test('the password, then the code; a wrong one is said in one text', async () => {
    ana().totp = '2026-09-01T00:00:00Z';
    const { page } = await visit('/login');
    await signIn(page, 'errada');
    await page.getByText('E-mail, senha ou código não conferem.').waitFor();
    await field(page, 'Senha').fill(PASSWORD);
    await button(page, 'Entrar').click();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('autocomplete'))).toBe('one-time-code');
    await page.keyboard.type('111111');
    await page.keyboard.press('Enter');
    await page.getByText('E-mail, senha ou código não conferem.').waitFor();
    await field(page, 'Código').fill(TOTP_CODE);
    await page.keyboard.press('Enter');
    await studio(page).waitFor();
  });

  test('a recovery code works once', async () => {
    Object.assign(ana(), { totp: '2026-09-01T00:00:00Z', codes: ['AAAA-BBBB'] });
    const { page } = await visit('/login');
    await signIn(page);
    await field(page, 'Código').fill('AAAA-BBBB');
    await page.keyboard.press('Enter');
    await studio(page).waitFor();
    expect(ana().codes).toEqual([]);
  });

  test('a passkey by its button, and one offered while the address is typed', async () => {
    const { page } = await visit('/me/security', ANA);
    const authenticator = await withAuthenticator(page);
    await button(page, 'Criar uma passkey').click();
    await page.getByRole('dialog').getByLabel('Nome da passkey').fill('Celular');
    await button(page, 'Criar a passkey').click();
    await page.getByText('Celular', { exact: true }).waitFor();
    expect(await authenticator.credentials()).toBe(1);
    await button(page, /^Conta de/).click();
    await button(page, 'Sair').click();
    // The authenticator answers the offer in the address field by itself.
    await studio(page).waitFor();
  });

  test('tokens never reach a script or the storage', async () => {
    const { page } = await visit('/login');
    await signIn(page);
    await studio(page).waitFor();
    expect(await page.evaluate(() => document.cookie)).toBe('');
    expect(Object.keys((JSON.parse(await kept(page)) as [object])[0])).toEqual(['studio.session_until']);
  });

  test('another service is offered as a link that leads back', async () => {
    fake().identity.policy.oidc = [{ name: 'escola', title: 'Escola' }];
    const { page } = await visit('/login?return=/me/security');
    const link = page.getByRole('link', { name: 'Entrar com Escola' });
    expect(await link.getAttribute('href')).toBe('/api/v1/auth/oidc/escola/start?return=%2Fme%2Fsecurity');
  });

  test('signing in in one tab lets the other in', async () => {
    const first = await visit('/login');
    const second = await stage.enter(first.context, '/login?return=/me/security');
    await second.page.getByRole('heading', { level: 1 }).waitFor();
    await signIn(first.page);
    await studio(first.page).waitFor();
    await second.page.getByRole('heading', { name: 'Minha segurança' }).waitFor();
    expect(second.offences).toEqual([]);
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('staying in', () => {
  test('an access token that ended is renewed once for all tabs, and nobody notices', async () => {
    const first = await visit('/', ANA);
    const second = await stage.enter(first.context, '/me/security');
    await studio(first.page).waitFor();
    await second.page.getByText('esta', { exact: true }).waitFor();
    fake().identity.expire();
    await Promise.all([
      first.page.evaluate(() => document.querySelector<HTMLAnchorElement>('a.brand')?.click()),
      field(first.page, 'O que você quer ver?').fill('um farol').then(() => button(first.page, /^Gerar/).click()),
      button(second.page, 'Criar uma chave').click(),
    ]);
    await first.page.getByRole('img', { name: /farol/ }).waitFor();
    await field(second.page, 'Nome da chave').fill('Robô');
    await button(second.page, 'Criar a chave').click();
    await second.page.getByText('Copie-a agora').waitFor();
    expect(fake().identity.refreshes).toBe(1);
    expect(second.offences).toEqual([]);
  });

  test('a tab that is looked at renews ahead of the end, so that pictures never break', async () => {
    fake().plant({ prompt: 'um barco' });
    const watched = await stage.visit('/', ANA);
    open.push(watched);
    await studio(watched.page).waitFor();
    await watched.page.evaluate(() => localStorage.setItem('studio.session_until', String(Date.now() + 1_000)));
    await watched.page.reload();
    await expect.poll(() => fake().identity.refreshes, { timeout: 9_000 }).toBe(1);
  });

  test('the end of the session, wherever it is noticed, keeps what was being written', async () => {
    const { page } = await visit('/', ANA);
    const second = await stage.enter(page.context(), '/me/security');
    await second.page.getByText('esta', { exact: true }).waitFor();
    await field(page, 'O que você quer ver?').fill('um moinho que ainda não existe');
    fake().identity.endAll();
    await button(page, /^Gerar/).click();
    await page.getByText('Sua sessão terminou por segurança').waitFor();
    // The other tab goes along without having asked anything.
    await second.page.getByText('Sua sessão terminou por segurança').waitFor();
    expect(second.page.url()).toContain('return=%2Fme%2Fsecurity');
    await signIn(page);
    await expect.poll(() => field(page, 'O que você quer ver?').inputValue()).toBe('um moinho que ainda não existe');
  });

  test('what one person was writing is not shown to the next', async () => {
    fake().identity.person('bruno@exemplo.com.br', 'Bruno');
    const { page } = await visit('/', ANA);
    await field(page, 'O que você quer ver?').fill('um segredo da Ana');
    fake().identity.endAll();
    await button(page, /^Gerar/).click();
    await field(page, 'E-mail').fill('bruno@exemplo.com.br');
    await field(page, 'Senha').fill(PASSWORD);
    await button(page, 'Entrar').click();
    await studio(page).waitFor();
    expect(await field(page, 'O que você quer ver?').inputValue()).toBe('');
    expect(await kept(page)).not.toContain('segredo');
  });

  test('signing out leaves nothing but the looks, in every tab', async () => {
    const { page } = await visit('/', ANA);
    const second = await stage.enter(page.context(), '/');
    await studio(second.page).waitFor();
    await field(page, 'O que você quer ver?').fill('um segredo');
    await button(page, /^Conta de/).click();
    await page.getByRole('radio', { name: 'Escura' }).check();
    await button(page, 'Sair').click();
    await page.getByRole('heading', { name: 'Entrar', level: 1 }).waitFor();
    await second.page.getByRole('heading', { name: 'Entrar', level: 1 }).waitFor();
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
    expect(await kept(page)).not.toContain('segredo');
    await page.goto(`${stage.url}/`);
    await page.getByRole('heading', { name: 'Entrar', level: 1 }).waitFor();
  });

  test('a workspace is changed in the menu, and the page begins anew', async () => {
    const { page } = await visit('/', ANA);
    await button(page, /^Conta de/).click();
    await page.getByRole('combobox', { name: 'Espaço de trabalho' }).selectOption({ label: 'Campanha de verão (administração)' });
    await page.waitForLoadState();
    await studio(page).waitFor();
    await button(page, /^Conta de/).click();
    await expect.poll(() => page.getByRole('combobox', { name: 'Espaço de trabalho' }).inputValue()).toBe('wsp_2');
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('links of mails', () => {
  test('the token leaves the address bar and the history at once', async () => {
    fake().identity.tickets.set('abc', { for: 'verify', account: ana() });
    const { page } = await visit('/verify-email#token=abc');
    expect(page.url()).toBe(`${stage.url}/verify-email`);
    expect(await kept(page)).not.toContain('abc');
    // Opening the link uses nothing up: programs look at links before people do.
    expect(fake().identity.tickets.has('abc')).toBe(true);
    await button(page, 'Confirmar o endereço').click();
    await page.getByRole('heading', { name: 'Endereço confirmado' }).waitFor();
  });

  test('in another browser than the registration the password is asked for', async () => {
    fake().identity.tickets.set('abc', { for: 'verify', account: ana() });
    fake().identity.registeredElsewhere = true;
    const { page } = await visit('/verify-email#token=abc');
    await button(page, 'Confirmar o endereço').click();
    await field(page, 'Senha').fill('outra senha qualquer');
    await button(page, 'Confirmar o endereço').click();
    await page.getByText('Digite a senha que você escolheu no cadastro.', { exact: true }).waitFor();
    await field(page, 'Senha').fill(PASSWORD);
    await button(page, 'Confirmar o endereço').click();
    await page.getByRole('heading', { name: 'Endereço confirmado' }).waitFor();
  });

  test('a forgotten password, with the second factor still asked for', async () => {
    ana().totp = '2026-09-01T00:00:00Z';
    fake().identity.tickets.set('abc', { for: 'reset', account: ana() });
    const { page } = await visit('/reset#token=abc');
    await field(page, 'Nova senha').fill('curta');
    await button(page, 'Trocar a senha').click();
    await field(page, 'Código').fill(TOTP_CODE);
    await button(page, 'Trocar a senha').click();
    await expect.poll(() => field(page, 'Nova senha').getAttribute('aria-invalid')).toBe('true');
    await field(page, 'Nova senha').fill('tangerina com relógio verde');
    await button(page, 'Trocar a senha').click();
    await page.getByRole('heading', { name: 'Senha trocada' }).waitFor();
    expect(ana().password).toBe('tangerina com relógio verde');
  });

  test('an invitation, from making it to being in', async () => {
    fake().identity.policy.mail = false;
    const { page } = await visit('/admin/users', ANA);
    await button(page, 'Convidar').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('E-mail').fill('caio@exemplo.com.br');
    await dialog.getByRole('button', { name: 'Convidar' }).click();
    const link = await page.getByRole('textbox', { name: 'Link para caio@exemplo.com.br' }).inputValue();
    expect(link).toContain(`${stage.url}/invitation#token=`);
    await page.getByRole('button', { name: 'Retirar o convite de caio@exemplo.com.br' }).waitFor();
    const guest = await visit(`/invitation${new URL(link).hash}`);
    await withAuthenticator(guest.page);
    await field(guest.page, 'Nome').fill('Caio');
    await button(guest.page, 'Criar a passkey').click();
    await studio(guest.page).waitFor();
    expect(fake().identity.find('caio@exemplo.com.br')).toMatchObject({ name: 'Caio', state: 'active' });
    expect(fake().identity.find('caio@exemplo.com.br').passkeys).toHaveLength(1);
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('my security', () => {
  test('codes from an app, recovery codes shown once and taken along', async () => {
    const { page } = await visit('/me/security', ANA);
    await button(page, 'Ligar os códigos').click();
    await page.getByRole('img', { name: /Código QR/ }).waitFor();
    expect(await page.getByRole('textbox', { name: 'Segredo' }).inputValue()).toMatch(/^[A-Z2-7]{32}$/);
    await field(page, /Código que o aplicativo mostra/).fill('000000');
    await button(page, 'Confirmar').click();
    await expect.poll(() => field(page, /Código que o aplicativo mostra/).getAttribute('aria-invalid')).toBe('true');
    await field(page, /Código que o aplicativo mostra/).fill(TOTP_CODE);
    await button(page, 'Confirmar').click();
    const list = page.getByRole('list', { name: 'Códigos de recuperação do Secure AI Studio' });
    await expect.poll(() => list.getByRole('listitem').count()).toBe(10);
    const saving = page.waitForEvent('download');
    await button(page, 'Baixar').click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toBe('secure-ai-studio-recovery-codes.txt');
    await button(page, 'Já guardei').click();
    await page.getByText('Restam 10 códigos sem uso.').waitFor();
    await page.reload();
    await page.getByText('Restam 10 códigos sem uso.').waitFor();
    expect(await list.count()).toBe(0);
  });

  test('a sensitive act asks for a fresh proof and is then done', async () => {
    const { page } = await visit('/me/security', ANA);
    await button(page, 'Criar uma chave').click();
    await field(page, 'Nome da chave').fill('Robô');
    fake().identity.stale();
    await button(page, 'Criar a chave').click();
    const dialog = page.getByRole('dialog', { name: 'Confirme que é você' });
    await dialog.getByLabel('Senha', { exact: true }).fill('errada');
    await dialog.getByRole('button', { name: 'Confirmar' }).click();
    await dialog.getByText('Não confere').waitFor();
    await dialog.getByLabel('Senha', { exact: true }).fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Confirmar' }).click();
    await page.getByText('Copie-a agora').waitFor();
    expect(ana().keys).toHaveLength(1);
  });

  test('leaving the question for proof changes nothing and is no error', async () => {
    const { page } = await visit('/me/security', ANA);
    await button(page, 'Criar uma chave').click();
    await field(page, 'Nome da chave').fill('Robô');
    fake().identity.stale();
    await button(page, 'Criar a chave').click();
    await page.getByRole('dialog', { name: 'Confirme que é você' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog', { name: 'Confirme que é você' }).count()).toBe(0);
    expect(ana().keys).toHaveLength(0);
    expect(await page.getByRole('alert').filter({ hasText: /\S/ }).count()).toBe(0);
    // What was typed is still there for another go.
    expect(await field(page, 'Nome da chave').inputValue()).toBe('Robô');
  });

  test('a proof by passkey', async () => {
    const { page } = await visit('/me/security', ANA);
    await withAuthenticator(page);
    await button(page, 'Criar uma passkey').click();
    await button(page, 'Criar a passkey').click();
    await page.getByText('Minha passkey', { exact: true }).waitFor();
    fake().identity.stale();
    await button(page, 'Renomear Minha passkey').click();
    await page.getByRole('dialog').getByLabel('Nome da passkey').fill('Notebook');
    await button(page, 'Salvar').click();
    await page.getByRole('dialog', { name: 'Confirme que é você' }).getByRole('button', { name: 'Usar uma passkey' }).click();
    await page.getByText('Notebook', { exact: true }).waitFor();
    await button(page, 'Remover Notebook').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remover', exact: true }).click();
    await page.getByText('Nenhuma passkey ainda.').waitFor();
  });

  test('a key is made, shown once, works, and is revoked', async () => {
    const { page } = await visit('/me/security', ANA);
    await button(page, 'Criar uma chave').click();
    await button(page, 'Criar a chave').click();
    await page.getByText('Preencha este campo.').waitFor();
    await field(page, 'Nome da chave').fill('Robô');
    await field(page, 'Só destas redes').fill('10.0.0.0/8, 203.0.113.7');
    await button(page, 'Criar a chave').click();
    const secret = await page.getByRole('textbox', { name: 'Chave', exact: true }).inputValue();
    const use = (): Promise<number> => fetch(`${stage.url}/api/v1/models`, { headers: { authorization: `Bearer ${secret}` } }).then(({ status }) => status);
    expect(await use()).toBe(200);
    expect(ana().keys[0]).toMatchObject({ scopes: ['generations:read', 'generations:write'], networks: ['10.0.0.0/8', '203.0.113.7'] });
    expect(Date.parse(ana().keys[0]?.expires_at ?? '')).toBeGreaterThan(Date.now() + 89 * 86_400_000);
    await page.reload();
    await page.getByText('Robô', { exact: true }).waitFor();
    expect(await page.getByText(secret).count()).toBe(0);
    await button(page, 'Revogar a chave Robô').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revogar' }).click();
    await page.getByText('Nenhuma chave ainda.').waitFor();
    expect(await use()).toBe(401);
  });

  test('sessions elsewhere are named and ended', async () => {
    fake().identity.elsewhere();
    fake().identity.elsewhere(undefined, 'Firefox (Windows)');
    const { page } = await visit('/me/security', ANA);
    await button(page, 'Terminar a sessão Safari (iPhone)').click();
    await expect.poll(() => page.getByText('Safari (iPhone)').count()).toBe(0);
    // Whoever finds the browser open shuts nobody out.
    fake().identity.stale();
    await button(page, 'Terminar as outras').click();
    const proof = page.getByRole('dialog', { name: 'Confirme que é você' });
    await proof.getByLabel('Senha', { exact: true }).fill(PASSWORD);
    await proof.getByRole('button', { name: 'Confirmar' }).click();
    await expect.poll(() => page.getByText('Firefox (Windows)').count()).toBe(0);
    expect(await page.getByText('esta', { exact: true }).count()).toBe(1);
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('people and workspaces', () => {
  beforeEach(() => {
    fake().identity.person('bruno@exemplo.com.br', 'Bruno');
    fake().identity.person('davi@exemplo.com.br', 'Davi', 'auditor');
  });

  test('a role, a closed account, and the last administrator', async () => {
    const { page } = await visit('/admin/users', ANA);
    await button(page, 'Gerir Bruno').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Papel no estúdio' }).selectOption('operator');
    await dialog.getByRole('button', { name: 'Salvar' }).click();
    await expect.poll(() => fake().identity.find('bruno@exemplo.com.br').role).toBe('operator');
    await button(page, 'Gerir Bruno').click();
    await dialog.getByRole('button', { name: 'Desativar a conta' }).click();
    await dialog.getByText('sai de todos os aparelhos').waitFor();
    await dialog.getByRole('button', { name: 'Desativar a conta' }).click();
    await page.getByText('desativada', { exact: true }).waitFor();
    await button(page, 'Gerir Ana Lúcia Prado').click();
    await dialog.getByRole('combobox', { name: 'Papel no estúdio' }).selectOption('user');
    await dialog.getByRole('button', { name: 'Salvar' }).click();
    await dialog.getByText('última conta de administração').waitFor();
  });

  test('a workspace and its people', async () => {
    const { page } = await visit('/admin/workspaces', ANA);
    await button(page, 'Criar um espaço').click();
    await page.getByRole('dialog').getByLabel('Nome do espaço').fill('Livro infantil');
    await button(page, 'Salvar').click();
    await page.getByRole('link', { name: 'Pessoas de Livro infantil' }).click();
    await page.getByText('Ninguém ainda.').waitFor();
    await button(page, 'Incluir uma pessoa').first().click();
    await page.getByRole('dialog').getByLabel('Pessoa', { exact: true }).selectOption({ label: 'Bruno (bruno@exemplo.com.br)' });
    await page.getByRole('dialog').getByRole('button', { name: 'Incluir uma pessoa' }).click();
    await page.getByRole('combobox', { name: 'Papel de Bruno' }).selectOption('finance');
    await expect.poll(() => fake().identity.members.at(-1)?.role).toBe('finance');
    await button(page, 'Remover Bruno deste espaço').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remover', exact: true }).click();
    await page.getByText('Ninguém ainda.').waitFor();
  });

  test('a screen without the right is not in the menu, and its address says whose it is', async () => {
    const { page } = await visit('/admin/users', { as: 'bruno@exemplo.com.br' });
    await page.getByText('é preciso o papel de encarregado de dados, auditoria ou administração').waitFor();
    await button(page, /^Conta de/).click();
    await page.getByRole('link', { name: 'Minha segurança' }).waitFor();
    expect(await page.getByRole('link', { name: 'Pessoas e papéis' }).count()).toBe(0);
  });

  test('who may look and not change is given nothing to change with', async () => {
    const { page } = await visit('/admin/users', { as: 'davi@exemplo.com.br' });
    await page.getByText('O seu papel vê esta lista').waitFor();
    await page.getByText('bruno@exemplo.com.br').waitFor();
    expect(await page.getByRole('button', { name: /Gerir|Convidar/ }).count()).toBe(0);
  });
});
