import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canBeLogin,
  EMAIL_LENGTH_MAX,
  emailKey,
  impersonatesEmail,
  isEmail,
  isUsername,
  normalizeUsername,
  USERNAME_LENGTH_MAX,
  usernameKey,
} from "../../schema/identity.ts";

/** Of any code points, lone surrogates among them. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 12 })
  .map((codes) => String.fromCodePoint(...codes));

describe("user names", () => {
  test.for([
    "a",
    "ada",
    "Ada.Lovelace",
    "ada@example.com",
    "ada+test@example.com",
    "_",
    "...",
    "+-",
    "007",
    "müller",
    "Ἀριστοτέλης",
    "иван",
    "محمد",
    "村上",
    "김철수",
    "ñandú_2",
    "٣٤٥",
    "Ⅷ",
    "½",
    "ʰ",
    "𐐨𐐨",
  ])("MIG-02: %s is one, as in Django", (username) => {
    expect(isUsername(username)).toBe(true);
  });

  test.for([
    ["nothing", ""],
    ["a space", "ada lovelace"],
    ["a space at the end", "ada "],
    ["a no-break space", "ada\u00a0lovelace"],
    ["a line end at the end", "ada\n"],
    ["a tab", "ada\t"],
    ["a NUL", "ada\0"],
    ["an escape", "ada\u001b[31m"],
    ["a delete", "ada\u007f"],
    ["a zero-width space", "ada\u200b"],
    ["a zero-width joiner", "a\u200dda"],
    ["a text direction override", "ada\u202etxt"],
    ["a byte order mark", "\ufeffada"],
    ["a soft hyphen", "a\u00adda"],
    ["a slash", "ada/lovelace"],
    ["a colon", "ada:x"],
    ["an exclamation mark", "ada!"],
    ["a quotation mark", 'ada"'],
    ["an apostrophe", "o'hara"],
    ["an asterisk", "*"],
    ["a dollar sign", "$ada"],
    ["a percent sign", "100%"],
    ["an emoji", "ada😀"],
    ["a combining mark alone", "\u0301"],
    ["a private-use character", "\ue000"],
    ["an unassigned character", "\u0378"],
    ["a high surrogate alone", "ada\ud800"],
    ["a low surrogate alone", "\udc00ada"],
    ["an at sign of full width", "ada＠example.com"],
  ])("contract §3: %s is none", ([, username]) => {
    expect(isUsername(username ?? "")).toBe(false);
  });

  test("contract §3: 150 is a number of code points", () => {
    expect(USERNAME_LENGTH_MAX).toBe(150);
    for (const letter of ["a", "ü", "村", "𐐨"]) {
      expect(isUsername(letter.repeat(150))).toBe(true);
      expect(isUsername(letter.repeat(151))).toBe(false);
    }
  });

  test("HTTP-04: any text at all is one or none, and none has white space, controls or lone surrogates", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (isUsername(text)) expect(/[\s\p{C}]/u.test(text)).toBe(false);
      }),
    );
  });
});

describe("the stored spelling", () => {
  test.for([
    ["full-width letters", "ａｄａ", "ada"],
    ["an at sign of full width", "ａ＠ｂ", "a@b"],
    ["a ligature", "ﬁona", "fiona"],
    ["letters in circles", "ⓐⓓⓐ", "ada"],
    ["mathematical letters", "𝐚𝐝𝐚", "ada"],
    ["a letter and its accent", "e\u0301", "é"],
    ["the Kelvin sign", "\u212a", "K"],
    ["the Ångström sign", "\u212b", "Å"],
    ["the long s", "\u017f", "s"],
    ["superscript digits", "x²", "x2"],
    ["half-width kana", "ｶﾞ", "ガ"],
    ["plain letters", "Ada.Lovelace", "Ada.Lovelace"],
  ])("contract §3: NFKC, as Django's: %s", ([, typed, stored]) => {
    expect(normalizeUsername(typed ?? "")).toBe(stored);
  });

  test("normalising twice is normalising once", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (typed) => {
        const once = normalizeUsername(typed);
        expect(normalizeUsername(once)).toBe(once);
      }),
    );
  });
});

describe("two names that are the same in any case", () => {
  test.for([
    ["capital letters", "Ada", "aDA"],
    ["capital letters with accents", "ÉMILE", "émile"],
    ["ß and ss", "straße", "STRASSE"],
    ["the capital ẞ and ß", "STRAẞE", "straße"],
    ["the capital ẞ and ss", "STRAẞE", "strasse"],
    ["both lower-case sigmas", "ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"],
    ["a sigma in the wrong place", "ὀδυσσεύσ", "ὀδυσσεύς"],
    ["full-width letters", "ＡＤＡ", "ada"],
    ["a ligature", "ﬀ", "FF"],
    ["a letter and its accent", "E\u0301", "é"],
    ["the Kelvin sign", "\u212aelvin", "kelvin"],
    ["the long s", "\u017falt", "SALT"],
    ["the micro sign and mu", "\u00b5", "\u039c"],
    ["Cyrillic", "ИВАН", "иван"],
    ["Cherokee", "Ꭰ", "ꭰ"],
    ["Armenian's ligature", "և", "ԵՒ"],
    ["title case", "ǅ", "ǆ"],
    ["Deseret", "𐐀", "𐐨"],
    ["an iota below", "ᾳ", "ΑΙ"],
  ])("contract §3: %s", ([, one, other]) => {
    expect(usernameKey(one ?? "")).toBe(usernameKey(other ?? ""));
  });

  test.for([
    ["another letter", "ada", "adb"],
    ["an accent", "emile", "émile"],
    ["Latin and Cyrillic", "ada", "аdа"],
    ["an umlaut and its two letters", "müller", "mueller"],
    ["a dot", "ada.l", "adal"],
    ["s and ß", "strase", "straße"],
  ])("names that differ in more than case are two: %s", ([, one, other]) => {
    expect(usernameKey(one ?? "")).not.toBe(usernameKey(other ?? ""));
  });

  test("contract §3: every letter of planes 0 and 1, which hold all that have case, has one key in each case", () => {
    const split: string[] = [];
    for (let code = 0; code <= 0x1ffff; code += 1) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const letter = String.fromCodePoint(code);
      const others = [letter.toUpperCase(), letter.toLowerCase()];
      if (others.every((other) => other === letter)) continue; // it has no case
      const key = usernameKey(letter);
      if ([key, ...others].some((other) => usernameKey(other) !== key))
        split.push(`U+${code.toString(16)} ${letter}`);
    }
    expect(split).toEqual([]);
  });

  test("contract §3: so has every name made of letters", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."aÄßẞſσςΣİıiIＡﬀéÉ村"), maxLength: 12 });
    fc.assert(
      fc.property(letters, (name) => {
        const key = usernameKey(name);
        expect(usernameKey(name.toLowerCase())).toBe(key);
        expect(usernameKey(normalizeUsername(name))).toBe(key);
        expect(usernameKey(key)).toBe(key);
      }),
    );
  });
});

describe("e-mail addresses", () => {
  test.for([
    "ada@example.com",
    "ada+tag@sub.example.co.uk",
    "a@b.c",
    "o'hara@example.com",
    "ädä@exämple.de",
    "用户@例子.公司",
    "user%example.com@example.org",
    "!#$&'*/=?^`{|}~@example.com",
    "ada@example.com ".trim(),
  ])("%s is one", (email) => {
    expect(isEmail(email)).toBe(true);
  });

  test.for([
    ["nothing", ""],
    ["no at sign", "ada.example.com"],
    ["two at signs", "ada@home@example.com"],
    ["nothing before the at sign", "@example.com"],
    ["nothing after it", "ada@"],
    ["a domain of one label", "ada@localhost"],
    ["an empty label", "ada@example..com"],
    ["a dot first in the domain", "ada@.example.com"],
    ["a dot last in the domain", "ada@example.com."],
    ["a space", "ada lovelace@example.com"],
    ["a space at the end", "ada@example.com "],
    ["a line end", "ada@example.com\n"],
    ["a header after it", "ada@example.com\r\nBcc: eve@example.com"],
    ["a quoted name", '"ada"@example.com'],
    ["a name and an address", "Ada<eve@example.com>"],
    ["an address in angle brackets", "<eve@example.com>"],
    ["a list", "ada,eve@example.com"],
    ["a group", "all:eve@example.com;"],
    ["a comment", "ada(eve)@example.com"],
    ["an escape", "ada\\eve@example.com"],
    ["a literal for a domain", "ada@[192.0.2.1]"],
    ["an angle bracket that only NFKC shows", "Ada＜eve@example.com＞"],
    ["a NUL", "ada\0@example.com"],
    ["a zero-width space", "ada\u200b@example.com"],
    ["a text direction override", "ada\u202e@example.com"],
    ["a lone surrogate", "ada\ud800@example.com"],
    ["a second at sign that only NFKC shows", "ada＠evil.example@example.com"],
    ["a small at sign that only NFKC shows", "ada﹫evil.example@example.com"],
    ["a quotation mark that only NFKC shows", "＂ada＂@example.com"],
    ["an empty label that only NFKC shows", "ada@exam‥ple.com"],
    ["a space that only NFKC shows", "ﷺ@example.com"],
  ])("contract §3: %s is none", ([, email]) => {
    expect(isEmail(email ?? "")).toBe(false);
  });

  test("RFC 5321 §4.5.3.1: at most 64 before the at sign and 254 in all, in code points", () => {
    expect(EMAIL_LENGTH_MAX).toBe(254);
    for (const letter of ["a", "ü", "𐐨"]) {
      expect(isEmail(`${letter.repeat(64)}@example.com`)).toBe(true);
      expect(isEmail(`${letter.repeat(65)}@example.com`)).toBe(false);
      expect(isEmail(`a@${letter.repeat(248)}.com`)).toBe(true);
      expect(isEmail(`a@${letter.repeat(249)}.com`)).toBe(false);
    }
  });

  test("contract §3: two are the same in lower case after NFKC", () => {
    expect(emailKey("Ada@EXAMPLE.com")).toBe("ada@example.com");
    expect(emailKey("ＡＤＡ＠example．com")).toBe("ada@example.com");
    expect(emailKey("e\u0301@example.com")).toBe("é@example.com");
    expect(emailKey("ada@example.com")).not.toBe(emailKey("ada+x@example.com"));
  });

  test("HTTP-04: what is one has exactly one at sign, also in the spelling that is compared", () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab.@＠﹫ \n＂"‥．。é'), maxLength: 14 });
    fc.assert(
      fc.property(text, (email) => {
        if (isEmail(email)) expect(emailKey(email).split("@")).toHaveLength(2);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a user name that looks like an e-mail address", () => {
  test("contract §3: it may be the account's own, in any spelling", () => {
    expect(impersonatesEmail("ada@example.com", "ada@example.com")).toBe(false);
    expect(impersonatesEmail("Ada@Example.com", "ada@example.com")).toBe(false);
    expect(impersonatesEmail("ada@example.com", "ＡＤＡ@example.com")).toBe(false);
  });

  test("contract §3: it may not be somebody else's, nor anybody's", () => {
    expect(impersonatesEmail("ada@example.com", "eve@example.com")).toBe(true);
    expect(impersonatesEmail("ada@example.com", null)).toBe(true);
    for (const imported of ["root@localhost", "a@b", "a@b@c.example", "@ada@example.com"])
      expect(impersonatesEmail(imported, "ada@example.com")).toBe(true);
  });

  test("contract §3: what no e-mail address can look like is a name like any other", () => {
    for (const name of ["@", "@ada", "ada@"]) expect(impersonatesEmail(name, "ada@example.com")).toBe(false);
    for (const name of ["@", "@ada", "ada@"]) expect(isEmail(name)).toBe(false);
  });

  test("contract §3: a look-alike of full width is one once it is normalised, as it is stored", () => {
    expect(impersonatesEmail(normalizeUsername("ada＠example.com"), null)).toBe(true);
  });

  test("a name without an at sign looks like none", () => {
    expect(impersonatesEmail("ada", null)).toBe(false);
    expect(impersonatesEmail("ada.example.com", "ada@example.com")).toBe(false);
  });
});

describe("what can be typed at a login", () => {
  test("MIG-02: anything that an imported account can be called, also what no new one may be", () => {
    for (const typed of [
      "ada",
      "ada lovelace",
      "o'hara",
      "😀",
      "ada@example.com",
      "a".repeat(254),
      "𐐨".repeat(254),
    ]) {
      expect(canBeLogin(typed)).toBe(true);
    }
  });

  test("HTTP-04: a NUL, a lone surrogate, and more than any account can have need no look-up", () => {
    for (const typed of ["ada\0", "ada\ud800", "\udfff", "a".repeat(255), "𐐨".repeat(255)]) {
      expect(canBeLogin(typed)).toBe(false);
    }
  });

  test("MIG-02: what a new account may be called can be typed, in the spelling that is stored", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (typed) => {
        const stored = normalizeUsername(typed);
        if (isUsername(stored)) expect(canBeLogin(stored)).toBe(true);
        if (isEmail(typed)) expect(canBeLogin(typed)).toBe(true);
      }),
    );
  });
});
