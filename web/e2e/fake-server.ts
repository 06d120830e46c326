/**
 * A FAKE studio for the browser tests: the built page and an API of the same shape, kept in memory.
 * It makes no pictures of its own worth and keeps nothing. Every answer carries `Studio-Fake: 1`.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding, Generation, GenerationRequest, Model, Problem } from '../src/lib/api/types';
import { FakeIdentity } from './fake-identity';
import { picture } from './picture';

/** The header that the studio itself sends. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html',
].join('; ');

/** Sizes of pictures by aspect; others are square. */
const BY_ASPECT: Record<string, string> = { '16:9': '640x360', '9:16': '360x640' };
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const CLIP = readFileSync(new URL('./fixtures/clip.mp4', import.meta.url));
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
};

const LOCAL = { country: 'local', retention: 'kept in this studio only', training: 'never', verdict: 'local' };
const ABROAD = { country: 'US', retention: '30 days', training: 'not used for training', verdict: 'allowed' };
const NONE = { max: 0, roles: [] };
const DATED = { currency: 'USD', as_of: '2026-07-01', source: 'Luma price list' };
const SIZES = [{ width: 512, height: 512 }, { width: 640, height: 384 }, { width: 384, height: 640 }];

const MODELS: Model[] = [
  {
    id: 'starter-1', provider: 'local', title: 'Starter', demo: true, seed: true, max_prompt_chars: 400, data: LOCAL, available: true,
    abilities: [
      { kind: 'image', operation: 'create', sizes: SIZES, aspects: [], seconds: [], references: NONE, price: null },
      { kind: 'video', operation: 'create', sizes: SIZES, aspects: [], seconds: [2, 3], references: NONE, price: null },
    ],
    vocabulary: [
      { slot: 'object', words: [{ word: 'boat', pt: ['barco', 'veleiro'], en: ['boat'] }, { word: 'house', pt: ['casa'], en: ['house'] }] },
      { slot: 'time', words: [{ word: 'sunset', pt: ['pôr do sol'], en: ['sunset'] }] },
    ],
  },
  {
    id: 'photon-1', provider: 'luma', title: 'Photon', demo: false, seed: false, max_prompt_chars: 5000, data: ABROAD, available: true,
    abilities: [
      {
        kind: 'image', operation: 'create', sizes: [], aspects: ['16:9', '1:1', '9:16', '4:3'], seconds: [],
        references: { max: 4, roles: ['image', 'style', 'character'] }, price: { ...DATED, unit: 'image', micros: 16_000 },
      },
    ],
  },
  {
    id: 'ray-2', provider: 'luma', title: 'Ray 2', demo: false, seed: false, max_prompt_chars: 5000, data: ABROAD,
    available: false, unavailable_reason: 'no API key is set',
    abilities: [
      {
        kind: 'video', operation: 'create', sizes: [], aspects: ['16:9', '9:16'], seconds: [5, 9],
        references: { max: 2, roles: ['start_frame', 'end_frame'] }, price: { ...DATED, unit: 'second', micros: 142_000 },
      },
    ],
  },
];

export interface FakeOptions {
  /** Milliseconds between two steps of a generation. */
  pace?: number;
}

/** What the next request of a kind should run into. */
export type Trap = { method: string; path: RegExp; problem: Problem; headers?: Record<string, string> };

export class FakeStudio {
  readonly identity = new FakeIdentity();
  pace: number;
  /** Generations stop at this percentage until it is undefined again. */
  holdAt: number | undefined;
  readonly traps: Trap[] = [];
  /** Keys of every POST that arrived, and of those that were accepted, in order. */
  readonly attempts: string[] = [];
  readonly keys: string[] = [];
  readonly bodies: GenerationRequest[] = [];
  streams = 0;
  readonly #generations = new Map<string, Generation>();
  readonly #assets = new Map<string, { type: string; bytes: Buffer }>();
  readonly #uploads = new Map<string, { length: number; chunks: Buffer[]; offset: number; asset?: string }>();
  readonly #answers = new Map<string, { body: string; id: string }>();
  readonly #listeners = new Set<ServerResponse>();
  readonly #log: { sequence: number; text: string }[] = [];
  readonly #server: Server;
  #counter = 0;

  constructor(options: FakeOptions = {}) {
    this.pace = options.pace ?? 60;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    // By name, since passkeys belong to names.
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Forgets everything that was made. */
  clear(): void {
    this.#generations.clear();
    this.identity.clear();
    this.traps.length = 0;
    this.attempts.length = 0;
    this.keys.length = 0;
    this.bodies.length = 0;
    this.holdAt = undefined;
  }

  /** Cuts every event stream, as a proxy that restarts would. */
  cutStreams(): void {
    for (const listener of this.#listeners) listener.destroy();
  }

  /** Puts a finished generation there without making it. */
  plant(over: Partial<Generation>): Generation {
    const made = this.#make({ kind: 'image', prompt: 'um barco vermelho no mar', model: 'starter-1', provider: 'local', size: '512x512' });
    Object.assign(made, { state: 'succeeded' }, over);
    if (made.state === 'succeeded') this.#finish(made);
    Object.assign(made, over);
    return made;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const method = request.method ?? 'GET';
    response.setHeader('studio-fake', '1');
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    response.setHeader('x-request-id', `req_${randomUUID()}`);
    if (method === 'POST' && url.pathname.endsWith('/generations')) {
      this.attempts.push(String(request.headers['idempotency-key'] ?? ''));
    }
    const trap = this.traps.findIndex((candidate) => candidate.method === method && candidate.path.test(url.pathname));
    if (trap >= 0) {
      const [sprung] = this.traps.splice(trap, 1);
      if (sprung !== undefined) {
        await read(request);
        if (sprung.problem.status === 0) return void response.destroy();
        for (const [name, value] of Object.entries(sprung.headers ?? {})) response.setHeader(name, value);
        return problem(response, sprung.problem);
      }
    }
    if (!url.pathname.startsWith('/api/')) return this.#file(url.pathname, request, response);
    const [, , , area, id, verb] = url.pathname.split('/');
    if (['auth', 'setup', 'me', 'admin'].includes(area ?? '')) {
      const text = (await read(request)).toString('utf8');
      return this.identity.serve(method, url.pathname.slice('/api/v1'.length), request, response, text);
    }
    const login = this.identity.who(request);
    if ('status' in login) return problem(response, login.body as Problem);
    if (area === 'models') return json(response, 200, { items: MODELS });
    if (area === 'events') return this.#stream(request, response);
    if (area === 'uploads') return this.#upload(method, id, request, response);
    if (area === 'assets' && id !== undefined && verb === 'content') return this.#content(id, url, request, response);
    if (area === 'generations') return this.#generation(method, id, verb, url, request, response);
    return problem(response, gone());
  }

  async #generation(
    method: string,
    id: string | undefined,
    verb: string | undefined,
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (id === undefined && method === 'POST') return this.#accept(request, response);
    if (id === undefined) {
      const all = [...this.#generations.values()].reverse();
      const limit = Number(url.searchParams.get('limit') ?? 24);
      const from = Number(url.searchParams.get('cursor') ?? 0);
      const next = from + limit < all.length ? String(from + limit) : null;
      return json(response, 200, { items: all.slice(from, from + limit), next_cursor: next });
    }
    const found = this.#generations.get(id);
    if (found === undefined) return problem(response, gone());
    if (method === 'DELETE') {
      this.#generations.delete(id);
      response.writeHead(204).end();
      return;
    }
    if (verb === 'cancel') {
      this.#change(found, 'cancelled');
      return json(response, 202, found);
    }
    if (verb === 'retry') {
      const again = this.#make({ kind: found.kind, prompt: found.prompt, model: found.model, provider: found.provider });
      this.#run(again);
      return json(response, 202, again);
    }
    return json(response, 200, found);
  }

  async #accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await read(request)).toString('utf8');
    const key = String(request.headers['idempotency-key'] ?? '');
    const known = this.#answers.get(key);
    if (known !== undefined) {
      if (known.body !== text) {
        return problem(response, { type: 'about:blank', title: 'Key reused', status: 422, code: 'idempotency_mismatch' });
      }
      return json(response, 202, this.#generations.get(known.id));
    }
    const body = JSON.parse(text) as GenerationRequest;
    const found = findings(body.prompt);
    if (found.some((finding) => finding.action === 'refused')) {
      return problem(response, {
        type: 'about:blank', title: 'Prompt refused', status: 422, code: 'prompt_refused', detail: 'The prompt was not sent.',
        errors: found.map(({ kind, start, end }) => ({ field: 'prompt', code: kind, detail: 'found', start, end })),
      });
    }
    this.keys.push(key);
    this.bodies.push(body);
    const made = this.#make(body);
    if (found.length > 0) {
      made.screening = { findings: found };
      made.prompt = body.prompt.replace(/\d{3}\.\d{3}\.\d{3}-\d{2}/g, '[CPF]');
    }
    this.#answers.set(key, { body: text, id: made.id });
    this.#run(made);
    response.setHeader('location', `/api/v1/generations/${made.id}`);
    return json(response, 202, { id: made.id, state: made.state });
  }

  #make(body: GenerationRequest): Generation {
    this.#counter += 1;
    const now = new Date(Date.now() + this.#counter).toISOString();
    const model = MODELS.find((candidate) => candidate.id === body.model) ?? MODELS[0];
    const micros = model?.abilities.find(({ kind }) => kind === body.kind)?.price?.micros ?? 0;
    const unknown = body.prompt.split(/\s+/).filter((word) => /dirig|xil/.test(word));
    const made: Generation = {
      id: `gen_${String(this.#counter).padStart(6, '0')}${randomUUID().replaceAll('-', '').slice(0, 20)}`,
      kind: body.kind, state: 'queued', prompt: body.prompt, model: model?.id ?? '', provider: model?.provider ?? '',
      created_at: now, updated_at: now, size: body.size ?? null, aspect: body.aspect ?? null,
      seconds: body.seconds ?? null, seed: body.seed ?? (model?.seed === true ? 48_151 + this.#counter : null),
      outputs: [], notes: [],
      cost: { estimated: { micros, currency: 'USD' } },
      engine: { provider: model?.provider ?? '', model: model?.id ?? '', demo: model?.demo ?? false },
    };
    if (model?.demo === true) {
      made.notes?.push({ code: 'demo_model', detail: 'Made by the built-in demonstration model.' });
      if (body.kind === 'video') made.notes?.push({ code: 'animated_still', detail: 'An animated still.' });
    }
    if (unknown.length > 0) {
      made.notes?.push({ code: 'unknown_words', detail: 'The model does not know these words.', words: unknown });
    }
    this.#generations.set(made.id, made);
    return made;
  }

  #run(made: Generation): void {
    const steps = 12;
    let step = 0;
    const tick = (): void => {
      if (this.#generations.get(made.id)?.state === 'cancelled' || !this.#generations.has(made.id)) return;
      const percent = Math.round((step / steps) * 100);
      if (this.holdAt !== undefined && percent >= this.holdAt) return void setTimeout(tick, this.pace);
      step += 1;
      if (step > steps) {
        this.#finish(made);
        return this.#change(made, 'succeeded');
      }
      made.progress = { percent: Math.round((step / steps) * 100), step, steps, stage: step < steps ? 'generating' : 'collecting' };
      this.#change(made, 'running');
      setTimeout(tick, this.pace);
    };
    setTimeout(tick, this.pace);
  }

  #finish(made: Generation): void {
    const video = made.kind === 'video';
    const [width, height] = video ? [320, 180] : (made.size ?? BY_ASPECT[made.aspect ?? ''] ?? '512x512').split('x').map(Number);
    const bytes = video ? CLIP : picture(width ?? 512, height ?? 512, made.seed ?? this.#counter);
    const asset = `ast_${randomUUID().replaceAll('-', '')}`;
    const type = video ? 'video/mp4' : 'image/png';
    this.#assets.set(asset, { type, bytes });
    made.outputs = [
      {
        asset, media_type: type, width: width ?? 512, height: height ?? 512,
        sha256: createHash('sha256').update(bytes).digest('hex'), ...(video ? { seconds: 2 } : {}),
      },
    ];
    made.finished_at = new Date(Date.parse(made.created_at) + 4_200).toISOString();
    made.cost = { ...made.cost, actual: made.cost?.estimated ?? null };
    made.progress = null;
  }

  #change(made: Generation, state: Generation['state']): void {
    const now = new Date().toISOString();
    made.state = state;
    made.updated_at = now > made.updated_at ? now : made.updated_at;
    const sequence = this.#log.length + 1;
    const data = { id: made.id, state, ...(made.progress === undefined ? {} : { progress: made.progress }) };
    const event = { type: 'generation.updated', timestamp: made.updated_at, sequence, data };
    const text = `id: ${sequence}\nevent: generation.updated\ndata: ${JSON.stringify(event)}\n\n`;
    this.#log.push({ sequence, text });
    for (const listener of this.#listeners) listener.write(text);
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    this.streams += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\nretry: 200\n\n');
    const last = Number(request.headers['last-event-id'] ?? Number.POSITIVE_INFINITY);
    for (const { sequence, text } of this.#log) if (sequence > last) response.write(text);
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
  }

  /** Streams that are open now. */
  get listening(): number {
    return this.#listeners.size;
  }

  async #upload(method: string, id: string | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('tus-resumable', '1.0.0');
    if (method === 'POST') {
      const fresh = randomUUID();
      this.#uploads.set(fresh, { length: Number(request.headers['upload-length']), chunks: [], offset: 0 });
      response.setHeader('location', `/api/v1/uploads/${fresh}`);
      response.writeHead(201).end();
      return;
    }
    const upload = this.#uploads.get(id ?? '');
    if (upload === undefined) return problem(response, gone());
    if (method === 'PATCH') {
      const piece = await read(request);
      if (Number(request.headers['upload-offset']) !== upload.offset) {
        return problem(response, { type: 'about:blank', title: 'Offset', status: 409, code: 'upload.offset' });
      }
      upload.chunks.push(piece);
      upload.offset += piece.length;
      if (upload.offset === upload.length) {
        upload.asset = `ast_${randomUUID().replaceAll('-', '')}`;
        this.#assets.set(upload.asset, { type: 'image/png', bytes: Buffer.concat(upload.chunks) });
        response.setHeader('studio-asset', upload.asset);
      }
      response.writeHead(204, { 'upload-offset': String(upload.offset) }).end();
      return;
    }
    response.setHeader('upload-offset', String(upload.offset));
    if (method === 'HEAD') return void response.writeHead(200).end();
    return json(response, 200, { id, offset: upload.offset, length: upload.length, asset: upload.asset });
  }

  #content(id: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
    const asset = this.#assets.get(id);
    if (asset === undefined) return problem(response, gone());
    response.setHeader('content-type', asset.type);
    response.setHeader('accept-ranges', 'bytes');
    if (url.searchParams.get('download') === '1') {
      response.setHeader('content-disposition', `attachment; filename="${id}.${asset.type === 'video/mp4' ? 'mp4' : 'png'}"`);
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (range === null) return void response.writeHead(200, { 'content-length': asset.bytes.length }).end(asset.bytes);
    const from = Number(range[1]);
    const to = range[2] ? Math.min(Number(range[2]), asset.bytes.length - 1) : asset.bytes.length - 1;
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${asset.bytes.length}`, 'content-length': to - from + 1 });
    response.end(asset.bytes.subarray(from, to + 1));
  }

  #file(path: string, request: IncomingMessage, response: ServerResponse): void {
    const file = join(DIST, normalize(path));
    const known = extname(file) !== '' && file.startsWith(DIST) && existsSync(file);
    if (!known && !(request.headers.accept ?? '').includes('text/html')) return problem(response, gone());
    const body = readFileSync(known ? file : join(DIST, 'index.html'));
    response.writeHead(200, { 'content-type': TYPES[known ? extname(file) : '.html'] ?? 'application/octet-stream' });
    response.end(body);
  }
}

function findings(prompt: string): Finding[] {
  const at = (pattern: RegExp, kind: string, action: string): Finding[] =>
    [...prompt.matchAll(pattern)].map((match) => ({
      kind, action,
      start: Buffer.byteLength(prompt.slice(0, match.index)),
      end: Buffer.byteLength(prompt.slice(0, match.index + match[0].length)),
    }));
  return [...at(/\d{3}\.\d{3}\.\d{3}-\d{2}/g, 'screening.cpf', 'redacted'), ...at(/<lora:[^>]*>/g, 'screening.injection', 'refused')];
}

const gone = (): Problem => ({ type: 'about:blank', title: 'Not found', status: 404, code: 'not_found' });

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, body: Problem): void {
  const requestId = String(response.getHeader('x-request-id'));
  response.writeHead(body.status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ ...body, request_id: requestId }));
}
