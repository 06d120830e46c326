import { canBeRepeated } from '../../lib/api/client';
import { ProblemError } from '../../lib/api/problem';
import { type Generation, type GenerationRequest, type Kind, type Purpose, PURPOSES } from '../../lib/api/types';
import { generations } from '../../lib/generations/store.svelte';
import { session } from '../../lib/memory';
import { modelList } from '../../lib/modelList.svelte';
import { abilityFor, choose, chooseModel, countCharacters, keyOf, leavesTheHouse, readSeed, requestFrom, shapesOf } from '../../lib/models';
import { uuid } from '../../lib/uuid';
import { References } from './references.svelte';

const STORED = 'studio.draft';

/** Fields that this page can find wrong before it asks. */
export type OwnProblem = 'prompt.empty' | 'prompt.too_long' | 'seed.wrong' | 'references.sending' | 'references.too_many' | 'model.none' | 'purpose.missing';

interface Sent {
  request: GenerationRequest;
  key: string;
}

/** What is being asked for, and what became of asking. It outlives the screen, so that leaving it loses nothing. */
class Composer {
  kind = $state<Kind>('image');
  prompt = $state('');
  modelKey = $state<string | null>(null);
  shape = $state<string | undefined>(undefined);
  seconds = $state<number | undefined>(undefined);
  seed = $state('');
  purpose = $state<Purpose | undefined>(undefined);
  readonly references = new References();

  busy = $state(false);
  own = $state<OwnProblem | undefined>(undefined);
  problem = $state.raw<ProblemError | undefined>(undefined);
  /** The text that `problem` is about; findings point into it. */
  refusedPrompt = $state('');
  #sent: Sent | undefined;
  #begun = false;

  readonly model = $derived(chooseModel(modelList.items, this.kind, this.modelKey));
  readonly ability = $derived(this.model === undefined ? undefined : abilityFor(this.model, this.kind));
  readonly shapes = $derived(this.ability === undefined ? [] : shapesOf(this.ability));
  readonly chosenShape = $derived(this.shapes.find((shape) => shape.value === this.shape) ?? this.shapes[0]);
  readonly chosenSeconds = $derived(this.kind === 'video' ? choose(this.ability?.seconds ?? [], this.seconds) : undefined);
  readonly characters = $derived(countCharacters(this.prompt));
  /** The same click can be sent again under its key. */
  readonly canRepeat = $derived(this.problem !== undefined && canBeRepeated(this.problem));

  #check(): OwnProblem | undefined {
    if (this.prompt.trim() === '') return 'prompt.empty';
    if (this.model === undefined) return 'model.none';
    if (this.characters > this.model.max_prompt_chars) return 'prompt.too_long';
    if (this.model.seed && readSeed(this.seed).kind === 'wrong') return 'seed.wrong';
    if (leavesTheHouse(this.model) && this.purpose === undefined) return 'purpose.missing';
    if (this.references.isSending) return 'references.sending';
    if (this.references.ready.length > (this.ability?.references.max ?? 0)) return 'references.too_many';
    return undefined;
  }

  /** One click: one key. */
  async submit(): Promise<Generation | undefined> {
    if (this.busy) return undefined;
    this.problem = undefined;
    this.own = this.#check();
    if (this.own !== undefined || this.model === undefined) return undefined;
    const request = requestFrom(
      {
        kind: this.kind,
        prompt: this.prompt,
        shape: this.shape,
        seconds: this.seconds,
        seed: this.seed,
        purpose: this.purpose,
        references: this.references.ready,
      },
      this.model,
    );
    this.#sent = { request, key: uuid() };
    return this.#send(this.#sent);
  }

  /** The same click once more. */
  async repeat(): Promise<Generation | undefined> {
    return this.busy || this.#sent === undefined ? undefined : this.#send(this.#sent);
  }

  async #send(sent: Sent): Promise<Generation | undefined> {
    this.busy = true;
    try {
      const made = await generations.submit(sent.request, sent.key);
      this.#sent = undefined;
      this.problem = undefined;
      return made;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.refusedPrompt = sent.request.prompt;
      this.problem = error;
      return undefined;
    } finally {
      this.busy = false;
    }
  }

  /** Takes up what was being written, once it is known whose it is. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#restore();
  }

  /** Takes over what an earlier generation was made from. */
  reuse(generation: Generation): void {
    this.#begun = true;
    this.kind = generation.kind;
    this.prompt = generation.prompt;
    this.modelKey = keyOf({ provider: generation.provider, id: generation.model });
    this.shape = generation.size ?? generation.aspect ?? undefined;
    this.seconds = generation.seconds ?? undefined;
    this.seed = generation.seed === null || generation.seed === undefined ? '' : String(generation.seed);
    this.own = undefined;
    this.problem = undefined;
  }

  keep(): void {
    const { kind, prompt, modelKey, shape, seconds, seed, purpose } = this;
    session.write(STORED, JSON.stringify({ kind, prompt, modelKey, shape, seconds, seed, purpose }));
  }

  #restore(): void {
    const stored = session.read(STORED);
    if (stored === null) return;
    try {
      const kept = JSON.parse(stored) as Partial<Record<'kind' | 'prompt' | 'modelKey' | 'shape' | 'seconds' | 'seed' | 'purpose', unknown>>;
      if (kept.kind === 'image' || kept.kind === 'video') this.kind = kept.kind;
      if (typeof kept.prompt === 'string') this.prompt = kept.prompt;
      if (typeof kept.modelKey === 'string') this.modelKey = kept.modelKey;
      if (typeof kept.shape === 'string') this.shape = kept.shape;
      if (typeof kept.seconds === 'number') this.seconds = kept.seconds;
      if (typeof kept.seed === 'string') this.seed = kept.seed;
      this.purpose = PURPOSES.find((purpose) => purpose === kept.purpose);
    } catch {
      session.write(STORED, null);
    }
  }
}

export const composer = new Composer();
