import { expect, it } from "vitest";
import { parsePasswordHash } from "../../schema/password-hash.ts";
import { createMemoryHard } from "../../worker/passwords/memory-hard/engine.ts";
import { SALT_LENGTH } from "../../worker/passwords/salt.ts";
import { compileWasm } from "../support/wasm.ts";
import { NO_HASH, noHashModule } from "./no-hash.ts";

it("the module that does nothing is driven like the real one, and the stored hash is what it leaves", () => {
  const engine = createMemoryHard(compileWasm(noHashModule()));
  const stored = parsePasswordHash(NO_HASH);
  if (stored.algorithm !== "argon2") throw new Error("not a hash of the current scheme");
  expect(stored.salt).toHaveLength(SALT_LENGTH);
  for (const password of ["a quiet harbour 27", "another"]) {
    const { digest, ...costs } = stored;
    const bytes = new TextEncoder().encode(password);
    const { derivation, steps } = engine.argon2({ ...costs, password: bytes, digestLength: digest.length });
    expect(steps, "no pause either").toBe(0);
    expect(derivation.finish()).toEqual(digest);
  }
});
