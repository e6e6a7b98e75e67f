import { confluent } from "./clients.js";
import { scenarios } from "./kafka.js";

scenarios(confluent());
