// `npm run confluent`: installs @confluentinc/kafka-javascript here and builds its native part from the sources in its
// package, once. Its own install script would fetch a binary that is not in the registry.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const folder = import.meta.dirname;
const client = path.join(folder, "node_modules", "@confluentinc", "kafka-javascript");
const prefix = path.resolve(process.execPath, "..", "..");
const binary = path.join(client, "build", "Release", "confluent-kafka-javascript.node");

function run(command, args, cwd) {
  // Linked with the OpenSSL and zlib of the machine: the static build fetches the sources of each.
  const env = { ...process.env, CKJS_LINKING: "dynamic" };
  // The headers that come with this Node; others would be fetched.
  if (existsSync(path.join(prefix, "include", "node", "node.h"))) env.npm_config_nodedir = prefix;
  execFileSync(command, args, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
}

if (!existsSync(binary)) {
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder);
  run("node", ["util/configure"], client); // before make, which would look for config.h while it is being written
  run("npx", ["node-pre-gyp", "configure"], client);
  run("npx", ["node-pre-gyp", "build", "--jobs", "2"], client);
}
