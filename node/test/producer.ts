/** A producer that keeps what it is given: KafkaJS's interface, private fields as other clients have them. */
export class KeepingProducer {
  #answer: () => unknown;
  readonly #sent: Sent[] = [];

  /** Makes a producer whose broker answers with what the function returns. */
  constructor(answer: () => unknown = () => []) {
    this.#answer = answer;
  }

  /** Everything that was sent, in order. */
  get sent(): readonly Sent[] {
    return this.#sent;
  }

  /** Returns the headers of all messages, in order. */
  headers(): (Record<string, unknown> | undefined)[] {
    return this.#sent.flatMap((call) => call.messages.map((message) => message.headers));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- rejects as a client does
  async send(record: Sent): Promise<unknown> {
    this.#sent.push(record);
    return this.#answer();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- rejects as a client does
  async sendBatch(batch: { topicMessages: Sent[] }): Promise<unknown> {
    this.#sent.push(...batch.topicMessages);
    return this.#answer();
  }

  transaction(): Promise<this> {
    return Promise.resolve(this);
  }

  connect(): string {
    return `connected, ${this.#sent.length} sent`;
  }
}

export interface Sent {
  readonly topic: string;
  readonly messages: readonly OutgoingMessage[];
  readonly acks?: number;
}

export interface OutgoingMessage {
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly partition?: number;
  readonly headers?: Record<string, unknown>;
}
