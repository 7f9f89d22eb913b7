/**
 * Compiles the WebAssembly of worker/passwords from its AssemblyScript; the results are checked in.
 * `--check` writes nothing and fails if a checked-in file is not what its source gives.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
/** The compiler runs as a program: importing it would bring its own global types into the whole project. */
const COMPILER = join(ROOT, "node_modules/assemblyscript/bin/asc.js");

/** Pages of 64 KiB. */
const ONE_PAGE = 1;
/** The page that is always there, 64 MiB for the dearest hash that is accepted, and what scrypt takes beside its table. */
const MEMORY_HARD_PAGES_MAX = 1_028;

interface Module {
  readonly source: string;
  readonly wasm: string;
  readonly pagesMax: number;
}

const FOLDER = "worker/passwords";
export const MODULES = {
  pbkdf2Sha256: {
    source: `${FOLDER}/pbkdf2/assembly/sha256.ts`,
    wasm: join(ROOT, FOLDER, "pbkdf2/pbkdf2-sha256.wasm"),
    pagesMax: ONE_PAGE,
  },
  pbkdf2Sha1: {
    source: `${FOLDER}/pbkdf2/assembly/sha1.ts`,
    wasm: join(ROOT, FOLDER, "pbkdf2/pbkdf2-sha1.wasm"),
    pagesMax: ONE_PAGE,
  },
  bcrypt: {
    source: `${FOLDER}/bcrypt/assembly/index.ts`,
    wasm: join(ROOT, FOLDER, "bcrypt/bcrypt.wasm"),
    pagesMax: ONE_PAGE,
  },
  memoryHard: {
    source: `${FOLDER}/memory-hard/assembly/index.ts`,
    wasm: join(ROOT, FOLDER, "memory-hard/memory-hard.wasm"),
    pagesMax: MEMORY_HARD_PAGES_MAX,
  },
} satisfies Record<string, Module>;

/** No run-time library and no assertions: nothing is allocated and nothing imported. */
const OPTIONS = [
  ...["--optimizeLevel", "3", "--shrinkLevel", "0", "--converge", "--enable", "simd"],
  ...["--runtime", "stub", "--noAssert", "--initialMemory", "1"],
];

/** The bytes of a module as its source gives them: the same every time. Throws with the compiler's message. */
export function buildWasm({ source, pagesMax }: Module): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "wasm-"));
  try {
    const outFile = join(directory, "module.wasm");
    const options = [...OPTIONS, "--maximumMemory", String(pagesMax)];
    execFileSync(process.execPath, [COMPILER, source, "--outFile", outFile, ...options], { cwd: ROOT });
    return readFileSync(outFile);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  for (const module of Object.values(MODULES)) {
    const built = buildWasm(module);
    if (!process.argv.includes("--check")) {
      writeFileSync(module.wasm, built);
      console.log(`${module.wasm}: ${built.length} bytes`);
    } else if (!readFileSync(module.wasm).equals(built)) {
      console.error(`${module.wasm} is not what ${module.source} gives: run scripts/build-wasm.ts`);
      process.exitCode = 1;
    }
  }
}
