/** What a person does. Runs against the fake studio, and against a real one where STUDIO_URL is set. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { audit, expectNoSidewaysScroll, shoot, Stage, type Visit, type Watched } from './harness';
import { picture } from './picture';

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

/** Real work on a small machine takes seconds, not milliseconds. */
const RESULT_MS = 60_000;

async function visit(path = '/', how: Visit = {}): Promise<Watched> {
  const watched = await stage.visit(path, how);
  open.push(watched);
  await watched.page.getByRole('heading', { level: 1 }).waitFor();
  return watched;
}

const prompt = (page: Page) => page.getByRole('textbox', { name: 'O que você quer ver?' });
const current = (page: Page) => page.getByRole('region', { name: 'Geração mais recente' }).getByRole('article');
const generate = (page: Page) => page.getByRole('button', { name: /^Gerar/ });
/** Not the same as any other scenario's, so that results are told apart on a real server. */
const unique = (text: string): string => `${text} ${Math.random().toString(36).slice(2, 7)}`;

describe('any studio', () => {
  test('a text becomes a picture that can be downloaded', async () => {
    const { page } = await visit();
    const text = unique('um barco vermelho no mar');
    await prompt(page).fill(text);
    await generate(page).click();
    await current(page).getByText(text).waitFor();
    const shown = current(page).getByRole('img', { name: new RegExp(text) });
    await shown.waitFor({ timeout: RESULT_MS });
    expect(await shown.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))).toBeGreaterThan(0);
    await expect.poll(() => page.getByRole('status').allTextContents()).toContainEqual(expect.stringContaining('Resultado pronto.'));
    await audit(page, 'a picture');
    await shoot(page, 'journey-picture');
    const download = page.waitForEvent('download');
    await current(page).getByRole('link', { name: 'Baixar' }).click();
    expect((await download).suggestedFilename()).toMatch(/\.(png|webp|jpe?g)$/);
  });

  test('a text becomes a clip that plays', async () => {
    const { page } = await visit();
    await prompt(page).fill(unique('um barco no mar'));
    await page.getByRole('radio', { name: 'Vídeo' }).check();
    await generate(page).click();
    const clip = current(page).locator('video');
    await clip.waitFor({ timeout: RESULT_MS });
    await clip.evaluate((video: HTMLVideoElement) => video.play());
    await expect.poll(() => clip.evaluate((video: HTMLVideoElement) => video.currentTime)).toBeGreaterThan(0.1);
    await audit(page, 'a clip');
    await shoot(page, 'journey-clip');
  });

  test('all of it by keyboard', async () => {
    const { page } = await visit();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Ir para o conteúdo');
    const reached: string[] = [];
    for (let step = 0; step < 30; step += 1) {
      const name = await page.evaluate(() => document.activeElement?.id ?? '');
      if (name === 'prompt') break;
      await page.keyboard.press('Tab');
      reached.push(name);
    }
    expect(await page.evaluate(() => document.activeElement?.id), reached.join()).toBe('prompt');
    const text = unique('uma casa branca na colina');
    await page.keyboard.type(text);
    await page.keyboard.press('Control+Enter');
    await current(page).getByText(text).waitFor();
    // The focus stays where the person writes.
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('prompt');
    await current(page).getByRole('img', { name: new RegExp(text) }).waitFor({ timeout: RESULT_MS });
    const deletion = current(page).getByRole('button', { name: 'Apagar' });
    await deletion.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Manter' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => deletion.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  test.each([
    [1280, 720],
    [390, 700],
  ])('what has the focus is never covered, %i × %i', async (width, height) => {
    const { page } = await visit('/', { width, height });
    await page.getByRole('radio').first().waitFor();
    const covered: string[] = [];
    const seen = new Set<string>();
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press('Tab');
      const found = await page.evaluate(() => {
        const active = document.activeElement;
        if (active === null || active === document.body) return null;
        const { left, top, width: wide, height: tall } = active.getBoundingClientRect();
        const at = document.elementFromPoint(left + wide / 2, top + tall / 2);
        const name = `${active.tagName}#${active.id}.${active.getAttribute('name') ?? ''}=${active.textContent?.trim().slice(0, 30) ?? ''}`;
        return { name, clear: at !== null && (active.contains(at) || at.contains(active)) };
      });
      if (found === null) break;
      seen.add(found.name);
      if (!found.clear) covered.push(found.name);
    }
    expect(covered).toEqual([]);
    expect(seen.size).toBeGreaterThan(8);
  });

  test('reloading in the middle loses nothing', async () => {
    const { page } = await visit();
    const text = unique('uma árvore sob a lua');
    if (stage.fake) stage.fake.holdAt = 40;
    await prompt(page).fill(text);
    await generate(page).click();
    await current(page).getByText(text).waitFor();
    await page.reload();
    await current(page).getByText(text).waitFor();
    expect(await prompt(page).inputValue()).toBe(text);
    if (stage.fake) {
      await expect.poll(() => current(page).getByRole('progressbar').getAttribute('value')).toBe('42');
      stage.fake.holdAt = undefined;
    }
    await current(page).getByRole('img', { name: new RegExp(text) }).waitFor({ timeout: RESULT_MS });
  });

  test('a generation has its own address, and deleting it is asked first', async () => {
    const { page } = await visit();
    for (const text of [unique('mar azul'), unique('céu claro')]) {
      await prompt(page).fill(text);
      await generate(page).click();
      await current(page).getByRole('img', { name: new RegExp(text) }).waitFor({ timeout: RESULT_MS });
    }
    const link = page.getByRole('region', { name: 'Anteriores' }).getByRole('link').first();
    await link.click();
    await page.getByRole('heading', { level: 1, name: 'Geração' }).waitFor();
    expect(page.url()).toContain('/jobs/gen_');
    expect(await page.title()).toBe('Geração — Secure AI Studio');
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
    await page.reload();
    await page.getByText('SHA-256').waitFor();
    await page.getByRole('button', { name: 'Apagar' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Apagar' }).click();
    await page.getByRole('heading', { level: 1, name: 'O que você quer ver?' }).waitFor();
  });

  test('nothing to say is said beside the field', async () => {
    const { page } = await visit();
    await prompt(page).fill('   ');
    await generate(page).click();
    await page.getByText('Escreva o que você quer ver.').waitFor();
    expect(await prompt(page).getAttribute('aria-invalid')).toBe('true');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('prompt');
  });

  test('the language and the theme stay chosen', async () => {
    const { page } = await visit();
    await page.getByRole('button', { name: /^Conta de/ }).click();
    await page.getByRole('radio', { name: 'English' }).check();
    await page.getByRole('radio', { name: 'Dark' }).check();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'What do you want to see?' }).waitFor();
    expect(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset['theme']])).toEqual(['en', 'dark']);
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).toBe('rgb(17, 16, 15)');
  });

  test.each([320, 390])('nothing scrolls sideways at %i px', async (width) => {
    const { page } = await visit('/', { width, height: 640 });
    await expectNoSidewaysScroll(page);
    await page.getByRole('button', { name: /^Conta de/ }).click();
    await expectNoSidewaysScroll(page);
    await shoot(page, `reflow-${width}`);
  });

  test('an inline script does not run, and text never becomes markup', async () => {
    const { page, offences } = await visit();
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'globalThis.intruded = true';
        document.head.append(script);
      } catch {
        // Trusted Types refuse it already here.
      }
      return 'intruded' in globalThis;
    });
    expect(ran).toBe(false);
    const refused = await page.evaluate(() => {
      try {
        document.body.insertAdjacentHTML('beforeend', '<b>x</b>');
        return false;
      } catch {
        return true;
      }
    });
    expect(refused).toBe(true);
    await expect.poll(() => offences.length).toBeGreaterThan(0);
    offences.length = 0;
  });
});

describe.skipIf(process.env['STUDIO_URL'] !== undefined)('a studio that can be made to fail', () => {
  const fake = () => {
    if (stage.fake === undefined) throw new Error('only with the fake studio');
    return stage.fake;
  };
  const PROBLEM = { type: 'about:blank', title: 'Busy', status: 503, code: 'overloaded', detail: 'The queue is full.' };

  test('one click is one generation, even when answers are lost', async () => {
    const { page } = await visit();
    fake().traps.push(
      { method: 'POST', path: /generations$/, problem: { ...PROBLEM, status: 0 } },
      { method: 'POST', path: /generations$/, problem: PROBLEM },
    );
    await prompt(page).fill('um farol');
    await generate(page).click();
    await current(page).getByRole('img', { name: /farol/ }).waitFor();
    expect(fake().attempts.length).toBeGreaterThanOrEqual(3);
    expect(new Set(fake().attempts).size).toBe(1);
    expect(fake().keys).toHaveLength(1);
    await generate(page).click();
    await expect.poll(() => fake().keys.length).toBe(2);
    expect(new Set(fake().keys).size).toBe(2);
  });

  test('a server that stays away is named, and the same click can be sent again', async () => {
    const { page } = await visit();
    // More than the page sends: a browser repeats by itself what it sent over a connection that broke.
    for (let time = 0; time < 20; time += 1) {
      fake().traps.push({ method: 'POST', path: /generations$/, problem: { ...PROBLEM, status: 0 } });
    }
    await prompt(page).fill('um farol');
    await generate(page).click();
    await page.getByText('O estúdio não respondeu.').waitFor();
    await shoot(page, 'error-unreachable');
    fake().traps.length = 0;
    await page.getByRole('alert').getByRole('button', { name: 'Tentar de novo' }).click();
    await current(page).getByRole('img', { name: /farol/ }).waitFor();
    expect(fake().keys).toHaveLength(1);
    expect(new Set(fake().attempts).size).toBe(1);
  });

  test('fields that the server refuses are marked with its words', async () => {
    const { page } = await visit();
    fake().traps.push({
      method: 'POST',
      path: /generations$/,
      problem: {
        type: 'about:blank', title: 'Invalid', status: 422, code: 'invalid',
        errors: [{ field: 'seed', code: 'of_its_own', detail: 'choose 0 to 10' }],
      },
    });
    await prompt(page).fill('um farol');
    await generate(page).click();
    await page.getByText('choose 0 to 10').waitFor();
    expect(await page.locator('#seed').getAttribute('aria-invalid')).toBe('true');
    await page.getByText(/req_/).waitFor();
  });

  test('a refused text is shown where it is wrong; a redacted one says so', async () => {
    const { page } = await visit();
    await prompt(page).fill('um gato 🐈 <lora:x:1> na janela');
    await generate(page).click();
    await page.getByRole('button', { name: 'mostrar no texto' }).click();
    const selected = await prompt(page).evaluate((box: HTMLTextAreaElement) => box.value.slice(box.selectionStart, box.selectionEnd));
    expect(selected).toBe('<lora:x:1>');
    await prompt(page).fill('o documento 529.982.247-25 sobre a mesa');
    await generate(page).click();
    await current(page).getByText('trocado por uma marca').waitFor();
    await current(page).getByText('o documento [CPF] sobre a mesa').waitFor();
  });

  test('words that the engine does not know are named', async () => {
    const { page } = await visit();
    await prompt(page).fill('um dirigível sobre o mar');
    await generate(page).click();
    await current(page).getByText('Palavras que o modelo não conhece').waitFor();
    await current(page).getByRole('listitem').filter({ hasText: 'dirigível' }).waitFor();
  });

  test('cancelling stops it', async () => {
    const { page } = await visit();
    fake().holdAt = 30;
    await prompt(page).fill('um farol');
    await generate(page).click();
    await current(page).getByRole('button', { name: 'Cancelar' }).click();
    await current(page).getByText('Cancelada').waitFor();
    await current(page).getByRole('button', { name: 'Tentar de novo' }).waitFor();
  });

  test('a reference picture travels, and its asset goes with the text', async () => {
    const { page } = await visit();
    await page.getByRole('radio', { name: /Photon/ }).check();
    fake().traps.push({ method: 'PATCH', path: /uploads/, problem: { ...PROBLEM, status: 503 } });
    const file = { name: 'praia.png', mimeType: 'image/png', buffer: picture(64, 64, 1) };
    await page.locator('input[type=file]').setInputFiles(file);
    await page.getByText('· pronta').waitFor();
    await page.getByRole('combobox', { name: /praia.png/ }).selectOption('style');
    await prompt(page).fill('a mesma praia com chuva');
    await generate(page).click();
    // It goes to another company: without a purpose nothing leaves.
    await page.getByText('Escolha a finalidade antes').waitFor();
    expect(fake().attempts).toEqual([]);
    await page.getByRole('combobox', { name: 'Finalidade' }).selectOption('product');
    await generate(page).click();
    await expect.poll(() => fake().bodies.at(-1)?.references).toEqual([{ asset: expect.stringMatching(/^ast_/), role: 'style' }]);
    expect(fake().bodies.at(-1)?.purpose).toBe('product');
    await page.locator('input[type=file]').setInputFiles({ name: 'x.exe', mimeType: 'application/x-msdownload', buffer: Buffer.from('MZ') });
    await page.getByText('Este arquivo não é PNG, JPEG nem WebP.').waitFor();
  });

  test('two tabs share one stream, and it outlives the tab that opened it', async () => {
    const first = await visit();
    await first.page.getByText('ao vivo').waitFor();
    const second = await stage.enter(first.context);
    await second.page.getByText('ao vivo').waitFor();
    expect(fake().listening).toBe(1);
    await prompt(first.page).fill('um farol');
    await generate(first.page).click();
    await current(second.page).getByRole('img', { name: /farol/ }).waitFor();
    await first.page.close();
    await expect.poll(() => fake().listening).toBe(1);
    await prompt(second.page).fill('um moinho');
    await generate(second.page).click();
    await current(second.page).getByRole('img', { name: /moinho/ }).waitFor();
    expect(second.offences).toEqual([]);
  });

  test('a broken line is said, mended, and nothing is missed', async () => {
    const { page } = await visit();
    await page.getByText('ao vivo').waitFor();
    fake().holdAt = 50;
    await prompt(page).fill('um farol');
    await generate(page).click();
    await current(page).getByRole('progressbar').waitFor();
    for (let time = 0; time < 2; time += 1) fake().traps.push({ method: 'GET', path: /events$/, problem: PROBLEM });
    fake().cutStreams();
    await page.getByText('reconectando').waitFor();
    fake().holdAt = undefined;
    await page.getByText('ao vivo').waitFor();
    await current(page).getByRole('img', { name: /farol/ }).waitFor();
  });

  test('motion is left out for those who ask', async () => {
    const { page } = await visit('/', { calm: true });
    await prompt(page).fill('um farol');
    await generate(page).click();
    const image = current(page).getByRole('img', { name: /farol/ });
    await image.waitFor();
    expect(await image.evaluate((element) => getComputedStyle(element).animationName)).toContain('appear');
  });
});
