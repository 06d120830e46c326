/**
 * The shapes that this page reads and writes agree with what the server says of itself. Nothing runs
 * here: `svelte-check` fails when the two drift apart.
 */
import type * as identity from './identityTypes';
import type { components } from './openapi';
import type { Generation, GenerationRequest, Model, Page, Problem } from './types';

type Schemas = components['schemas'];
type Fits<Given extends Wanted, Wanted> = Given;

/** What is read: the server's shape must do for the page's. */
export type Read = [
  Fits<Schemas['GenerationPage'], Page<Generation>>,
  Fits<Schemas['ModelList']['items'][number], Model>,
  Fits<Schemas['Problem'], Problem>,
  Fits<Schemas['PolicyBody'], identity.Policy>,
  Fits<Schemas['TokensBody'], identity.Entered>,
  Fits<Schemas['CeremonyBody'], identity.Challenge>,
  Fits<Schemas['MeBody'], identity.Me>,
  Fits<Schemas['FactorsBody'], identity.Factors>,
  Fits<Schemas['PasskeyBody'], identity.Passkey>,
  Fits<Schemas['TotpSetupBody'], { secret: string; uri: string }>,
  Fits<Schemas['RecoveryCodesBody'], { recovery_codes: string[] }>,
  Fits<Schemas['SessionList'], Page<identity.Session>>,
  Fits<Schemas['ApiKeyList'], Page<identity.ApiKey>>,
  Fits<Schemas['MadeApiKeyBody'], identity.MadeApiKey>,
  Fits<Schemas['PersonList'], Page<identity.Person>>,
  Fits<Schemas['InvitedBody'], { user: identity.Person; link?: string | null }>,
  Fits<Schemas['LinkBody'], { link?: string | null }>,
  Fits<Schemas['InvitationList'], Page<identity.Invitation>>,
  Fits<Schemas['WorkspaceList'], Page<identity.Workspace>>,
  Fits<Schemas['MemberList'], Page<identity.Member>>,
];

/** What is written: the page's shape must do for the server's. */
export type Written = [
  Fits<GenerationRequest, Schemas['NewGenerationBody']>,
  Fits<identity.NewApiKey, Schemas['NewApiKeyBody']>,
  Fits<identity.NewPerson, Schemas['NewPersonBody']>,
  Fits<{ code: string; email: string; name: string; password?: string; locale: string; client: 'browser' }, Schemas['SetupBody']>,
  Fits<{ email: string; password: string; code?: string; client: 'browser' }, Schemas['LoginBody']>,
  Fits<{ email: string; name: string; password: string; locale: string }, Schemas['RegisterBody']>,
  Fits<{ token: string; password: string; code?: string }, Schemas['ResetBody']>,
  Fits<{ token: string; name: string; password?: string; locale: string; client: 'browser' }, Schemas['AcceptanceBody']>,
];
