/** Renewal, transport, return addresses, passkeys, links of mails, and the hint of strength. */
import { describe, expect, test } from 'vitest';
import { NEEDS } from '../src/app/screens';
import { Transport, wasLeft } from '../src/lib/api/transport';
import { creationOptions, fromBytes, requestOptions, toBytes, whyNoPasskeys } from '../src/lib/session/passkeys';
import { AHEAD_MS, Renewal, type Renewed, SOONEST_MS } from '../src/lib/session/renewal';
import { loginAddress, safeReturn } from '../src/lib/session/returning';
import { strengthOf, STRENGTHS } from '../src/lib/session/strength';
import { stepMark } from '../src/screens/setup/steps';
import { server } from './sources';

/** A browser: what its tabs share. */
function browser(): { tab: (ask: () => Promise<number | 'over' | 'unreachable'>) => Renewal; now: { ms: number } } {
  const kept = new Map<string, string>();
  const shelf = {
    read: (key: string) => kept.get(key) ?? null,
    write: (key: string, value: string | null) => void (value === null ? kept.delete(key) : kept.set(key, value)),
  };
  let last: Promise<unknown> = Promise.resolve();
  const request = (_name: string, work: () => Promise<unknown>): Promise<unknown> => {
    last = last.then(work, work);
    return last;
  };
  const now = { ms: 1_000_000 };
  return { now, tab: (ask) => new Renewal({ shelf, locks: { request } as unknown as LockManager, now: () => now.ms, ask }) };
}

describe('renewing', () => {
  test('one for all tabs, however many ask at once', async () => {
    const { tab } = browser();
    let asked = 0;
    const ask = (): Promise<number> => {
      asked += 1;
      return Promise.resolve(600);
    };
    const tabs = [tab(ask), tab(ask), tab(ask)];
    tabs[0]?.began(600);
    const seen = tabs[0]?.stamp() ?? null;
    const outcomes = await Promise.all(tabs.flatMap((one) => [one.renew(seen), one.renew(seen)]));
    expect(outcomes).toEqual(Array(6).fill('renewed'));
    expect(asked).toBe(1);
  });

  test('a session that is over is over for every tab, and asked about once', async () => {
    const { tab } = browser();
    let asked = 0;
    const ask = (): Promise<'over'> => {
      asked += 1;
      return Promise.resolve('over');
    };
    const [one, two] = [tab(ask), tab(ask)];
    one.began(600);
    // The other tab read the same stamp before.
    expect(two.stamp()).toBe(one.stamp());
    expect(await Promise.all([one.renew(one.stamp()), two.renew(two.stamp())])).toEqual(['over', 'over']);
    expect(asked).toBe(1);
    expect(one.stamp()).toBeNull();
  });

  test('a studio that is away ends nothing', async () => {
    const { tab } = browser();
    const one = tab(() => Promise.resolve('unreachable'));
    one.began(600);
    const stamp = one.stamp();
    expect(await one.renew(stamp)).toBe('unreachable');
    expect(one.stamp()).toBe(stamp);
  });

  test('two renewals in one millisecond are told apart', () => {
    const { tab } = browser();
    const one = tab(() => Promise.resolve(600));
    one.began(600);
    const first = one.stamp();
    one.began(600);
    expect(one.stamp()).not.toBe(first);
  });

  test('ahead of the end, never in a hurry', () => {
    const { tab, now } = browser();
    const one = tab(() => Promise.resolve(600));
    expect(one.wait()).toBe(0);
    one.began(600);
    expect(one.wait()).toBe(600_000 - AHEAD_MS);
    now.ms += 599_000;
    expect(one.wait()).toBe(SOONEST_MS);
  });
});

describe('every request', () => {
  const problem = (status: number, code: string, more = {}): Response => Response.json({ code, title: code, status, type: 'x', ...more }, { status });

  function through(answers: Response[], parts: { stamp?: string | null; renew?: () => Promise<Renewed>; stepUp?: boolean } = {}) {
    const told: string[] = [];
    const transport = new Transport({
      fetch: () => {
        told.push('fetch');
        const answer = answers.shift();
        return answer === undefined ? Promise.reject(new TypeError('no answer')) : Promise.resolve(answer);
      },
      stamp: () => (parts.stamp === undefined ? '1' : parts.stamp),
      renew: () => {
        told.push('renew');
        return parts.renew?.() ?? Promise.resolve('renewed');
      },
      onOver: (had) => void told.push(had ? 'over' : 'nobody'),
      onStepUp: (methods) => {
        told.push(`step up: ${methods.join()}`);
        return Promise.resolve(parts.stepUp ?? true);
      },
    });
    return { transport, told };
  }

  test('an access token that ended is renewed, and the request sent once more', async () => {
    const { transport, told } = through([problem(401, 'token_expired'), Response.json({ good: true })]);
    expect(await (await transport.call('/me')).json()).toEqual({ good: true });
    expect(told).toEqual(['fetch', 'renew', 'fetch']);
  });

  test('a second no after a renewal is the end', async () => {
    const { transport, told } = through([problem(401, 'token_expired'), problem(401, 'token_expired')]);
    await expect(transport.call('/me')).rejects.toThrow('token_expired');
    expect(told).toEqual(['fetch', 'renew', 'fetch', 'over']);
  });

  test('without a session nothing is renewed', async () => {
    const { transport, told } = through([problem(401, 'login_required')], { stamp: null });
    await expect(transport.call('/me')).rejects.toThrow('login_required');
    expect(told).toEqual(['fetch', 'nobody']);
  });

  test('a cookie that the browser dropped is renewed like one that ended', async () => {
    const { transport, told } = through([problem(401, 'login_required'), Response.json({})]);
    await transport.call('/me');
    expect(told).toEqual(['fetch', 'renew', 'fetch']);
  });

  test('a studio that is away during the renewal is not the end', async () => {
    const { transport, told } = through([problem(401, 'token_expired')], { renew: () => Promise.resolve('unreachable') });
    await expect(transport.call('/me')).rejects.toThrow('client.unreachable');
    expect(told).toEqual(['fetch', 'renew']);
  });

  test('a wrong password is an answer, not the end of the session', async () => {
    const { transport, told } = through([problem(401, 'login_failed')]);
    await expect(transport.call('/auth/step-up')).rejects.toThrow('login_failed');
    expect(told).toEqual(['fetch']);
  });

  test('a fresh proof is asked for and the act repeated', async () => {
    const { transport, told } = through([problem(403, 'step_up_required', { methods: ['totp'] }), Response.json({})]);
    await transport.call('/me/api-keys', { method: 'POST', body: '{}' });
    expect(told).toEqual(['fetch', 'step up: totp', 'fetch']);
  });

  test('a question for proof that was closed changes nothing and is no error to show', async () => {
    const { transport } = through([problem(403, 'step_up_required')], { stepUp: false });
    const error: unknown = await transport.call('/me/api-keys').catch((thrown: unknown) => thrown);
    expect(wasLeft(error)).toBe(true);
  });

  test('another 403 is told as it is', async () => {
    const { transport, told } = through([problem(403, 'not_permitted')]);
    await expect(transport.call('/admin/users')).rejects.toThrow('not_permitted');
    expect(told).toEqual(['fetch']);
  });

  test('no answer at all', async () => {
    await expect(through([]).transport.call('/me')).rejects.toThrow('client.unreachable');
  });
});

describe('where a login leads back to', () => {
  const HERE = 'https://studio.example';
  test('own addresses only', () => {
    expect(safeReturn('/jobs/gen_1?x=1', HERE)).toBe('/jobs/gen_1?x=1');
    for (const foreign of [null, '', 'https://evil.example/', '//evil.example', '/\\evil.example', '\\\\evil', 'javascript:alert(1)', '/api/v1/me', '/login?return=/', '/setup', '/v1/models', '/callbacks/a/b', '//evil.example/jobs/1', '/.//evil.example/a', '/..//evil.example', '/x/..//evil.example/a', '/%2e//evil.example']) {
      expect(safeReturn(foreign, HERE), String(foreign)).toBe('/');
    }
  });

  test('the address of the login', () => {
    expect(loginAddress({ pathname: '/', search: '' }, false)).toBe('/login');
    expect(loginAddress({ pathname: '/jobs/gen_1', search: '?a=b' }, true)).toBe('/login?return=%2Fjobs%2Fgen_1%3Fa%3Db&ended=1');
  });
});

describe('passkeys', () => {
  test('bytes there and back, without padding', () => {
    for (const length of [0, 1, 2, 3, 31, 64]) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 37 + 251) % 256);
      const text = fromBytes(bytes.buffer);
      expect(text).toBe(Buffer.from(bytes).toString('base64url'));
      expect([...toBytes(text)]).toEqual([...bytes]);
    }
  });

  test('options, wrapped or not, with what is null left out', () => {
    const bare = { challenge: 'AQID', user: { id: 'BAU', name: 'a', displayName: 'b' }, excludeCredentials: [{ type: 'public-key', id: 'Bgc' }], extensions: null };
    for (const options of [bare, { publicKey: bare }]) {
      const made = creationOptions(options);
      expect([...(made.challenge as Uint8Array)]).toEqual([1, 2, 3]);
      expect([...(made.user.id as Uint8Array)]).toEqual([4, 5]);
      expect([...(made.excludeCredentials?.[0]?.id as Uint8Array)]).toEqual([6, 7]);
      expect('extensions' in made).toBe(false);
    }
    expect(requestOptions({ publicKey: { challenge: 'AQID', rpId: 'localhost' } })).toMatchObject({ rpId: 'localhost', allowCredentials: [] });
  });

  test('belong to names on secure connections', () => {
    expect(whyNoPasskeys({ hostname: 'localhost', secure: true }, true)).toBeUndefined();
    expect(whyNoPasskeys({ hostname: 'studio.example', secure: false }, true)).toBe('insecure');
    expect(whyNoPasskeys({ hostname: '127.0.0.1', secure: true }, true)).toBe('address');
    expect(whyNoPasskeys({ hostname: '[::1]', secure: true }, true)).toBe('address');
    expect(whyNoPasskeys({ hostname: 'localhost', secure: true }, false)).toBe('browser');
  });
});

describe('the hint of strength', () => {
  const level = (password: string, context: string[] = []): number => STRENGTHS.indexOf(strengthOf(password, context));
  test('grows with length and drops with what is known', () => {
    expect(level('senha123')).toBe(0);
    expect(level('aaaaaaaaaaaaaaaaaaaa')).toBe(0);
    expect(level('12345678901234567890')).toBeLessThanOrEqual(1);
    expect(level('abcabcabcabcabcabc')).toBe(0);
    expect(level('qwertyuiopasdfghjkl')).toBeLessThanOrEqual(1);
    expect(level('bicicleta')).toBeLessThanOrEqual(1);
    expect(level('tangerina com relogio verde na chuva')).toBeGreaterThanOrEqual(3);
    expect(level('k7#Qz!m2Rt9@wLp4')).toBeGreaterThanOrEqual(3);
    const name = 'anaprado@exemplo.com.br';
    expect(level('anaprado exemplo', [name])).toBeLessThan(level('anaprado exemplo'));
  });
});

test('the steps of the setup', () => {
  expect(['language', 'administrator', 'credential'].map((step) => stepMark(step as 'language', 'administrator'))).toEqual(['done', 'current', 'ahead']);
});

test('screens of a role name the roles of the table of rights', () => {
  const source = server.find(({ path }) => path.endsWith('domain/src/rights.rs'));
  if (source === undefined) return;
  const objects: Record<string, string> = { people: 'Person', workspaces: 'Workspace' };
  for (const { right, roles } of Object.values(NEEDS)) {
    const [object = '', action = ''] = right.split(':');
    const line = new RegExp(`Object::${objects[object]}, ${action === 'read' ? 'Read' : action}, &\\[([^\\]]*)\\]`).exec(source.text);
    expect(line?.[1]?.split(', ').map((role) => role.toLowerCase())).toEqual(roles);
  }
});
