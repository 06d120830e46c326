import { ProblemError } from '../../lib/api/problem';
import type { ReferenceRole } from '../../lib/api/types';
import { refusal, upload } from '../../lib/api/uploads';

/** One picture that goes along with the text. */
export class Reference {
  readonly file: File;
  /** Shown from memory; the picture is not fetched back. */
  readonly preview: string;
  role = $state<ReferenceRole>('image');
  status = $state<'sending' | 'ready' | 'failed'>('sending');
  sent = $state(0);
  asset = $state<string | undefined>(undefined);
  problem = $state.raw<ProblemError | undefined>(undefined);
  #stop = new AbortController();

  constructor(file: File, role: ReferenceRole) {
    this.file = file;
    this.role = role;
    this.preview = URL.createObjectURL(file);
  }

  get share(): number {
    return this.file.size === 0 ? 0 : this.sent / this.file.size;
  }

  async send(): Promise<void> {
    this.status = 'sending';
    this.problem = undefined;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    try {
      const onProgress = (sent: number): void => void (this.sent = sent);
      this.asset = await upload(this.file, { signal, onProgress });
      this.status = 'ready';
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) throw error;
      this.problem = error;
      this.status = 'failed';
    }
  }

  drop(): void {
    this.#stop.abort();
    URL.revokeObjectURL(this.preview);
  }
}

/** The reference pictures of the next generation. */
export class References {
  #items = $state.raw<readonly Reference[]>([]);
  /** Why the last file was not taken, as an error code. */
  refused = $state<string | undefined>(undefined);

  get items(): readonly Reference[] {
    return this.#items;
  }

  get isSending(): boolean {
    return this.#items.some((item) => item.status === 'sending');
  }

  get ready(): { asset: string; role: ReferenceRole }[] {
    return this.#items.flatMap(({ asset, role }) => (asset === undefined ? [] : [{ asset, role }]));
  }

  add(files: Iterable<File>, max: number, roles: readonly ReferenceRole[]): void {
    this.refused = undefined;
    for (const file of files) {
      const reason = this.#items.length >= max ? 'upload.too_many' : refusal(file);
      if (reason !== undefined) {
        this.refused = reason;
        continue;
      }
      const used = this.#items.map((item) => item.role);
      const role = roles.find((candidate) => !used.includes(candidate)) ?? roles[0] ?? 'image';
      const reference = new Reference(file, role);
      this.#items = [...this.#items, reference];
      void reference.send();
    }
  }

  remove(reference: Reference): void {
    reference.drop();
    this.#items = this.#items.filter((item) => item !== reference);
    this.refused = undefined;
  }
}
