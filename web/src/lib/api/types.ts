/** Width to height, in the API's words. */
export type Aspect =
  | '1:1' | '16:9' | '9:16' | '4:3' | '3:4' | '3:2' | '2:3' | '21:9' | '9:21' | '2:1' | '1:2' | '3:1' | '1:3';

/**
 * The shapes of the HTTP API that the browser reads and writes.
 *
 * `openapi.ts` (written by `npm run types` from `openapi.json`) describes the same API for checks;
 * this file gives the shapes their names.
 */

export type Kind = 'image' | 'video';

export const GENERATION_STATES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'blocked',
  'cancelled',
  'expired',
  'needs_attention',
] as const;
export type GenerationState = (typeof GENERATION_STATES)[number];

/** What an outside provider is used for (LGPD article 6, I); recorded with the request. */
export const PURPOSES = ['creation', 'marketing', 'product', 'education', 'evaluation'] as const;
export type Purpose = (typeof PURPOSES)[number];

export const REFERENCE_ROLES = ['image', 'start_frame', 'end_frame', 'style', 'character', 'source'] as const;
export type ReferenceRole = (typeof REFERENCE_ROLES)[number];

export interface Size {
  width: number;
  height: number;
}

export interface Price {
  unit: 'image' | 'second' | 'video';
  /** Millionths of one unit of `currency`. */
  micros: number;
  currency: string;
  as_of: string;
  source: string;
}

export interface DataHandling {
  country?: string | null;
  retention?: string | null;
  training?: string | null;
  verdict?: string | null;
}

/** One thing a model does, with its bounds. */
export interface Ability {
  kind: Kind;
  operation: string;
  /** Exact sizes it makes; empty where it takes an aspect instead. */
  sizes: Size[];
  aspects: Aspect[];
  seconds: number[];
  references: { max: number; roles: ReferenceRole[] };
  /** The lowest price of one output or second; absent or null where it costs nothing. */
  price?: Price | null;
}

/** Words for one part of a scene, as the built-in model knows them. */
export interface VocabularyGroup {
  slot: string;
  words: { word: string; pt: string[]; en: string[] }[];
}

export interface Model {
  id: string;
  provider: string;
  title: string;
  demo: boolean;
  abilities: Ability[];
  seed: boolean;
  max_prompt_chars: number;
  data: DataHandling;
  available: boolean;
  unavailable_reason?: string | null;
  vocabulary?: VocabularyGroup[] | null;
}

/** Where on the line a generation stands. */
export const STAGES = ['queued', 'submitting', 'generating', 'collecting', 'reconciling'] as const;

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export interface Progress {
  /** 0 to 100; absent when the engine gives no share. */
  percent?: number | null;
  step?: number | null;
  steps?: number | null;
  stage?: string | null;
}

export interface Output {
  asset: string;
  media_type: string;
  width: number;
  height: number;
  seconds?: number | null;
  sha256: string;
}

export interface Money {
  /** Millionths of one unit of `currency`. */
  micros: number;
  currency: string;
}

export interface Cost {
  estimated?: Money | null;
  /** What was charged; absent until it is known. */
  actual?: Money | null;
  /** What a provider may have charged without proof either way. */
  possible_loss?: Money | null;
}

export interface Note {
  code: string;
  detail: string;
  words?: string[];
}

export interface Finding {
  /** Its code, such as `screening.cpf`. */
  kind: string;
  /** What was done; absent where the whole text was refused. */
  action?: string;
  /** First byte in the text as typed (UTF-8), and the byte after the last one. */
  start: number;
  end: number;
}

export interface Fault {
  code: string;
  title?: string;
  detail: string;
}

export interface Generation {
  id: string;
  kind: Kind;
  state: GenerationState;
  prompt: string;
  model: string;
  provider: string;
  created_at: string;
  updated_at: string;
  finished_at?: string | null;
  size?: string | null;
  aspect?: Aspect | null;
  seconds?: number | null;
  seed?: number | null;
  progress?: Progress | null;
  outputs?: Output[];
  cost?: Cost | null;
  engine?: { provider: string; model: string; demo?: boolean } | null;
  notes?: Note[];
  screening?: { findings: Finding[] } | null;
  error?: Fault | null;
}

export interface GenerationRequest {
  kind: Kind;
  prompt: string;
  model?: string;
  provider?: string;
  /** `WIDTHxHEIGHT` in pixels. */
  size?: string;
  aspect?: Aspect;
  seconds?: number;
  seed?: number;
  references?: { asset: string; role: ReferenceRole }[];
  purpose?: Purpose;
}

/** What an event says; everything else is read from the generation itself. */
export interface GenerationUpdate {
  type: string;
  timestamp: string;
  sequence: number;
  data: { id: string; state: GenerationState; progress?: Progress | null };
}

export interface FieldProblem {
  field: string;
  code: string;
  detail: string;
  /** Where in the typed text it is (UTF-8 bytes), for findings in prompts. */
  start?: number | null;
  end?: number | null;
}

/** RFC 9457 problem details, with the studio's stable `code` and the request's id. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  code: string;
  request_id?: string | null;
  errors?: FieldProblem[];
  /** Ways to show who one is, where that is what is missing (`second_factor_needed`, `step_up_required`). */
  methods?: string[] | null;
}
