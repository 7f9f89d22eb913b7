import { describe, expect, it } from "vitest";
import { isLegacyOpen, type Legacy, readLegacy } from "../../schema/legacy.ts";

const KEY = "k9!s-a-key-of-Django-0123456789-abcdef";
const INSECURE = "django-insecure-0123456789-abcdefghijk";
const NONE = { DJANGO_SECRET_KEY: "", LEGACY_UNTIL: "", LEGACY_KEY_IS_PUBLIC: "", DJANGO_SESSIONS: "" };

function read(vars: Partial<typeof NONE>): { legacy: Legacy | null; wrong: string[] } {
  const wrong: string[] = [];
  const legacy = readLegacy({ ...NONE, ...vars }, (setting) => void wrong.push(setting));
  return { legacy, wrong };
}

describe("the settings of a move", () => {
  it("are off unless both a key and a date are set, and half of it is wrong", () => {
    expect(read({})).toEqual({ legacy: null, wrong: [] });
    expect(read({ DJANGO_SECRET_KEY: KEY })).toEqual({ legacy: null, wrong: ["LEGACY_UNTIL"] });
    expect(read({ LEGACY_UNTIL: "2027-01-01" })).toEqual({ legacy: null, wrong: ["DJANGO_SECRET_KEY"] });
  });

  it("end with the day that is named, or at the moment", () => {
    const until = (text: string) => read({ DJANGO_SECRET_KEY: KEY, LEGACY_UNTIL: text });
    expect(until("2027-01-01").legacy).toEqual({
      secretKey: KEY,
      endsAt: Date.UTC(2027, 0, 2) / 1000,
      isKeyPublic: false,
      sessions: "exchange",
    });
    expect(until("2028-02-29").legacy?.endsAt).toBe(Date.UTC(2028, 2, 1) / 1000);
    expect(until("2027-01-01T12:00:00Z").legacy?.endsAt).toBe(Date.UTC(2027, 0, 1, 12) / 1000);
    for (const text of [
      "2027-02-29",
      "2027-13-01",
      "01.01.2027",
      "2027-1-1",
      "soon",
      "1800000000",
      "2027-01-01 12:00",
    ])
      expect(until(text), text).toEqual({ legacy: null, wrong: ["LEGACY_UNTIL"] });
  });

  it("take a key that strangers know only with the word for it, and no short one", () => {
    const LEGACY_UNTIL = "2027-01-01";
    for (const key of [
      INSECURE,
      "change-me-change-me-change-me-change-me",
      "an-example-key-an-example-key-an-example",
    ]) {
      expect(read({ DJANGO_SECRET_KEY: key, LEGACY_UNTIL }).wrong, key).toEqual(["DJANGO_SECRET_KEY"]);
      const accepted = read({
        DJANGO_SECRET_KEY: key,
        LEGACY_UNTIL,
        LEGACY_KEY_IS_PUBLIC: "accept-forgeries",
      });
      expect(accepted).toMatchObject({ wrong: [], legacy: { isKeyPublic: true } });
    }
    const short = read({ DJANGO_SECRET_KEY: "k9!s", LEGACY_UNTIL, LEGACY_KEY_IS_PUBLIC: "accept-forgeries" });
    expect(short.wrong).toEqual(["DJANGO_SECRET_KEY"]);
    expect(read({ LEGACY_KEY_IS_PUBLIC: "on" }).wrong).toEqual(["LEGACY_KEY_IS_PUBLIC"]);
    expect(read({ DJANGO_SESSIONS: "on" }).wrong).toEqual(["DJANGO_SESSIONS"]);
  });
});

it("nothing is open at the moment that it ends", () => {
  const legacy: Legacy = { secretKey: KEY, endsAt: 1000, isKeyPublic: false, sessions: "exchange" };
  expect(isLegacyOpen(legacy, 999)).toBe(true);
  expect(isLegacyOpen(legacy, 1000)).toBe(false);
  expect(isLegacyOpen(null, 0)).toBe(false);
});
