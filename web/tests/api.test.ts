import { describe, expect, test } from 'vitest';
import { submitOnce, SUBMIT_ATTEMPTS } from '../src/lib/api/client';
import { problemFrom, ProblemError, unreachable } from '../src/lib/api/problem';
import type { Generation } from '../src/lib/api/types';
import { CHUNK_BYTES, MAX_REFERENCE_BYTES, metadata, refusal, RESUME_ATTEMPTS, upload } from '../src/lib/api/uploads';
import { uuid } from '../src/lib/uuid';

const done = { id: 'gen_1' } as Generation;
const busy = (retryAfter?: number): ProblemError =>
  new ProblemError({ type: 'about:blank', title: 'Busy', status: 503, code: 'overloaded' }, retryAfter);

describe('one click', () => {
  test('is repeated under its key until an answer comes', async () => {
    const keys: string[] = [];
    const waits: number[] = [];
    const failures = [unreachable(), busy(3)];
    const send = (key: string): Promise<Generation> => {
      keys.push(key);
      const failure = failures.shift();
      return failure === undefined ? Promise.resolve(done) : Promise.reject(failure);
    };
    await expect(submitOnce(send, 'k', (ms) => Promise.resolve(void waits.push(ms)))).resolves.toBe(done);
    expect(keys).toEqual(['k', 'k', 'k']);
    expect(waits).toEqual([400, 3_000]);
  });

  test('gives up after a number of attempts, and at once when a repeat cannot help', async () => {
    let times = 0;
    const fail = (error: ProblemError) => (): Promise<Generation> => {
      times += 1;
      return Promise.reject(error);
    };
    await expect(submitOnce(fail(busy()), 'k', () => Promise.resolve())).rejects.toThrow('overloaded');
    expect(times).toBe(SUBMIT_ATTEMPTS);
    times = 0;
    const refused = new ProblemError({ type: 'about:blank', title: 'No', status: 422, code: 'invalid' });
    await expect(submitOnce(fail(refused), 'k', () => Promise.resolve())).rejects.toBe(refused);
    expect(times).toBe(1);
  });
});

describe('answers that are no', () => {
  test('problem details', async () => {
    const body = { type: 'x', title: 'Bad', status: 422, code: 'invalid', errors: [{ field: 'seed', code: 'c', detail: 'd' }] };
    const error = await problemFrom(Response.json(body, { status: 422, headers: { 'x-request-id': 'req_1', 'retry-after': '9' } }));
    expect(error.problem).toMatchObject({ code: 'invalid', request_id: 'req_1' });
    expect(error.retryAfter).toBe(9);
    expect(error.field('seed')?.detail).toBe('d');
    expect(error.field('prompt')).toBeUndefined();
    expect(error.findings).toEqual([]);
  });

  test('findings in the text are told apart from what is wrong with it as a whole', async () => {
    const errors = [
      { field: 'prompt', code: 'screening.cpf', detail: 'd', start: 4, end: 18 },
      { field: 'prompt', code: 'too_short', detail: 'd' },
    ];
    const error = await problemFrom(Response.json({ code: 'prompt_refused', errors }, { status: 422 }));
    expect(error.findings).toEqual([{ kind: 'screening.cpf', start: 4, end: 18 }]);
    expect(error.field('prompt')?.code).toBe('too_short');
  });

  test('anything else that a proxy may send', async () => {
    for (const body of ['<html>', '', 'null', '[]', '{"code":7}']) {
      const error = await problemFrom(new Response(body, { status: 502, statusText: 'Bad Gateway' }));
      expect(error.problem).toMatchObject({ status: 502, code: 'http.502', title: 'Bad Gateway' });
    }
  });
});

describe('uploads', () => {
  interface Call {
    method: string;
    url: string;
    headers: Headers;
    size: number;
  }

  function server(answers: (call: Call) => Response | Error): { calls: Call[]; fetch: typeof fetch } {
    const calls: Call[] = [];
    return {
      calls,
      fetch: (url, init) => {
        const size = init?.body instanceof Blob ? init.body.size : 0;
        const call = { method: init?.method ?? 'GET', url: String(url), headers: new Headers(init?.headers), size };
        calls.push(call);
        const answer = answers(call);
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    };
  }

  const options = (send: typeof fetch) => ({
    signal: new AbortController().signal,
    onProgress: () => undefined,
    fetch: send,
    wait: () => Promise.resolve(),
  });
  const created = (): Response => new Response(null, { status: 201, headers: { location: '/api/v1/uploads/u1' } });

  test('go in pieces, each where the last one ended', async () => {
    let offset = 0;
    const { calls, fetch } = server((call) => {
      if (call.method === 'POST') return created();
      offset += call.size;
      const headers: Record<string, string> = { 'upload-offset': String(offset) };
      if (offset === CHUNK_BYTES + 10) headers['studio-asset'] = 'ast_9';
      return new Response(null, { status: 204, headers });
    });
    const file = new File([new Uint8Array(CHUNK_BYTES + 10)], 'praia.png', { type: 'image/png' });
    await expect(upload(file, options(fetch))).resolves.toBe('ast_9');
    expect(calls.map(({ method, size }) => [method, size])).toEqual([['POST', 0], ['PATCH', CHUNK_BYTES], ['PATCH', 10]]);
    expect(calls.map(({ headers }) => headers.get('upload-offset'))).toEqual([null, '0', String(CHUNK_BYTES)]);
    expect(calls.every(({ headers }) => headers.get('tus-resumable') === '1.0.0')).toBe(true);
  });

  test('go on where the server stopped, and ask for the asset when its answer was lost', async () => {
    const { calls, fetch } = server((call) => {
      if (call.method === 'POST') return created();
      if (call.method === 'PATCH') return new TypeError('cut');
      if (call.method === 'HEAD') return new Response(null, { headers: { 'upload-offset': '4' } });
      return Response.json({ id: 'u1', offset: 4, length: 4, asset: 'ast_4' });
    });
    const file = new File(['abcd'], 'a.png', { type: 'image/png' });
    await expect(upload(file, options(fetch))).resolves.toBe('ast_4');
    expect(calls.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'HEAD', 'GET']);
  });

  test('end when the line stays broken, and at once when the server refuses', async () => {
    const broken = server((call) => {
      if (call.method === 'POST') return created();
      return call.method === 'HEAD' ? new Response(null, { headers: { 'upload-offset': '0' } }) : new TypeError('cut');
    });
    const file = new File(['abcd'], 'a.png', { type: 'image/png' });
    await expect(upload(file, options(broken.fetch))).rejects.toThrow('client.unreachable');
    expect(broken.calls.filter(({ method }) => method === 'PATCH')).toHaveLength(RESUME_ATTEMPTS + 1);
    const refusing = server((call) => (call.method === 'POST' ? created() : Response.json({ code: 'media.damaged' }, { status: 422 })));
    await expect(upload(file, options(refusing.fetch))).rejects.toThrow('media.damaged');
  });

  test('never follow a location to another server', async () => {
    const { calls, fetch } = server(() => new Response(null, { status: 201, headers: { location: 'https://elsewhere.example/u' } }));
    await expect(upload(new File(['a'], 'a.png'), options(fetch))).rejects.toThrow('upload.incomplete');
    expect(calls).toHaveLength(1);
  });

  test('of what cannot be a reference do not begin', () => {
    expect(refusal({ size: 0, type: 'image/png' })).toBe('upload.empty');
    expect(refusal({ size: MAX_REFERENCE_BYTES + 1, type: 'image/png' })).toBe('upload.too_large');
    expect(refusal({ size: 1, type: 'image/svg+xml' })).toBe('upload.type');
    expect(refusal({ size: MAX_REFERENCE_BYTES, type: 'image/webp' })).toBeUndefined();
  });

  test('say what they are, and not how the file was called', () => {
    expect(metadata('image/png')).toBe(`filetype ${Buffer.from('image/png').toString('base64')}`);
  });
});

test('a random id has the form of RFC 9562', () => {
  expect(uuid((bytes) => bytes.fill(0xff))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
  expect(uuid((bytes) => bytes.fill(0))).toBe('00000000-0000-4000-8000-000000000000');
  expect(new Set(Array.from({ length: 100 }, () => uuid())).size).toBe(100);
});
