import { kafkajs } from "./clients.js";
import { scenarios } from "./kafka.js";

scenarios(kafkajs());
