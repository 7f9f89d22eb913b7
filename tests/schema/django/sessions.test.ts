import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decideSession } from "../../../schema/django/sessions.ts";

const NOW = 1_800_000_000;
const KEY = "k".repeat(32);
const signed = (content: Buffer | object, dot = "") => {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return `${dot}${bytes.toString("base64url")}:1xViFj:${"A".repeat(43)}`;
};
const decide = (session_data: string, expire_date = "2036-12-31T23:59:59Z", pk = KEY) =>
  decideSession({ table: "django_session", place: "line 1", pk, fields: { session_data, expire_date } }, NOW);
const OF_SEVEN = { _auth_user_id: "7" };

describe("a session of Django", () => {
  test("becomes a row under the digest of its key, with its data to the letter", () => {
    const data = signed(OF_SEVEN);
    expect(decide(data)).toEqual({
      kind: "row",
      notes: [],
      row: {
        digest: "XjGPjPnL4kmjCBK4yhMtaR3tepGZFBNVjbV1hXX14B8",
        user_id: 7,
        session_data: data,
        expires_at: 2_114_380_799,
      },
    });
  });

  test("may be compressed", () => {
    const data = signed(
      deflateSync(Buffer.from(JSON.stringify({ ...OF_SEVEN, filler: "x".repeat(1_000) }))),
      ".",
    );
    expect(decide(data)).toMatchObject({ row: { user_id: 7 } });
  });

  test("may have a time without a zone, which is noted", () => {
    expect(decide(signed(OF_SEVEN), "2036-12-31T23:59:59")).toMatchObject({
      notes: [expect.stringContaining("UTC")],
    });
  });

  const bomb = signed(deflateSync(Buffer.alloc(10_000_000, 32)), ".");
  test.for<[string, string, string, string, string]>([
    ["expired", signed(OF_SEVEN), "2027-01-15T08:00:00Z", KEY, "expired"],
    ["with a day that is none", signed(OF_SEVEN), "2036-02-30T00:00:00Z", KEY, "not a date"],
    ["under a key of another kind", signed(OF_SEVEN), "2036-12-31T23:59:59Z", "A/b", "the key is none"],
    ["of nobody", signed({}), "2036-12-31T23:59:59Z", KEY, "nobody is signed in"],
    ["of no number", signed({ _auth_user_id: "0x7" }), "2036-12-31T23:59:59Z", KEY, "no positive integer"],
    [
      "of the number nought",
      signed({ _auth_user_id: "0" }),
      "2036-12-31T23:59:59Z",
      KEY,
      "no positive integer",
    ],
    ["that is no JSON", signed(Buffer.from([0x80, 4, 0x95])), "2036-12-31T23:59:59Z", KEY, "not a session"],
    [
      "before Django 3.1",
      Buffer.from("0f:{}").toString("base64"),
      "2036-12-31T23:59:59Z",
      KEY,
      "not a session",
    ],
    ["that inflates without end", bomb, "2036-12-31T23:59:59Z", KEY, "not a session"],
  ])("%s is refused, with a reason that quotes nothing", ([, data, expires, key, reason]) => {
    const decision = decide(data, expires, key);
    expect(decision).toEqual({ kind: "refused", reason: expect.stringContaining(reason) });
  });
});
