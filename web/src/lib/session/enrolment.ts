import * as identity from '../api/identity';
import type { Passkey } from '../api/identityTypes';
import { makePasskey } from './passkeys';

/** Has the browser make a passkey for whoever is signed in, and gives the studio its public half. */
export async function addPasskey(name: string): Promise<Passkey> {
  const { ticket, options } = await identity.startPasskey();
  return identity.finishPasskey(ticket, await makePasskey(options), name);
}
