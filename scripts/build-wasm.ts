/**
 * Compiles worker/passwords/pbkdf2/assembly/index.ts to worker/passwords/pbkdf2/pbkdf2.wasm, which is checked in.
 * `--check` writes nothing and fails if the checked-in file is not what the source gives.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
/** The compiler runs as a program: importing it would bring its own global types into the whole project. */
const COMPILER = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
const SOURCE = "worker/passwords/pbkdf2/assembly/index.ts";
export const PBKDF2_WASM = join(ROOT, "worker/passwords/pbkdf2/pbkdf2.wasm");

/** No run-time library and no assertions: nothing is allocated and nothing imported. One page that cannot grow. */
const OPTIONS = [
  ...["--optimizeLevel", "3", "--shrinkLevel", "0", "--converge", "--enable", "simd"],
  ...["--runtime", "stub", "--noAssert", "--initialMemory", "1", "--maximumMemory", "1"],
];

/** The bytes of pbkdf2.wasm as the source gives them: the same every time. Throws with the compiler's message. */
export function buildPbkdf2(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "pbkdf2-"));
  try {
    const outFile = join(directory, "pbkdf2.wasm");
    execFileSync(process.execPath, [COMPILER, SOURCE, "--outFile", outFile, ...OPTIONS], { cwd: ROOT });
    return readFileSync(outFile);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const built = buildPbkdf2();
  if (process.argv.includes("--check")) {
    if (!readFileSync(PBKDF2_WASM).equals(built)) {
      console.error("pbkdf2.wasm is not what its source gives: run scripts/build-wasm.ts");
      process.exitCode = 1;
    }
  } else {
    writeFileSync(PBKDF2_WASM, built);
    console.log(`pbkdf2.wasm: ${built.length} bytes`);
  }
}
