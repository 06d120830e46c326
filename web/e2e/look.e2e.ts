/** Every state in both themes: measured by axe, photographed, and clean under the policy. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { audit, expectNoSidewaysScroll, shoot, Stage, type Visit } from './harness';

const stage = new Stage();
beforeAll(() => stage.open());
afterAll(() => stage.close());
beforeEach(() => stage.fake?.clear());

const THEMES = ['light', 'dark'] as const;
const SIZES = [
  { name: 'desktop', width: 1280, height: 860 },
  { name: 'phone', width: 390, height: 844 },
] as const;

const unless = process.env['STUDIO_URL'] === undefined ? describe : describe.skip;

unless.each(THEMES)('in the %s theme', (theme) => {
  async function look(name: string, path: string, visit: Visit, prepare?: (page: import('playwright-core').Page) => Promise<void>): Promise<void> {
    for (const size of SIZES) {
      const { page, offences, close } = await stage.visit(path, { theme, ...visit, width: size.width, height: size.height });
      await page.getByRole('heading', { level: 1 }).waitFor();
      await prepare?.(page);
      await audit(page, `${name} ${theme} ${size.name}`);
      await expectNoSidewaysScroll(page);
      await shoot(page, `${name}-${size.name}-${theme}`, size.name === 'phone');
      expect(offences).toEqual([]);
      await close();
    }
  }

  test('empty', async () => {
    await look('empty', '/', {}, async (page) => {
      await page.getByRole('button', { name: 'um barco vermelho' }).waitFor();
    });
  });

  test('results, one at work, one that failed', async () => {
    const fake = stage.fake;
    if (fake === undefined) return;
    fake.plant({ prompt: 'um barco vermelho no mar ao pôr do sol', seed: 3 });
    fake.plant({ prompt: 'veleiro ao meio-dia, mar calmo', seed: 4, size: '640x384' });
    fake.plant({ kind: 'video', prompt: 'a luz muda devagar sobre o mar' });
    fake.plant({
      prompt: 'retrato de uma pessoa famosa', state: 'blocked', outputs: [], finished_at: null,
      error: { code: 'content.refused', title: 'Refused', detail: 'The provider refused this text under its rules.' },
    });
    fake.plant({ prompt: 'barco de madrugada', seed: 5, size: '384x640' });
    fake.plant({
      prompt: 'um farol na névoa', state: 'failed', outputs: [], finished_at: null,
      error: { code: 'provider.unavailable', title: 'Unavailable', detail: 'The provider did not answer. Nothing was charged.' },
    });
    fake.plant({ prompt: 'uma vila de pescadores', state: 'queued', outputs: [] });
    fake.plant({
      prompt: 'um veleiro vermelho em mar aberto, luz de fim de tarde', seed: 6,
      notes: [{ code: 'unknown_words', detail: '', words: ['veleiro', 'aberto'] }],
      screening: { findings: [{ kind: 'screening.cpf', action: 'redacted', start: 4, end: 18 }, { kind: 'screening.zero_width', action: 'removed', start: 1, end: 4 }] },
    });
    await look('results', '/', {}, async (page) => {
      await page.getByRole('img', { name: /veleiro vermelho/ }).waitFor();
    });
  });

  test('working', async () => {
    const fake = stage.fake;
    if (fake === undefined) return;
    fake.plant({ prompt: 'um barco vermelho no mar ao pôr do sol', seed: 3 });
    fake.plant({
      prompt: 'uma casa branca na colina verde', state: 'running', outputs: [],
      progress: { percent: 58, step: 7, steps: 12, stage: 'generating' },
    });
    await look('working', '/', {}, async (page) => {
      await page.getByRole('progressbar').waitFor();
    });
  });

  test('a generation of its own', async () => {
    const made = stage.fake?.plant({ prompt: 'um barco vermelho no mar ao pôr do sol', seed: 3 });
    await look('job', `/jobs/${made?.id}`, {}, async (page) => {
      await page.getByRole('img', { name: /barco/ }).waitFor();
    });
  });

  test('refused text', async () => {
    await look('refused', '/', {}, async (page) => {
      await page.getByRole('textbox', { name: 'O que você quer ver?' }).fill('um gato <lora:estilo:0.8> na janela');
      await page.getByRole('button', { name: 'Gerar' }).click();
      await page.getByRole('button', { name: 'mostrar no texto' }).waitFor();
    });
  });

  test('paid model with references', async () => {
    await look('references', '/', {}, async (page) => {
      await page.getByRole('textbox', { name: 'O que você quer ver?' }).fill('a mesma cena com chuva');
      await page.getByRole('radio', { name: /Photon/ }).check();
      await page.locator('input[type=file]').setInputFiles({
        name: 'praia-com-um-nome-bastante-comprido.png', mimeType: 'image/png',
        buffer: (await import('./picture')).picture(128, 96, 1),
      });
      await page.getByText('· pronta').waitFor();
      await page.getByRole('combobox', { name: 'Finalidade' }).selectOption('product');
    });
  });

  test('preferences', async () => {
    await look('preferences', '/', { locale: 'en-US' }, async (page) => {
      await page.getByRole('button', { name: /^Account of/ }).click();
      await page.getByRole('dialog').waitFor();
    });
  });

  test('in the colours of the system', async () => {
    stage.fake?.plant({ prompt: 'um barco vermelho no mar ao pôr do sol', seed: 3 });
    await look('forced', '/', { forcedColours: true }, async (page) => {
      await page.getByRole('img', { name: /barco/ }).waitFor();
    });
  });

  test('no such page', async () => {
    await look('missing', '/nowhere', {});
  });
});
