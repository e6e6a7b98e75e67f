import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { CONFLUENT, missing, noServer } from "./clients.js";
import { PACKAGE } from "./vectors.js";

const FOLDER = path.join(PACKAGE, "build", "docs");
const FENCED = /^(?:```(ts|js|output)\n([^]*?)^```$|<!-- node\n([^]*?)^-->$)/gm;

/** The code of the page in its order, with what the reader does not see, and what it prints. */
function page(): { code: string; output: string } {
  const source = readFileSync(path.join(PACKAGE, "..", "docs", "node.md"), "utf8");
  const code: string[] = [];
  const output: string[] = [];
  for (const [, language, shown, hidden] of source.matchAll(FENCED)) {
    if (language === "output") output.push(shown ?? "");
    else code.push(shown ?? hidden ?? "");
  }
  return { code: code.join("\n"), output: output.join("") };
}

const noTypes = existsSync(CONFLUENT) ? false : "`npm run confluent` has not installed @confluentinc/kafka-javascript";

test(
  "the code of the page compiles, runs on Kafka and prints what the page says",
  { skip: missing(noServer, noTypes), timeout: 120_000 },
  () => {
    const { code, output } = page();
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path.join(FOLDER, "page.mts"), code);
    const compilerOptions = {
      noEmit: false,
      noUnusedLocals: false,
      declaration: false,
      sourceMap: false,
      rootDir: ".",
      outDir: ".",
      typeRoots: ["../../node_modules/@types"],
      paths: {
        "@confluentinc/kafka-javascript": [path.join(CONFLUENT, "index.d.ts")],
      },
    };
    const config = { extends: "../../tsconfig.json", compilerOptions, include: ["page.mts"], exclude: [] };
    writeFileSync(path.join(FOLDER, "tsconfig.json"), JSON.stringify(config));
    const run = (...args: string[]): string => execFileSync(process.execPath, args, { cwd: FOLDER, encoding: "utf8" });
    run(path.join(PACKAGE, "node_modules", "typescript", "bin", "tsc"), "-p", FOLDER);
    assert.equal(run("page.mjs"), output);
  },
);
