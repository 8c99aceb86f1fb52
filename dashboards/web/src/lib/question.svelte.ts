/** Something that the trader is asked before it is done; one at a time. */

export interface Question {
  readonly title: string;
  readonly lines: readonly string[];
  readonly action: string;
  readonly tone: "buy" | "sell" | "plain";
}

export class Questions {
  asked = $state.raw<Question | null>(null);
  private answered: ((yes: boolean) => void) | null = null;

  /** True if the trader said yes. A question that another one overtakes is answered with no. */
  ask(question: Question): Promise<boolean> {
    this.answer(false);
    this.asked = question;
    return new Promise((resolve) => (this.answered = resolve));
  }

  answer(yes: boolean): void {
    const answered = this.answered;
    this.answered = null;
    this.asked = null;
    answered?.(yes);
  }
}
