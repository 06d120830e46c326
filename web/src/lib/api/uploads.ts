/** Uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload), creation and core only. */
import { transport } from '../session/gate';
import { problemFrom, ProblemError, unreachable } from './problem';

const TUS = '1.0.0';
/** Bytes per PATCH: small enough to resume from, large enough that a picture is one or two of them. */
export const CHUNK_BYTES = 4 * 1024 * 1024;
/** How often a broken transfer is picked up again where the server stopped. */
export const RESUME_ATTEMPTS = 4;
/** Largest reference picture taken, in bytes. */
export const MAX_REFERENCE_BYTES = 20_000_000;
export const REFERENCE_TYPES = ['image/png', 'image/jpeg', 'image/webp'] as const;

export interface UploadOptions {
  signal: AbortSignal;
  onProgress: (sent: number, total: number) => void;
  fetch?: typeof fetch;
  wait?: (milliseconds: number) => Promise<void>;
}

/** Why a file is not sent at all, as an error code; undefined when it may go. */
export function refusal(file: { size: number; type: string }): 'upload.empty' | 'upload.too_large' | 'upload.type' | undefined {
  if (file.size === 0) return 'upload.empty';
  if (file.size > MAX_REFERENCE_BYTES) return 'upload.too_large';
  return (REFERENCE_TYPES as readonly string[]).includes(file.type) ? undefined : 'upload.type';
}

/** `Upload-Metadata` value. The file's name stays here: it may name a person, and nothing needs it. */
export const metadata = (type: string): string => `filetype ${btoa(type)}`;

/** Sends the file and returns the id of the asset it became. */
export async function upload(file: File, options: UploadOptions): Promise<string> {
  const send = options.fetch ?? ((url, init) => transport.send(String(url), init));
  const wait = options.wait ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const request = async (url: string, init: RequestInit): Promise<Response> => {
    let response: Response;
    try {
      response = await send(url, {
        ...init,
        headers: { 'tus-resumable': TUS, accept: 'application/json', ...init.headers },
        signal: options.signal,
      });
    } catch (error) {
      if (options.signal.aborted) throw error;
      throw unreachable();
    }
    if (!response.ok) throw await problemFrom(response);
    return response;
  };

  const created = await request('/api/v1/uploads', {
    method: 'POST',
    headers: { 'upload-length': String(file.size), 'upload-metadata': metadata(file.type) },
  });
  const location = sameOriginPath(created.headers.get('location'));

  let offset = 0;
  let failures = 0;
  let asset: string | null = created.headers.get('studio-asset');
  while (offset < file.size) {
    try {
      const answer = await request(location, {
        method: 'PATCH',
        headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) },
        body: file.slice(offset, offset + CHUNK_BYTES),
      });
      offset = offsetOf(answer, Math.min(offset + CHUNK_BYTES, file.size));
      asset = answer.headers.get('studio-asset') ?? asset;
      options.onProgress(offset, file.size);
    } catch (error) {
      failures += 1;
      if (!isInterruption(error) || failures > RESUME_ATTEMPTS) throw error;
      await wait(250 * 2 ** failures);
      offset = offsetOf(await request(location, { method: 'HEAD' }), offset);
    }
  }
  asset ??= await assetOf(location, request);
  return asset;
}

/** Asked when the answer to the last piece was lost: the upload's own description names its asset. */
async function assetOf(location: string, request: (url: string, init: RequestInit) => Promise<Response>): Promise<string> {
  const body: unknown = await (await request(location, { method: 'GET' })).json();
  if (typeof body === 'object' && body !== null && 'asset' in body && typeof body.asset === 'string') return body.asset;
  throw new ProblemError({ type: 'about:blank', title: 'Upload', status: 0, code: 'upload.incomplete' });
}

function isInterruption(error: unknown): boolean {
  return error instanceof ProblemError && [0, 409, 502, 503, 504].includes(error.problem.status);
}

function offsetOf(response: Response, otherwise: number): number {
  const offset = Number.parseInt(response.headers.get('upload-offset') ?? '', 10);
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : otherwise;
}

/** Bytes go only to this server, whatever a `Location` header says. */
function sameOriginPath(location: string | null): string {
  const here = globalThis.location?.origin ?? 'http://localhost';
  const url = location === null ? null : URL.parse(location, here);
  if (url === null || url.origin !== here) {
    throw new ProblemError({ type: 'about:blank', title: 'Upload', status: 0, code: 'upload.incomplete' });
  }
  return url.pathname + url.search;
}
