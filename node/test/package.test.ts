import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import * as surface from "../src/index.js";
import { PACKAGE } from "./vectors.js";

const PUBLIC = [
  "UnknownCarrier",
  "UnknownMessage",
  "VERSION",
  "attached",
  "bind",
  "configure",
  "eachBatch",
  "eachMessage",
  "extract",
  "forward",
  "inject",
  "process",
  "receive",
  "traced",
];

let folder: string;
let files: string[];

before(
  () => {
    folder = mkdtempSync(path.join(tmpdir(), "unbroken-"));
    const api = packed(path.join(PACKAGE, "node_modules", "@opentelemetry", "api"));
    const unbroken = packed(PACKAGE);
    files = unbroken.files.map((file) => file.path);
    const dependencies = { unbroken: `file:${unbroken.filename}`, "@opentelemetry/api": `file:${api.filename}` };
    writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
    run("npm", "install", "--offline", "--no-audit", "--no-fund");
  },
  { timeout: 120_000 },
);

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function packed(source: string): Packed {
  const listed = run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder, source);
  const [only] = JSON.parse(listed) as Packed[];
  assert.ok(only !== undefined);
  return only;
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: "utf8" });
}

test("the public names are these", () => {
  assert.deepEqual(Object.keys(surface).sort(), PUBLIC);
});

test("the version is that of the package", () => {
  const manifest = JSON.parse(readFileSync(path.join(PACKAGE, "package.json"), "utf8")) as { version: string };
  assert.equal(surface.VERSION, manifest.version);
});

test("the package holds what is compiled, and no more", () => {
  const others = files.filter((file) => !/^dist\/[\w/]+(?:\.d)?\.m?[tj]s$/.test(file));
  assert.deepEqual(others.sort(), ["LICENSE", "README.md", "package.json"]);
});

test("the package imports nothing but the API and Node", () => {
  const imported = files
    .filter((file) => /\.m?js$/.test(file))
    .flatMap((file) => {
      const code = readFileSync(path.join(PACKAGE, file), "utf8");
      return [...code.matchAll(/(?:require\(|from )"([^."][^"]*)"/g)].map(([, name]) => name);
    });
  assert.deepEqual([...new Set(imported)].sort(), ["@opentelemetry/api", "node:async_hooks", "node:buffer"]);
});

test("it is imported", () => {
  writeFileSync(
    path.join(folder, "imported.mjs"),
    'import * as unbroken from "unbroken"; console.log(Object.keys(unbroken).join());',
  );
  assert.equal(run("node", "imported.mjs").trim(), PUBLIC.join());
});

test("it is required", () => {
  writeFileSync(path.join(folder, "required.cjs"), 'console.log(Object.keys(require("unbroken")).sort().join());');
  assert.equal(run("node", "required.cjs").trim(), PUBLIC.join());
});

test("what is in force for import is in force for require", () => {
  const code =
    'import { configure } from "unbroken"; configure({ only: ["orders"] }); import { createRequire } from "node:module"; console.log(createRequire(import.meta.url)("unbroken").configure().only.join());';
  writeFileSync(path.join(folder, "both.mjs"), code);
  assert.equal(run("node", "both.mjs").trim(), "orders");
});

for (const kind of ["mts", "cts"]) {
  test(`its types are complete without any client, in ${kind}`, { timeout: 60_000 }, () => {
    const code =
      'import { eachMessage, traced, type Policy } from "unbroken";\nexport const policy: Partial<Policy> = { spans: true };\nexport const handler = eachMessage(async ({ message }) => { await Promise.resolve(message.offset); });\nexport { traced };\n';
    writeFileSync(path.join(folder, `typed.${kind}`), code);
    const tsc = path.join(PACKAGE, "node_modules", "typescript", "bin", "tsc");
    const types = ["--typeRoots", path.join(PACKAGE, "node_modules", "@types"), "--types", "node"];
    run(
      "node",
      tsc,
      "--noEmit",
      "--strict",
      "--exactOptionalPropertyTypes",
      "--module",
      "node16",
      "--target",
      "es2022",
      ...types,
      `typed.${kind}`,
    );
  });
}
