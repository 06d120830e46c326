import { describe, expect, test } from 'vitest';
import { href, match } from '../src/app/routes';

describe('addresses', () => {
  test('there and back, whatever the id holds', () => {
    for (const id of ['gen_1', 'a/b', 'ü ?#%', '..']) {
      expect(match(href('job', { id }))).toEqual({ name: 'job', params: { id } });
    }
    expect(match(href('create'))).toEqual({ name: 'create', params: {} });
  });

  test('that are none of ours', () => {
    for (const path of ['/jobs', '/jobs/a/b', '/nowhere', '/jobs/%E0%A4%A']) expect(match(path)).toBeUndefined();
  });

  test('a slash at the end is forgiven', () => {
    expect(match('/jobs/gen_1/')).toEqual({ name: 'job', params: { id: 'gen_1' } });
  });

  test('a route with a parameter does not compile without it', () => {
    // @ts-expect-error the id is missing
    expect(href('job')).toBe('/jobs/');
  });
});
