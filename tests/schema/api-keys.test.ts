import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatApiKey, isKeyId, parseApiKey } from "../../schema/api-keys.ts";
import {
  commonPermissions,
  isAllowed,
  permissionList,
  scopeOf,
  storedPermissions,
} from "../../schema/permissions.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe("the form of an API key", () => {
  test("every key parses to its halves, and no key with one character changed does", () => {
    const change = fc.record({ at: fc.nat(), to: fc.constantFrom(..."09AZaz_-~ ") });
    fc.assert(
      fc.property(bytes(8), bytes(32), change, (id, secret, { at, to }) => {
        const made = formatApiKey(id, secret);
        expect(made.key).toHaveLength(65);
        expect(isKeyId(made.keyId)).toBe(true);
        expect(parseApiKey(made.key)).toEqual({ keyId: made.keyId, secret: made.secret });
        const index = at % made.key.length;
        const typed = made.key.slice(0, index) + to + made.key.slice(index + 1);
        if (typed !== made.key) expect(parseApiKey(typed)).toBeNull();
      }),
    );
  });

  test("the least and the greatest random bytes have the same form", () => {
    for (const byte of [0, 255]) {
      const { key } = formatApiKey(new Uint8Array(8).fill(byte), new Uint8Array(32).fill(byte));
      expect(parseApiKey(key)).not.toBeNull();
    }
  });
});

describe("permissions", () => {
  test("what two lists have in common is what both allow", () => {
    const half = fc.constantFrom("*", "a", "b");
    const list = fc.array(
      fc.tuple(half, half).map(([resource, action]) => `${resource}:${action}`),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(list, list, (one, other) => {
        const common = commonPermissions(one, other);
        for (const wanted of ["a:a", "a:b", "b:a", "b:b"]) {
          expect(isAllowed(common, wanted)).toBe(isAllowed(one, wanted) && isAllowed(other, wanted));
        }
        expect(commonPermissions(other, one)).toEqual(common);
      }),
    );
    expect(commonPermissions(["files:*", "x:y"], ["*:read", "files:read"])).toEqual(["files:read"]);
  });

  test.for<[string[], string, boolean]>([
    [["*:*"], "files:read", true],
    [["files:*"], "files:read", true],
    [["*:read"], "files:read", true],
    [["files:read"], "files:read", true],
    [[], "files:read", false],
    [["files:read"], "files:create", false],
    [["file:read"], "files:read", false],
    [["files:read"], "files:*", false],
    [["files:*"], "*:*", false],
    [["*:read"], "*:*", false],
    [["*:*"], "*:*", true],
  ])("%j: %s is %s", ([granted, wanted, allowed]) => {
    expect(isAllowed(granted, wanted)).toBe(allowed);
  });

  test("a list has each once, in one order; what is stored wrong grants nothing", () => {
    expect(permissionList.parse(["b:c", "a:b", "b:c"])).toEqual(["a:b", "b:c"]);
    for (const json of ["", "null", "{}", '["x"]', '"*:*"']) expect(storedPermissions(json)).toEqual([]);
    expect(scopeOf([])).toBeUndefined();
    expect(scopeOf(["a:b", "c:d"])).toBe("a:b c:d");
  });
});
