import type { FieldProblem, Finding, Problem } from './types';

/** An answer that was no: from the server as problem details, or made here when no answer came. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Seconds that the server asked to wait, where it said so. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.code);
    this.name = 'ProblemError';
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** What was found in the text, where that is why it was refused. */
  get findings(): Finding[] {
    return (this.problem.errors ?? []).flatMap(({ field, code, start, end }) =>
      field === 'prompt' && typeof start === 'number' && typeof end === 'number' ? [{ kind: code, start, end }] : [],
    );
  }

  /** What is wrong with a field as a whole. */
  field(name: string): FieldProblem | undefined {
    return this.problem.errors?.find((error) => error.field === name && typeof error.start !== 'number');
  }
}

/** Nothing came back: the server is away, or the network is. */
export function unreachable(): ProblemError {
  return new ProblemError({ type: 'about:blank', title: 'Network', status: 0, code: 'client.unreachable' });
}

/** Reads a failed response, whatever its body turns out to be. */
export async function problemFrom(response: Response): Promise<ProblemError> {
  const wait = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  const requestId = response.headers.get('x-request-id') ?? undefined;
  const base: Problem = {
    type: 'about:blank',
    title: response.statusText || String(response.status),
    status: response.status,
    code: `http.${response.status}`,
    ...(requestId === undefined ? {} : { request_id: requestId }),
  };
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = undefined;
  }
  const problem = isProblem(body) ? { ...base, ...body, request_id: body.request_id ?? base.request_id ?? null } : base;
  return new ProblemError(problem, Number.isFinite(wait) ? wait : undefined);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string';
}
