/**
 * WebAuthn between the browser's objects and the JSON that the server speaks (Web Authentication Level 3,
 * sections 5.1.8 to 5.1.10). Own code, since the browsers' own conversion is younger than passkeys are.
 */
import { ProblemError } from '../api/problem';

/** Why passkeys cannot be used here; undefined when they can. */
export type NoPasskeys = 'insecure' | 'address' | 'browser';

export function whyNoPasskeys(
  place: { hostname: string; secure: boolean } = { hostname: location.hostname, secure: isSecureContext },
  hasApi: boolean = 'PublicKeyCredential' in globalThis,
): NoPasskeys | undefined {
  if (!place.secure) return 'insecure';
  // A passkey belongs to a name. An IP address is none, not even one's own.
  if (/^[\d.]+$/.test(place.hostname) || place.hostname.startsWith('[')) return 'address';
  return hasApi ? undefined : 'browser';
}

/** Whether the browser can offer passkeys in the field where the address is typed. */
export async function offersWhileTyping(): Promise<boolean> {
  if (whyNoPasskeys() !== undefined) return false;
  try {
    return (await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false;
  } catch {
    return false;
  }
}

export function toBytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function fromBytes(bytes: ArrayBuffer): string {
  const text = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('');
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

type Json = Record<string, unknown>;

/** The part that the browser takes, whether or not the server wrapped it. */
function inner(options: unknown): Json {
  const given = options as Json;
  return (given['publicKey'] ?? given) as Json;
}

const listed = (credentials: unknown): PublicKeyCredentialDescriptor[] | undefined =>
  Array.isArray(credentials)
    ? (credentials as (Json & { id: string })[]).map((one) => ({ ...one, type: 'public-key', id: toBytes(one.id) }) as PublicKeyCredentialDescriptor)
    : undefined;

/** Removes what is `null`: the browser tells it from what is absent. */
const present = (json: Json): Json => Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null && value !== undefined));

export function creationOptions(options: unknown): PublicKeyCredentialCreationOptions {
  const json = present(inner(options));
  const user = json['user'] as { id: string; name: string; displayName: string };
  return {
    ...json,
    challenge: toBytes(json['challenge'] as string),
    user: { ...user, id: toBytes(user.id) },
    excludeCredentials: listed(json['excludeCredentials']) ?? [],
  } as unknown as PublicKeyCredentialCreationOptions;
}

export function requestOptions(options: unknown): PublicKeyCredentialRequestOptions {
  const json = present(inner(options));
  return {
    ...json,
    challenge: toBytes(json['challenge'] as string),
    allowCredentials: listed(json['allowCredentials']) ?? [],
  } as unknown as PublicKeyCredentialRequestOptions;
}

export function credentialJson(credential: PublicKeyCredential): Json {
  const { response } = credential;
  const shared = {
    id: credential.id,
    rawId: fromBytes(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults() as unknown,
  };
  if (response instanceof AuthenticatorAttestationResponse) {
    return {
      ...shared,
      response: {
        clientDataJSON: fromBytes(response.clientDataJSON),
        attestationObject: fromBytes(response.attestationObject),
        transports: response.getTransports(),
      },
    };
  }
  const assertion = response as AuthenticatorAssertionResponse;
  return {
    ...shared,
    response: {
      clientDataJSON: fromBytes(assertion.clientDataJSON),
      authenticatorData: fromBytes(assertion.authenticatorData),
      signature: fromBytes(assertion.signature),
      userHandle: assertion.userHandle === null ? null : fromBytes(assertion.userHandle),
    },
  };
}

/** What the browser said, in a code of ours. */
export function passkeyProblem(error: unknown): ProblemError {
  const name = error instanceof DOMException ? error.name : '';
  const code =
    name === 'InvalidStateError'
      ? 'client.passkey.exists'
      : name === 'SecurityError'
        ? 'client.passkey.address'
        : 'client.passkey.cancelled';
  return new ProblemError({ type: 'about:blank', title: 'Passkey', status: 0, code });
}

export async function makePasskey(options: unknown): Promise<Json> {
  try {
    const made = await navigator.credentials.create({ publicKey: creationOptions(options) });
    return credentialJson(made as PublicKeyCredential);
  } catch (error) {
    throw passkeyProblem(error);
  }
}

/** Asks for a passkey; with `while_typing` it waits in the address field until one is chosen. */
export async function showPasskey(options: unknown, how: 'now' | 'while_typing', signal?: AbortSignal): Promise<Json> {
  try {
    const shown = await navigator.credentials.get({
      publicKey: requestOptions(options),
      mediation: how === 'while_typing' ? 'conditional' : 'optional',
      ...(signal === undefined ? {} : { signal }),
    });
    return credentialJson(shown as PublicKeyCredential);
  } catch (error) {
    if (signal?.aborted === true) throw new DOMException('left', 'AbortError');
    throw passkeyProblem(error);
  }
}
