/**
 * The shapes that this page reads and writes agree with what the server says of itself. Nothing runs
 * here: `svelte-check` fails when the two drift apart.
 */
import type { components } from './openapi';
import type { Generation, GenerationRequest, Model, Page, Problem } from './types';

type Schemas = components['schemas'];
type Fits<Given extends Wanted, Wanted> = Given;

/** What is read: the server's shape must do for the page's. */
export type Read = [
  Fits<Schemas['GenerationPage'], Page<Generation>>,
  Fits<Schemas['ModelList']['items'][number], Model>,
  Fits<Schemas['Problem'], Problem>,
];

/** What is written: the page's shape must do for the server's. */
export type Written = Fits<GenerationRequest, Schemas['NewGenerationBody']>;
