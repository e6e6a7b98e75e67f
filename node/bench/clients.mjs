/** A consumer and a producer with the interface of KafkaJS that need no broker: what is measured is what is around. */

const ACKNOWLEDGED = [{ topicName: "orders", partition: 0, errorCode: 0, baseOffset: "17" }];

class Consumer {
  events = {};
  on() {}

  /** Keeps what would be called for each message. */
  async run({ eachMessage }) {
    this.eachMessage = eachMessage;
  }
}

class Producer {
  events = {};
  on() {}
  async transaction() {}
  async sendBatch() {
    return ACKNOWLEDGED;
  }
  async send() {
    return ACKNOWLEDGED;
  }
}

/** Makes KafkaJS give these clients. Instrumentation that is switched on later wraps them, as it wraps the real ones. */
export function replaceClients({ Kafka }) {
  Kafka.prototype.consumer = () => new Consumer();
  Kafka.prototype.producer = () => new Producer();
}
