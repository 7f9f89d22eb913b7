import { expect, it } from "vitest";
import { parsePasswordHash } from "../../schema/password-hash.ts";
import { createArgon2 } from "../../worker/passwords/argon2/engine.ts";
import { SALT_LENGTH } from "../../worker/passwords/argon2/salt.ts";
import { compileWasm } from "../support/wasm.ts";
import { NO_HASH, noHashModule } from "./no-hash.ts";

it("the module that does nothing is driven like the real one, and the stored hash is what it leaves", () => {
  const argon2id = createArgon2(compileWasm(noHashModule()));
  const stored = parsePasswordHash(NO_HASH);
  if (stored.algorithm !== "argon2") throw new Error("not a hash of the current scheme");
  expect(stored.salt).toHaveLength(SALT_LENGTH);
  for (const password of ["a quiet harbour 27", "another"]) {
    const { digest, ...costs } = stored;
    const bytes = new TextEncoder().encode(password);
    expect(argon2id({ ...costs, password: bytes, digestLength: digest.length })).toEqual(digest);
  }
});
