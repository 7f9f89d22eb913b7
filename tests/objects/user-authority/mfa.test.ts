import { describe, expect, it } from "vitest";
import {
  decideUse,
  NOTHING_USED,
  type UsedCodes,
  unremoved,
  usedAt,
  usedKeptUntil,
  withRemoved,
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
  const recovery = step === null ? `recovery ${pass}` : null;
  return { enrolment, step, recovery, pass: pass === "" ? null : { id: id(pass), exp: NOW + 300 } };
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

describe("a recovery code", () => {
  const recovery = (digest: string, pass: string, enrolment = "one"): CodeUse => {
    return { ...code(null, pass, enrolment), recovery: digest };
  };

  it("ASVS 6.5.2: is good once, whatever token it comes with", () => {
    const known = usedBy(recovery("x", "a"));
    expect(kindOf(known, recovery("x", "b"))).toBe("spent");
    expect(kindOf(known, recovery("y", "b"))).toBe("accepted");
  });

  it("is remembered until D1 has taken it out and every request that read D1 before has ended", () => {
    const known = usedBy(recovery("x", ""), recovery("y", ""));
    expect(unremoved(known)).toEqual(["x", "y"]);
    expect(usedAt(known, NOW + 1e9).recovery, "however long D1 is down").toHaveLength(2);
    expect(usedKeptUntil(known)).toBe(Number.POSITIVE_INFINITY);
    const removed = withRemoved(known, ["x"], NOW + 5);
    expect(unremoved(removed)).toEqual(["y"]);
    const both = withRemoved(removed, ["y"], NOW + 9);
    expect(usedKeptUntil(both)).toBe(NOW + 609);
    expect(usedAt(both, NOW + 605).recovery).toEqual([{ digest: "y", removedAt: NOW + 9 }]);
    expect(usedKeptUntil(usedAt(both, NOW + 609))).toBeNull();
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
