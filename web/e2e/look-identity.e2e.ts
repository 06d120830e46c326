/** Every state of the entrances, of one's own security and of the people's screens: axe, reflow, both themes, photographed. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PASSWORD, TOTP_CODE } from './fake-identity';
import type { FakeStudio } from './fake-server';
import { audit, expectNoSidewaysScroll, shoot, Stage, type Visit, withAuthenticator } from './harness';

const stage = new Stage();
beforeAll(() => stage.open());
afterAll(() => stage.close());
beforeEach(() => stage.fake?.clear());

const SIZES = [
  { name: 'desktop', width: 1280, height: 860 },
  { name: 'phone', width: 390, height: 844 },
  { name: 'narrow', width: 320, height: 640 },
] as const;

interface State {
  name: string;
  path: string;
  visit?: Visit;
  /** Before the page is opened. */
  given?: (fake: FakeStudio) => void;
  /** Until the state is there. */
  reach?: (page: Page) => Promise<void>;
}

const NOBODY = { as: 'nobody' } as const;
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const field = (page: Page, name: string | RegExp) => page.getByLabel(name, { exact: typeof name === 'string' });

async function signIn(page: Page, password = PASSWORD): Promise<void> {
  await field(page, 'E-mail').fill('ana@exemplo.com.br');
  await field(page, 'Senha').fill(password);
  await button(page, 'Entrar').click();
}

const ana = (fake: FakeStudio) => fake.identity.find('ana@exemplo.com.br');
const passkey = (name: string) => ({
  id: `pky_${name}`, name, created_at: '2026-09-02T10:00:00Z', used_at: new Date(Date.now() - 7_200_000).toISOString(), backed_up: name !== 'Chave USB', credential: 'AAAA',
});

const STATES: State[] = [
  { name: 'setup-language', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true) },
  {
    name: 'setup-administrator', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true),
    reach: async (page) => {
      await button(page, 'Continuar').click();
      await field(page, 'Nome').fill('Ana Lúcia Prado');
    },
  },
  {
    name: 'setup-missing', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true),
    reach: async (page) => {
      await button(page, 'Continuar').click();
      await button(page, 'Continuar').click();
      await page.getByText('Preencha este campo.').first().waitFor();
    },
  },
  {
    name: 'setup-password', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true),
    reach: async (page) => {
      await toCredential(page, '4F7K-92QD');
      await page.getByRole('radio', { name: 'Senha' }).check();
      await page.locator('input[name=password]').fill('tangerina na chuva');
    },
  },
  {
    name: 'setup-passkey', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true),
    reach: (page) => toCredential(page, '4F7K-92QD'),
  },
  {
    name: 'setup-wrong-code', path: '/setup', visit: NOBODY, given: (fake) => (fake.identity.setupNeeded = true),
    reach: async (page) => {
      await toCredential(page, '0000-0000');
      await button(page, 'Criar a passkey').click();
      await page.getByText('Este código não confere').first().waitFor();
    },
  },
  { name: 'login', path: '/login', visit: NOBODY, reach: (page) => button(page, 'Usar uma passkey').waitFor() },
  {
    name: 'login-all', path: '/login?ended=1&return=/jobs/gen_1', visit: NOBODY,
    given: (fake) => {
      fake.identity.policy.oidc = [{ name: 'escola', title: 'Universidade Federal de Exemplo' }];
      fake.identity.policy.registration = 'open';
    },
    reach: (page) => page.getByRole('link', { name: /Universidade/ }).waitFor(),
  },
  { name: 'login-elsewhere', path: '/login?problem=oidc_no_account', visit: NOBODY, reach: (page) => page.getByText('Não há conta').waitFor() },
  {
    name: 'login-wrong', path: '/login', visit: NOBODY,
    reach: async (page) => {
      await signIn(page, 'outra coisa');
      await page.getByText('não conferem').waitFor();
    },
  },
  {
    name: 'login-wait', path: '/login', visit: NOBODY,
    reach: async (page) => {
      for (let time = 0; time < 6; time += 1) {
        await signIn(page, `outra coisa ${time}`);
        await page.getByText(time < 5 ? 'não conferem' : 'Espere 40 segundos').waitFor();
      }
    },
  },
  {
    name: 'login-code', path: '/login', visit: NOBODY, given: (fake) => (ana(fake).totp = '2026-09-01T00:00:00Z'),
    reach: async (page) => {
      await signIn(page);
      await field(page, 'Código').waitFor();
    },
  },
  { name: 'register', path: '/register', visit: NOBODY, given: (fake) => (fake.identity.policy.registration = 'open'), reach: (page) => field(page, 'Senha').fill('k7#Qz!m2Rt9@wLp4') },
  { name: 'register-closed', path: '/register', visit: NOBODY, reach: (page) => page.getByText('entra quem foi convidado').waitFor() },
  {
    name: 'register-sent', path: '/register', visit: NOBODY, given: (fake) => (fake.identity.policy.registration = 'open'),
    reach: async (page) => {
      await field(page, 'Nome').fill('Bia');
      await field(page, 'E-mail').fill('bia@exemplo.com.br');
      await field(page, 'Senha').fill('tangerina com relógio verde');
      await button(page, 'Criar conta').click();
      await page.getByText('Veja o seu e-mail').first().waitFor();
    },
  },
  { name: 'verify', path: '/verify-email#token=abc', visit: NOBODY, reach: (page) => button(page, 'Confirmar o endereço').waitFor() },
  {
    name: 'verify-invalid', path: '/verify-email#token=abc', visit: NOBODY,
    reach: async (page) => {
      await button(page, 'Confirmar o endereço').click();
      await page.getByText('Este link não vale mais').waitFor();
    },
  },
  { name: 'verify-no-token', path: '/verify-email', visit: NOBODY },
  { name: 'forgot', path: '/forgot', visit: NOBODY, given: (fake) => (fake.identity.policy.mail = false), reach: (page) => page.getByText('ainda não envia').waitFor() },
  {
    name: 'forgot-sent', path: '/forgot', visit: NOBODY,
    reach: async (page) => {
      await field(page, 'E-mail').fill('ana@exemplo.com.br');
      await button(page, 'Enviar o link').click();
      await page.getByText('Se existe uma conta').waitFor();
    },
  },
  {
    name: 'reset-code', path: '/reset#token=abc', visit: NOBODY,
    given: (fake) => {
      ana(fake).totp = '2026-09-01T00:00:00Z';
      fake.identity.tickets.set('abc', { for: 'reset', account: ana(fake) });
    },
    reach: async (page) => {
      await field(page, 'Nova senha').fill('tangerina com relógio verde');
      await button(page, 'Trocar a senha').click();
      await field(page, 'Código').waitFor();
    },
  },
  {
    name: 'reset-done', path: '/reset#token=abc', visit: NOBODY, given: (fake) => fake.identity.tickets.set('abc', { for: 'reset', account: ana(fake) }),
    reach: async (page) => {
      await field(page, 'Nova senha').fill('tangerina com relógio verde');
      await button(page, 'Trocar a senha').click();
      await page.getByText('Senha trocada').first().waitFor();
    },
  },
  { name: 'invitation', path: '/invitation#token=abc', visit: NOBODY, reach: (page) => button(page, 'Criar a passkey').waitFor() },
  { name: 'security-new', path: '/me/security', reach: (page) => page.getByText('Só a senha protege').waitFor() },
  {
    name: 'security-full', path: '/me/security',
    given: (fake) => {
      Object.assign(ana(fake), {
        passkeys: [passkey('Celular'), passkey('Chave USB')], totp: '2026-09-01T08:00:00Z', codes: ['a', 'b', 'c'], second_factor: true,
        keys: [
          { id: 'key_1', name: 'Robô de capas', scopes: ['generations:read', 'generations:write'], created_at: '2026-08-01T08:00:00Z', expires_at: '2026-12-30T08:00:00Z', used_at: null, networks: [], secret: 's' },
          { id: 'key_2', name: 'Teste antigo', scopes: ['*'], created_at: '2026-05-01T08:00:00Z', expires_at: '2026-06-01T08:00:00Z', used_at: '2026-05-09T08:00:00Z', networks: [], secret: 't' },
        ],
      });
      fake.identity.elsewhere();
      fake.identity.elsewhere(undefined, 'curl', 'api');
    },
    reach: (page) => page.getByText('Safari (iPhone)').waitFor(),
  },
  {
    name: 'security-totp', path: '/me/security',
    reach: async (page) => {
      await button(page, 'Ligar os códigos').click();
      await page.getByRole('img', { name: /Código QR/ }).waitFor();
    },
  },
  {
    name: 'security-codes', path: '/me/security',
    reach: async (page) => {
      await button(page, 'Ligar os códigos').click();
      await field(page, /Código que o aplicativo mostra/).fill(TOTP_CODE);
      await button(page, 'Confirmar').click();
      await button(page, 'Já guardei').waitFor();
    },
  },
  {
    name: 'security-passkey', path: '/me/security',
    reach: (page) => button(page, 'Criar uma passkey').click(),
  },
  {
    name: 'security-key', path: '/me/security',
    reach: async (page) => {
      await button(page, 'Criar uma chave').click();
      await page.getByRole('dialog').getByText('O que ela pode fazer').waitFor();
    },
  },
  {
    name: 'security-key-made', path: '/me/security',
    reach: async (page) => {
      await button(page, 'Criar uma chave').click();
      await field(page, 'Nome da chave').fill('Robô de capas');
      await button(page, 'Criar a chave').click();
      await page.getByText('Copie-a agora').waitFor();
    },
  },
  {
    name: 'step-up', path: '/me/security', given: (fake) => Object.assign(ana(fake), { totp: '2026-09-01T08:00:00Z', passkeys: [passkey('Celular')] }),
    reach: async (page) => {
      await button(page, 'Criar uma chave').waitFor();
      stage.fake?.identity.stale();
      await button(page, 'Criar outros códigos').or(button(page, 'Criar códigos')).click();
      await page.getByText('Confirme que é você').waitFor();
    },
  },
  {
    name: 'menu', path: '/',
    reach: async (page) => {
      await page.getByRole('button', { name: /^Conta de/ }).click();
      await button(page, 'Sair').waitFor();
    },
  },
  { name: 'people', path: '/admin/users', given: crowd, reach: (page) => page.getByText('Bruno').first().waitFor() },
  { name: 'people-read-only', path: '/admin/users', visit: { as: 'davi@exemplo.com.br' }, given: crowd, reach: (page) => page.getByText('Bruno').first().waitFor() },
  {
    name: 'people-link', path: '/admin/users', given: (fake) => (fake.identity.policy.mail = false),
    reach: async (page) => {
      await button(page, 'Convidar').click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('E-mail').fill('caio@exemplo.com.br');
      await dialog.getByRole('button', { name: 'Convidar' }).click();
      await page.getByText('entregue este link em mãos').waitFor();
    },
  },
  {
    name: 'people-invite', path: '/admin/users',
    reach: async (page) => {
      await button(page, 'Convidar').click();
      await page.getByRole('dialog').getByLabel('Papel no espaço').waitFor();
    },
  },
  {
    name: 'people-manage', path: '/admin/users', given: crowd,
    reach: async (page) => {
      await button(page, 'Gerir Bruno Sá').click();
      await button(page, 'Desativar a conta').click();
      await page.getByText('A pessoa sai de todos').waitFor();
    },
  },
  {
    name: 'people-last', path: '/admin/users', given: crowd,
    reach: async (page) => {
      await button(page, 'Gerir Ana Lúcia Prado').click();
      await page.getByRole('combobox', { name: 'Papel no estúdio' }).selectOption('user');
      await button(page, 'Salvar').click();
      await page.getByText('última conta de administração').waitFor();
    },
  },
  { name: 'needs-role', path: '/admin/users', visit: { as: 'bruno@exemplo.com.br' }, given: crowd, reach: (page) => page.getByText('é preciso o papel').waitFor() },
  { name: 'workspaces', path: '/admin/workspaces', given: crowd, reach: (page) => page.getByText('Campanha de verão', { exact: true }).waitFor() },
  { name: 'members', path: '/admin/workspaces/wsp_1', given: crowd, reach: (page) => page.getByText('Bruno').first().waitFor() },
  { name: 'forced-login', path: '/login', visit: { ...NOBODY, forcedColours: true }, reach: (page) => button(page, 'Usar uma passkey').waitFor() },
];

function crowd(fake: FakeStudio): void {
  fake.identity.person('bruno@exemplo.com.br', 'Bruno Sá', 'user', ['wsp_1'], { second_factor: true });
  fake.identity.person('clarice.de.almeida.e.silva@departamento.exemplo.com.br', 'Clarice de Almeida e Silva', 'operator', ['wsp_1', 'wsp_2'], { last_seen: '2026-10-02T10:00:00Z' });
  fake.identity.person('davi@exemplo.com.br', 'Davi', 'auditor', ['wsp_2'], { second_factor: true });
  fake.identity.person('elisa@exemplo.com.br', 'Elisa', 'user', ['wsp_2'], { state: 'disabled', last_seen: '2026-08-02T10:00:00Z' });
  fake.identity.person('fabio@exemplo.com.br', '', 'user', [], { state: 'pending', last_seen: null });
  fake.identity.invitations.push({ id: 'inv_1', email: 'fabio@exemplo.com.br', role: 'user', created_at: '2026-11-20T10:00:00Z', expires_at: '2026-11-27T10:00:00Z', token: 'x' });
}

async function toCredential(page: Page, code: string): Promise<void> {
  await button(page, 'Continuar').click();
  await field(page, 'Código de preparação').fill(code);
  await field(page, 'Nome').fill('Ana Lúcia Prado');
  await field(page, 'E-mail').fill('ana@exemplo.com.br');
  await button(page, 'Continuar').click();
  await page.getByRole('heading', { name: 'Como entrar' }).waitFor();
}

const only = process.env['STATE'];

describe.skipIf(process.env['STUDIO_URL'] !== undefined).each(['light', 'dark'] as const)('in the %s theme', (theme) => {
  test.each(STATES.filter(({ name }) => only === undefined || name.startsWith(only)))('$name', async ({ name, path, visit, given, reach }) => {
    // Reflow at 320 px does not depend on the theme.
    for (const size of theme === 'light' ? SIZES : SIZES.slice(0, 2)) {
      const { fake } = stage;
      if (fake === undefined) return;
      fake.clear();
      given?.(fake);
      const { page, offences, close } = await stage.visit(path, { theme, ...visit, width: size.width, height: size.height });
      await withAuthenticator(page);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await reach?.(page);
      expect(page.url(), 'a token in the address').not.toContain('token=');
      // Under an open menu the page is partly covered; it was measured without one.
      await audit(page, `${name} ${theme} ${size.name}`, name === 'menu' ? '#user-menu' : undefined);
      await expectNoSidewaysScroll(page);
      await shoot(page, `${name}-${size.name}-${theme}`, size.name !== 'desktop' && !['menu', 'security-totp', 'security-key', 'security-passkey', 'step-up', 'people-invite', 'people-manage', 'people-last'].includes(name));
      expect(offences).toEqual([]);
      await close();
    }
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined || only !== undefined)('in English', () => {
  test.each([
    ['/setup', NOBODY, 'Set up the studio'],
    ['/login', NOBODY, 'Sign in'],
    ['/register', NOBODY, 'Create an account'],
    ['/verify-email#token=abc', NOBODY, 'Confirm your e-mail'],
    ['/forgot', NOBODY, 'I forgot my password'],
    ['/reset#token=abc', NOBODY, 'Make another password'],
    ['/invitation#token=abc', NOBODY, 'Accept the invitation'],
    ['/me/security', {}, 'My security'],
    ['/admin/users', {}, 'People and roles'],
    ['/admin/workspaces', {}, 'Workspaces'],
    ['/admin/workspaces/wsp_1', {}, 'Casa'],
  ] as const)('%s', async (path, visit, title) => {
    for (const width of [1280, 320]) {
      const { fake } = stage;
      if (fake === undefined) return;
      fake.clear();
      fake.identity.setupNeeded = path === '/setup';
      const { page, offences, close } = await stage.visit(path, { ...visit, locale: 'en-US', width, height: 800 });
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      await expect.poll(() => page.getByText('Loading…').count()).toBe(0);
      expect(await page.evaluate(() => [document.documentElement.lang, document.title])).toEqual(['en', expect.stringContaining('Secure AI Studio')]);
      // No text is missing: a key that was not fetched shows as `undefined`.
      expect(await page.locator('main').innerText()).not.toMatch(/undefined|\{\w+\}/);
      await audit(page, `${path} in English ${width}`);
      await expectNoSidewaysScroll(page);
      expect(offences).toEqual([]);
      await close();
    }
  });
});
