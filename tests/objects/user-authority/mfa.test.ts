import { describe, expect, it } from "vitest";
import {
  decideUse,
  NOTHING_USED,
  type UsedCodes,
  usedAt,
  usedKeptUntil,
} from "../../../objects/user-authority/mfa.ts";
import { asTokenId, type TokenId } from "../../../schema/ids.ts";
import type { CodeUse } from "../../../schema/mfa.ts";

const NOW = 1_800_000_000;
const STEP = NOW / 30;
const id = (letter: string): TokenId => {
  const made = asTokenId(letter.repeat(22));
  if (made === null) throw new Error("not an id");
  return made;
};
const code = (step: number | null, pass = "p", enrolment = "one"): CodeUse => {
  return { enrolment, step, pass: pass === "" ? null : { id: id(pass), exp: NOW + 300 } };
};

/** What is known after these uses, all of which must be accepted. */
function usedBy(...uses: CodeUse[]): UsedCodes {
  return uses.reduce((known, use) => {
    const decision = decideUse(known, use, NOW);
    if (decision.kind === "spent") throw new Error("spent");
    return decision.used;
  }, NOTHING_USED);
}
const kindOf = (known: UsedCodes, use: CodeUse) => decideUse(known, use, NOW).kind;

describe("a code is good once", () => {
  it("RFC 6238 §5.2: a used step and every older one are spent, the next is not", () => {
    const known = usedBy(code(STEP, "a"));
    expect(kindOf(known, code(STEP, "b"))).toBe("spent");
    expect(kindOf(known, code(STEP - 1, "b"))).toBe("spent");
    expect(kindOf(known, code(STEP + 1, "b"))).toBe("accepted");
  });

  it("steps of another secret have nothing to do with it", () => {
    expect(kindOf(usedBy(code(STEP, "a")), code(STEP, "b", "two"))).toBe("accepted");
  });

  it("an mfa_token opens one session, whatever code comes with it", () => {
    const known = usedBy(code(STEP, "a"));
    expect(kindOf(known, code(STEP + 1, "a"))).toBe("spent");
    expect(kindOf(known, code(null, "a"))).toBe("spent");
    expect(kindOf(usedBy(code(null, "a")), code(null, "b"))).toBe("accepted");
  });

  it("a recovery code uses up no step, and a code without a token no token", () => {
    expect(usedBy(code(null, "a")).newest).toBeNull();
    expect(usedBy(code(STEP, "")).passes).toEqual([]);
    expect(kindOf(usedBy(code(STEP, "")), code(STEP, ""))).toBe("spent");
  });
});

describe("what is forgotten", () => {
  it("nothing that an edge with a clock ten minutes behind would still take", () => {
    const known = usedBy(code(STEP, "a"));
    const until = usedKeptUntil(known) ?? 0;
    expect(until).toBe(NOW + 300 + 600);
    expect(usedAt(known, (STEP + 2) * 30 + 599).newest).not.toBeNull();
    expect(usedAt(known, (STEP + 2) * 30 + 600).newest).toBeNull();
    expect(usedAt(known, until - 1).passes).toHaveLength(1);
    expect(usedKeptUntil(usedAt(known, until))).toBeNull();
  });
});
