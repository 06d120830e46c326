/** The question for a fresh proof, asked once however many requests need it at the moment. */
interface Question {
  methods: readonly string[];
  answer: (shown: boolean) => void;
  answered: Promise<boolean>;
}

class StepUp {
  #question = $state.raw<Question | undefined>(undefined);

  get question(): Question | undefined {
    return this.#question;
  }

  ask(methods: readonly string[]): Promise<boolean> {
    if (this.#question !== undefined) return this.#question.answered;
    let answer: (shown: boolean) => void = () => undefined;
    const answered = new Promise<boolean>((resolve) => (answer = resolve));
    this.#question = {
      methods,
      answered,
      answer: (shown) => {
        this.#question = undefined;
        answer(shown);
      },
    };
    return answered;
  }
}

export const stepUp = new StepUp();
