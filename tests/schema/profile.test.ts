import { expect, it } from "vitest";
import { asLanguage, asTimezone, isAvatarUrl, isPersonName } from "../../schema/profile.ts";

it("a name is up to 150 characters of any script, spaces and joiners included", () => {
  for (const name of ["", "Ada", "O'Brien-Łukasz", "李", "می‌خواهم", "a b", "é".repeat(150), "😀".repeat(150)])
    expect(isPersonName(name), name).toBe(true);
  expect(isPersonName("é".repeat(151))).toBe(false);
});

it("a name holds no control, no line separator, no half surrogate and nothing that turns the text around it", () => {
  for (const character of ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
    expect(isPersonName(`A${character}da`), JSON.stringify(character)).toBe(false);
  for (const character of ["\u202a", "\u202e", "\u2066", "\u2069"])
    expect(isPersonName(`A${character}da`), JSON.stringify(character)).toBe(false);
});

it("a picture's URL is https, without credentials, spaces or anything that a parser would drop", () => {
  for (const url of ["https://example.com/a.png", "https://example.com:8443/a?b=c#d", "HTTPS://EXAMPLE.COM/"])
    expect(isAvatarUrl(url), url).toBe(true);
  expect(isAvatarUrl(`https://example.com/${"a".repeat(2028)}`)).toBe(true);
  expect(isAvatarUrl(`https://example.com/${"a".repeat(2029)}`)).toBe(false);
  for (const url of [
    "",
    "http://example.com/",
    "//example.com/",
    "https:example.com",
    "https://",
    "https:\\\\example.com",
    "https://example.com\\@evil.example",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    " https://example.com/",
    "https://example.com/a b",
    "https://exa\nmple.com/",
    "https://example.com/\u202egpj.png",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
  ])
    expect(isAvatarUrl(url), url).toBe(false);
});

it("a time zone is a name of the IANA database, in its spelling", () => {
  expect(asTimezone("Europe/Berlin")).toBe("Europe/Berlin");
  expect(asTimezone("europe/berlin")).toBe("Europe/Berlin");
  expect(asTimezone("America/Argentina/Buenos_Aires")).toBe("America/Argentina/Buenos_Aires");
  expect(asTimezone("UTC")).toBe("UTC");
  expect(asTimezone("Asia/Kolkata"), "a link keeps its own name").toBe("Asia/Kolkata");
  expect(asTimezone("asia/kolkata"), "of a link the spelling cannot be found").toBeNull();
  for (const text of [
    "",
    "Mars/Phobos",
    "+01:00",
    "GMT+1",
    "PST",
    "SystemV/PST8",
    "Europe/Berlin\0",
    "../UTC",
  ])
    expect(asTimezone(text), text).toBeNull();
  expect(asTimezone("A".repeat(10_000))).toBeNull();
});

it("RFC 5646 §4.5: a language tag is well-formed and kept in its canonical spelling", () => {
  expect(asLanguage("de")).toBe("de");
  expect(asLanguage("EN-us")).toBe("en-US");
  expect(asLanguage("zh-hant-tw")).toBe("zh-Hant-TW");
  for (const text of [
    "",
    "en_US",
    "e",
    "x",
    "x-",
    "en-x",
    "en-u",
    "i-nothing",
    "en-",
    "en US",
    "en-US\n",
    "*",
    `de-${"a".repeat(40)}`,
  ])
    expect(asLanguage(text), text).toBeNull();
});

it("RFC 5646 §2.1: tags that the runtime does not know are well-formed all the same, in the registry's capitals", () => {
  for (const [text, spelling] of [
    ["zh-YUE", "zh-yue"],
    ["zh-cmn-hans-cn", "zh-cmn-Hans-CN"],
    ["zh-min-nan", "zh-min-nan"],
    ["X-Pirate", "x-pirate"],
    ["i-KLINGON", "i-klingon"],
    ["en-gb-OED", "en-GB-oed"],
    ["sgn-be-fr", "sgn-BE-FR"],
    ["ZH-yue-hant-hk-X-AB-Private", "zh-yue-Hant-HK-x-ab-private"],
  ] as const)
    expect(asLanguage(text)?.toLowerCase() === text.toLowerCase() ? asLanguage(text) : null, text).toBe(
      spelling,
    );
  expect(asLanguage("de-1996-x-1996-1996")).toBe("de-1996-x-1996-1996");
  for (const text of [
    "de-1996-1996",
    "en-a-bbb-a-ccc",
    "zh-yue-1996-1996",
    "a-DE",
    "en-yue-yue-yue-yue",
    "zh-yue-b",
  ])
    expect(asLanguage(text), text).toBeNull();
});
