import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Config, isStrongSecret, readConfig } from "../../schema/config.ts";
import { LIMIT_CLASSES } from "../../schema/limits.ts";

const SECRET = "Qm7vX2pL9sK4tR8wZ1yB6nC3dF5gH0jV";
const OTHER_SECRET = "hT5rW8eQ2uY9iO1pA6sD3fG7jK0lZ4xC";
/** What a development deployment cannot do without. */
const DATA_SECRET = "xK2mB7vN4cQ9wE1rT6yU8iP3oA5sD0fG";
const LEAST = {
  JWT_SECRET: SECRET,
  REFRESH_TOKEN_SECRET: OTHER_SECRET,
  DATA_ENCRYPTION_KEY: DATA_SECRET,
};
const PRODUCTION = {
  ...LEAST,
  ENVIRONMENT: "production",
  ISSUER: "https://id.example.com",
  AUDIENCE: "https://api.example.com",
  APP_ORIGIN: "https://app.example.com",
  MAIL_TRANSPORT: "resend",
  MAIL_FROM: "Session Authority <auth@example.com>",
  MAIL_API_KEY: "re_0123456789",
};

// Name, member, default, lowest, highest; default count and seconds; the default and the other choices.
const NUMBERS: [string, keyof Config, number, number, number][] = [
  ["ACCESS_TOKEN_TTL", "accessTokenTtlSeconds", 600, 1, 3600],
  ["REFRESH_TOKEN_TTL", "refreshTokenTtlSeconds", 86_400, 1, 31_536_000],
  ["SESSION_MAX_AGE", "sessionMaxAgeSeconds", 2_592_000, 1, 31_536_000],
  ["REFRESH_GRACE", "refreshGraceSeconds", 10, 0, 300],
  ["REFRESH_GRACE_SAME_CLIENT", "refreshGraceSameClientSeconds", 600, 0, 86_400],
  ["MAX_SESSIONS_PER_USER", "sessionsPerUserMax", 100, 1, 1000],
  ["PASSWORD_MIN_LENGTH", "passwordLengthMin", 8, 1, 128],
  ["LOCKOUT_THRESHOLD", "lockoutThreshold", 5, 1, 100],
  ["LOCKOUT_WINDOW", "lockoutWindowSeconds", 900, 1, 86_400],
  ["LOCKOUT_DURATION", "lockoutDurationSeconds", 1800, 1, 86_400],
  ["LOCKOUT_CEILING", "lockoutCeiling", 100, 1, 100_000],
  ["PASSWORD_RESET_TTL", "passwordResetTtlSeconds", 3600, 1, 3600],
  ["EMAIL_VERIFY_TTL", "emailVerifyTtlSeconds", 86_400, 1, 604_800],
  ["AUDIT_RETENTION_DAYS", "auditRetentionDays", 90, 1, 3650],
];

const RATES: [string, keyof Config["rates"], number, number][] = [
  ["RATE_LIMIT_IP", "ip", 100, 60],
  ["RATE_LIMIT_USER", "user", 60, 60],
  ["RATE_LIMIT_AUTH", "auth", 10, 300],
  ["RATE_LIMIT_REFRESH", "refresh", 60, 300],
  ["RATE_LIMIT_REGISTER", "register", 3, 3600],
  ["RATE_LIMIT_API_KEY", "api_key", 60, 60],
];

const CHOICES: [string, keyof Config, string[]][] = [
  ["ENVIRONMENT", "environment", ["development", "staging", "production"]],
  ["LOGOUT_SCOPE", "logoutScope", ["global", "local", "others"]],
  ["REVOCATION_MODE", "revocationMode", ["available", "strict"]],
  ["REQUIRE_MFA_FOR_ADMIN", "requireMfaForAdmin", ["off", "on"]],
];

function read(env: object): Config {
  const reading = readConfig(env);
  if (reading.kind === "wrong") throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

/** The settings that are named as wrong, each once. */
function wrongSettings(env: object): string[] {
  const reading = readConfig(env);
  return reading.kind === "ok" ? [] : [...new Set(reading.problems.map(({ setting }) => setting))].sort();
}

describe("numbers", () => {
  test.for(NUMBERS)(
    "contract §2: %s: its default, its lowest and its highest",
    ([name, key, byDefault, min, max]) => {
      expect(read(LEAST)[key]).toBe(byDefault);
      expect(read({ ...LEAST, [name]: String(min) })[key]).toBe(min);
      expect(read({ ...LEAST, [name]: String(max) })[key]).toBe(max);
    },
  );

  test.for(NUMBERS)(
    "contract §2: %s: one too low and one too high are named, with the bounds",
    ([name, , , min, max]) => {
      for (const value of [min - 1, max + 1]) {
        expect(readConfig({ ...LEAST, [name]: String(value) })).toEqual({
          kind: "wrong",
          alertWebhook: null,
          problems: [{ setting: name, problem: `must be a whole number from ${min} to ${max}` }],
        });
      }
    },
  );

  const MALFORMED = [
    "",
    " ",
    "many",
    " 5",
    "5 ",
    "5\n",
    "05",
    "+5",
    "-5",
    "5.0",
    "5e1",
    "0x5",
    "٥",
    "５",
    "5s",
  ];
  test.for(NUMBERS)(
    "contract §2: %s: what is no whole number in its one spelling is named, never guessed at",
    ([name]) => {
      for (const value of [...MALFORMED, "Infinity", "NaN", "1".repeat(400), 5, 5n, true, null, {}, ["5"]]) {
        expect(wrongSettings({ ...LEAST, [name]: value })).toEqual([name]);
      }
    },
  );
});

describe("limits", () => {
  test.for(RATES)(
    "contract §2: %s: its default, its lowest and its highest",
    ([name, key, limit, seconds]) => {
      expect(read(LEAST).rates[key]).toEqual({ limit, seconds });
      expect(read({ ...LEAST, [name]: "1/1" }).rates[key]).toEqual({ limit: 1, seconds: 1 });
      expect(read({ ...LEAST, [name]: "9999999/86400" }).rates[key]).toEqual({
        limit: 9_999_999,
        seconds: 86_400,
      });
    },
  );

  test.for(RATES)("contract §2: %s: anything but count/seconds is named", ([name]) => {
    const wrong = ["", "5", "5/", "/5", "0/60", "5/0", "05/60", "5/060", "5/86401", "10000000/60", "5/60/1"];
    for (const value of [
      ...wrong,
      "5 / 60",
      " 5/60",
      "5/60 ",
      "5/60\n",
      "-5/60",
      "5/-60",
      "5.5/60",
      "5/1e3",
    ]) {
      expect(wrongSettings({ ...LEAST, [name]: value })).toEqual([name]);
    }
    for (const value of ["off", "٥/٦٠", "5:60", 5, null, { limit: 5, seconds: 60 }]) {
      expect(wrongSettings({ ...LEAST, [name]: value })).toEqual([name]);
    }
  });

  const PATTERNS = [
    ["ABUSE_RAPID_LOGIN", "rapid_login", 5, 300, { kind: "block", seconds: 300 }],
    ["ABUSE_PASSWORD_SPRAY", "password_spray", 10, 3600, { kind: "ban", seconds: 86_400 }],
    ["ABUSE_TOKEN_BRUTE_FORCE", "token_brute_force", 20, 1800, { kind: "ban", seconds: 43_200 }],
  ] as const;

  test.for(PATTERNS)("contract §2: %s: its default, off, and steps", ([name, key, limit, seconds, step]) => {
    expect(read(LEAST).abuse[key]).toEqual({ limit, seconds, steps: [step] });
    expect(read({ ...LEAST, [name]: "off" }).abuse[key]).toBeNull();
    expect(read({ ...LEAST, [name]: "1/1" }).abuse[key]).toMatchObject({ limit: 1, seconds: 1 });
    const steps = { ...LEAST, [`${name}_ACTION`]: "log, warn,block/60,ban/2592000" };
    expect(read(steps).abuse[key]?.steps).toEqual([
      { kind: "log" },
      { kind: "warn" },
      { kind: "block", seconds: 60 },
      { kind: "ban", seconds: 2_592_000 },
    ]);
    for (const wrong of ["", "5", "0/60", "1001/60", "OFF", "off ", 5]) {
      expect(wrongSettings({ ...LEAST, [name]: wrong })).toEqual([name]);
    }
    for (const wrong of ["", "ban", "block/0", "log/5", "ban/2592001", "log,", "off", 5]) {
      expect(wrongSettings({ ...LEAST, [`${name}_ACTION`]: wrong })).toEqual([`${name}_ACTION`]);
    }
  });

  test.for([
    [{}, true],
    [{ LOCKOUT_THRESHOLD: "6" }, false],
    [{ LOCKOUT_DURATION: "299" }, false],
    [{ LOCKOUT_WINDOW: "299" }, false],
    [{ LOCKOUT_DURATION: "300", LOCKOUT_WINDOW: "300" }, true],
    [{ ABUSE_RAPID_LOGIN: "off" }, false],
  ] as const)(
    "an account's lockout stands in for rapid login only if it is no later and no shorter: %j",
    ([vars, is]) => {
      expect(read({ ...LEAST, ...vars }).abuse.isLockoutSooner).toBe(is);
    },
  );

  test("every limit that a route can name has a rate", () => {
    expect(Object.keys(read(LEAST).rates).sort()).toEqual([...LIMIT_CLASSES].sort());
  });
});

describe("choices", () => {
  test.for(CHOICES)(
    "contract §2: %s: the first is the default, each is taken, in this spelling only",
    ([name, key, all]) => {
      expect(read(LEAST)[key]).toBe(all[0]);
      for (const value of all) {
        const base = value === "development" ? LEAST : PRODUCTION;
        expect(read({ ...base, [name]: value })[key]).toBe(value);
      }
      for (const value of ["", "Global", "PRODUCTION", "prod", ` ${all[0]}`, "toString", 1, null]) {
        expect(wrongSettings({ ...LEAST, [name]: value })).toEqual([name]);
      }
    },
  );
});

describe("ACCESS_TOKEN_TTL", () => {
  test.for(["staging", "production"])("TOK-10: in %s it is ten minutes at most", (ENVIRONMENT) => {
    const settings = { ...PRODUCTION, ENVIRONMENT };
    expect(read({ ...settings, ACCESS_TOKEN_TTL: "600" }).accessTokenTtlSeconds).toBe(600);
    expect(wrongSettings({ ...settings, ACCESS_TOKEN_TTL: "601" })).toEqual(["ACCESS_TOKEN_TTL"]);
  });
});

describe("ISSUER and AUDIENCE", () => {
  test("contract §2: in development they are the request's origin unless they are set", () => {
    expect(read(LEAST)).toMatchObject({ issuer: null, audience: null });
    expect(read({ ...LEAST, ISSUER: "", AUDIENCE: "" })).toMatchObject({ issuer: null, audience: null });
    expect(read({ ...LEAST, ISSUER: "http://localhost:8787", AUDIENCE: "api" })).toMatchObject({
      issuer: "http://localhost:8787",
      audience: "api",
    });
  });

  test.for(["staging", "production"])("contract §2: in %s they are required", (ENVIRONMENT) => {
    const required = ["APP_ORIGIN", "AUDIENCE", "ISSUER", "MAIL_FROM", "MAIL_TRANSPORT"];
    expect(wrongSettings({ ...LEAST, ENVIRONMENT })).toEqual(required);
    expect(wrongSettings({ ...PRODUCTION, ENVIRONMENT, ISSUER: "" })).toEqual(["ISSUER"]);
    expect(wrongSettings({ ...PRODUCTION, ENVIRONMENT, AUDIENCE: "" })).toEqual(["AUDIENCE"]);
    expect(read({ ...PRODUCTION, ENVIRONMENT })).toMatchObject({
      issuer: "https://id.example.com",
      audience: "https://api.example.com",
    });
  });

  test.for(["https://id.example.com:8443", "https://id.example.com/"])(
    "RFC 8414 §2: an issuer may have a port and a slash at its end: %s",
    (ISSUER) => {
      expect(read({ ...PRODUCTION, ISSUER }).issuer).toBe(ISSUER);
    },
  );

  test.for([
    ["no URL", "id.example.com"],
    ["no scheme", "//id.example.com"],
    ["no host", "https://"],
    ["http outside development", "http://id.example.com"],
    ["another scheme", "ftp://id.example.com"],
    ["a path, whose metadata would be elsewhere (§3.1)", "https://id.example.com/tenant"],
    ["a path of a second slash", "https://id.example.com//"],
    ["a query", "https://id.example.com/?tenant=1"],
    ["an empty query", "https://id.example.com/?"],
    ["a fragment", "https://id.example.com/#top"],
    ["an empty fragment", "https://id.example.com/#"],
    ["a user name", "https://admin@id.example.com"],
    ["a password", "https://:hunter2@id.example.com"],
    ["a space before it", " https://id.example.com"],
    ["a line end after it", "https://id.example.com\n"],
    ["a space in it", "https://id.example.com/a b"],
    ["no slashes", "https:id.example.com"],
  ])("RFC 8414 §2: an issuer with %s is refused: what `iss` says is compared byte for byte", ([, ISSUER]) => {
    expect(wrongSettings({ ...PRODUCTION, ISSUER })).toEqual(["ISSUER"]);
  });
});

describe("ALLOWED_ORIGINS", () => {
  test("contract §2: two localhost origins by default in development, none by default elsewhere", () => {
    expect(read(LEAST).allowedOrigins).toEqual(["http://localhost:5173", "http://localhost:3000"]);
    expect(read(PRODUCTION).allowedOrigins).toEqual([]);
    expect(read({ ...LEAST, ALLOWED_ORIGINS: "" }).allowedOrigins).toEqual([]);
  });

  test("contract §2: exact origins, comma-separated, with or without space around them", () => {
    const ALLOWED_ORIGINS = "https://app.example.com, https://admin.example.com:8443 ,";
    expect(read({ ...PRODUCTION, ALLOWED_ORIGINS }).allowedOrigins).toEqual([
      "https://app.example.com",
      "https://admin.example.com:8443",
    ]);
  });

  test.for([
    ["every origin", "*"],
    ["every origin beside a good one", "https://app.example.com,*"],
    ["every subdomain", "https://*.example.com"],
    ["every host", "https://*"],
    ["the null origin", "null"],
    ["http", "http://app.example.com"],
    ["http on localhost", "http://localhost:5173"],
    ["a path", "https://app.example.com/"],
    ["a port that is the default", "https://app.example.com:443"],
    ["capital letters, which no browser sends", "https://App.example.com"],
    ["no scheme", "app.example.com"],
    ["another scheme", "wss://app.example.com"],
    ["a file", "file:///index.html"],
    ["credentials", "https://a:b@app.example.com"],
    ["spaces for commas", "https://app.example.com https://admin.example.com"],
  ])("HTTP-06: %s is refused outside development", ([, ALLOWED_ORIGINS]) => {
    expect(wrongSettings({ ...PRODUCTION, ALLOWED_ORIGINS })).toEqual(["ALLOWED_ORIGINS"]);
  });

  test.for(["*", "http://*", "null", "http://localhost:5173/"])(
    "HTTP-06: %s is refused in development, too",
    (ALLOWED_ORIGINS) => {
      expect(wrongSettings({ ...LEAST, ALLOWED_ORIGINS })).toEqual(["ALLOWED_ORIGINS"]);
    },
  );
});

describe("secrets", () => {
  test("contract §2: they are read as they are", () => {
    const config = read({ ...LEAST, ADMIN_TOKEN: SECRET });
    expect(config).toMatchObject({ refreshTokenSecret: OTHER_SECRET, adminToken: SECRET });
    expect(config.signingKeys).toMatchObject([{ algorithm: "HS256", secret: SECRET }]);
  });

  test("ADM-05: without ADMIN_TOKEN there is no operator credential, and none is made up", () => {
    expect(read(LEAST).adminToken).toBeNull();
    expect(read({ ...LEAST, ADMIN_TOKEN: "" }).adminToken).toBeNull();
  });

  test("TOK-12: a missing one is named", () => {
    const { JWT_SECRET: _jwt, ...withoutJwt } = LEAST;
    const { REFRESH_TOKEN_SECRET: _refresh, ...withoutRefresh } = LEAST;
    const { DATA_ENCRYPTION_KEY: _data, ...withoutData } = LEAST;
    expect(wrongSettings(withoutRefresh)).toEqual(["REFRESH_TOKEN_SECRET"]);
    expect(wrongSettings(withoutJwt)).toEqual(["JWT_SIGNING_KEYS"]);
    expect(wrongSettings(withoutData)).toEqual(["DATA_ENCRYPTION_KEY"]);
    expect(wrongSettings({})).toEqual(["DATA_ENCRYPTION_KEY", "JWT_SIGNING_KEYS", "REFRESH_TOKEN_SECRET"]);
  });

  const WEAK: [string, string][] = [
    ["31 bytes", SECRET.slice(0, 31)],
    ["one letter, 64 times", "a".repeat(64)],
    ["seven letters, over and over", "abcdefg".repeat(10)],
    ["a placeholder", "changeme-changeme-changeme-changeme-1234"],
    ["another placeholder", "CHANGE-ME please, this is not a secret 0123456789"],
    ["a hint to the operator", "your-secret-key-goes-right-here-0123456789"],
    ["an example", "example-secret-of-the-documentation-0123456789"],
    ["Django's development key", "django-insecure-8#q!k2v^m0z$w7x1c9b3n5l4j6h8g"],
    ["what is to be replaced", "to-be-replaced-before-going-live-0123456789"],
  ];
  test.for(WEAK)("TOK-12: %s is refused for every symmetric secret", ([, weak]) => {
    expect(isStrongSecret(weak)).toBe(false);
    for (const name of ["JWT_SECRET", "REFRESH_TOKEN_SECRET", "DATA_ENCRYPTION_KEY", "ADMIN_TOKEN"]) {
      expect(wrongSettings({ ...LEAST, [name]: weak })).toEqual([name]);
    }
  });

  test("TOK-12: eight different characters are the least", () => {
    expect(isStrongSecret("Qm7vX2pL".repeat(4))).toBe(true);
    expect(isStrongSecret("Qm7vX2p".repeat(5))).toBe(false);
  });

  test("several keys of DATA_ENCRYPTION_KEY are separated by commas, and each must be strong", () => {
    const keys = (value: string) => ({ ...LEAST, DATA_ENCRYPTION_KEY: value });
    expect(read(LEAST).dataEncryptionKeys).toEqual([DATA_SECRET]);
    expect(read(keys(`${SECRET}, ${DATA_SECRET}`)).dataEncryptionKeys).toEqual([SECRET, DATA_SECRET]);
    for (const value of [`${SECRET},`, `${SECRET},short`, `,${SECRET}`]) {
      expect(wrongSettings(keys(value))).toEqual(["DATA_ENCRYPTION_KEY"]);
    }
  });

  test("TOK-12: 32 is a number of bytes, not of characters", () => {
    expect(isStrongSecret("àáâãäåæçèéêëìíîï")).toBe(true);
    expect(isStrongSecret("àáâãäåæçèéêëìíî1")).toBe(false);
    expect(isStrongSecret(SECRET)).toBe(true);
  });

  test("TOK-12: JWT_SIGNING_KEYS that is malformed, or has two keys of one kid, is named", () => {
    const key = {
      kty: "OKP",
      crv: "Ed25519",
      kid: "one",
      x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURo0",
      d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    };
    const withKeys = (...keys: object[]) => ({
      REFRESH_TOKEN_SECRET: OTHER_SECRET,
      DATA_ENCRYPTION_KEY: DATA_SECRET,
      JWT_SIGNING_KEYS: JSON.stringify({ keys }),
    });
    expect(read(withKeys(key)).signingKeys).toMatchObject([{ kid: "one", algorithm: "EdDSA" }]);
    expect(wrongSettings(withKeys(key, key))).toEqual(["JWT_SIGNING_KEYS"]);
    expect(wrongSettings(withKeys())).toEqual(["JWT_SIGNING_KEYS"]);
    expect(wrongSettings({ ...LEAST, JWT_SIGNING_KEYS: "{" })).toEqual(["JWT_SIGNING_KEYS"]);
  });

  test("LOG-05: no problem ever quotes what was set", () => {
    const names = [
      ...["ENVIRONMENT", "ISSUER", "AUDIENCE", "ALLOWED_ORIGINS", "ACCESS_TOKEN_TTL", "REFRESH_GRACE"],
      ...["RATE_LIMIT_IP", "LOGOUT_SCOPE", "JWT_SECRET", "JWT_SIGNING_KEYS", "REFRESH_TOKEN_SECRET"],
      "ADMIN_TOKEN",
    ];
    const mark = fc.stringMatching(/^[0-9a-f]{12,31}$/);
    const shape = fc.constantFrom(
      (text: string) => text,
      (text: string) => `{"keys":[{"kid":"${text}","kty":"oct","k":"${text}"}]}`,
      (text: string) => `https://${text}@id.example.com`,
    );
    fc.assert(
      fc.property(fc.subarray(names, { minLength: 1 }), mark, shape, (set, text, shaped) => {
        const reading = readConfig({
          ...PRODUCTION,
          ...Object.fromEntries(set.map((name) => [name, shaped(text)])),
        });
        if (reading.kind === "wrong") expect(JSON.stringify(reading.problems)).not.toContain(text);
      }),
    );
  });
});

describe("mail", () => {
  test("contract §6: in development mail is kept and never sent, whatever is asked", () => {
    expect(read(LEAST).mail).toEqual({ transport: "outbox" });
    expect(read({ ...LEAST, MAIL_TRANSPORT: "outbox" }).mail).toEqual({ transport: "outbox" });
    for (const MAIL_TRANSPORT of ["", "resend", "cloudflare"]) {
      expect(wrongSettings({ ...LEAST, MAIL_TRANSPORT })).toEqual(["MAIL_TRANSPORT"]);
    }
  });

  test("outside development a transport is required, and development's is none", () => {
    for (const MAIL_TRANSPORT of [undefined, "", "outbox", "smtp", "Resend", 5]) {
      expect(wrongSettings({ ...PRODUCTION, MAIL_TRANSPORT })).toContain("MAIL_TRANSPORT");
    }
  });

  test("an HTTP API needs a sender and a key; its address is Resend's unless said", () => {
    const { MAIL_FROM: from, MAIL_API_KEY: apiKey } = PRODUCTION;
    const apiUrl = "https://api.resend.com/emails";
    expect(read(PRODUCTION).mail).toEqual({ transport: "resend", from, apiUrl, apiKey });
    const { MAIL_FROM: _from, MAIL_API_KEY: _key, ...rest } = PRODUCTION;
    expect(wrongSettings(rest)).toEqual(["MAIL_API_KEY", "MAIL_FROM"]);
    for (const MAIL_API_KEY of ["", "two words", "line\nfeed", 5]) {
      expect(wrongSettings({ ...PRODUCTION, MAIL_API_KEY }).slice(0, 1)).toEqual(["MAIL_API_KEY"]);
    }
  });

  test.for(["auth@example.com", "Authority <auth@example.com>", "Ä B <a.b@c.de>"])(
    "%s may send",
    (MAIL_FROM) => {
      expect(wrongSettings({ ...PRODUCTION, MAIL_FROM })).toEqual([]);
    },
  );

  test.for([
    "",
    "nobody",
    "A <nobody>",
    "<a@b.de>",
    'A "B" <a@b.de>',
    "A\r\nBcc: x <a@b.de>",
    "A <a@b.de>, C <c@d.de>",
  ])("%j may not send", (MAIL_FROM) => {
    expect(wrongSettings({ ...PRODUCTION, MAIL_FROM })).toEqual(["MAIL_FROM"]);
  });

  test.for([
    "https://mail.example.com/send?a=b",
    "http://127.0.0.1:8025/emails",
    "http://localhost:1",
    "http://[::1]:1",
  ])("%s is an address to send to", (MAIL_API_URL) => {
    expect(wrongSettings({ ...PRODUCTION, MAIL_API_URL })).toEqual([]);
  });

  test.for([
    "",
    "mail.example.com",
    "http://mail.example.com",
    "https://a:b@example.com",
    "ftp://example.com",
  ])("a key never goes to %j", (MAIL_API_URL) => {
    expect(wrongSettings({ ...PRODUCTION, MAIL_API_URL })).toEqual(["MAIL_API_URL"]);
  });

  test("Cloudflare's transport needs its binding", () => {
    const cloudflare = { ...PRODUCTION, MAIL_TRANSPORT: "cloudflare" };
    expect(wrongSettings(cloudflare)).toEqual(["EMAIL"]);
    expect(read({ ...cloudflare, EMAIL: { send: () => undefined } }).mail).toMatchObject({
      transport: "cloudflare",
    });
  });

  test("RST-04: APP_ORIGIN is one exact origin, https and set outside development", () => {
    expect(read(LEAST).appOrigin).toBe("http://localhost:5173");
    expect(read(PRODUCTION).appOrigin).toBe("https://app.example.com");
    for (const APP_ORIGIN of [
      undefined,
      "",
      "http://app.example.com",
      "https://app.example.com/",
      "app.example.com",
      "*",
    ]) {
      expect(wrongSettings({ ...PRODUCTION, APP_ORIGIN })).toEqual(["APP_ORIGIN"]);
    }
  });
});

describe("all together", () => {
  test("contract §2: every problem is told at once", () => {
    const wrong = {
      ENVIRONMENT: "prod",
      ISSUER: "id.example.com",
      ALLOWED_ORIGINS: "*",
      ACCESS_TOKEN_TTL: "0",
      REFRESH_TOKEN_TTL: "-1",
      SESSION_MAX_AGE: "a month",
      REFRESH_GRACE: "301",
      REFRESH_GRACE_SAME_CLIENT: "",
      MAX_SESSIONS_PER_USER: "0",
      RATE_LIMIT_IP: "100",
      RATE_LIMIT_USER: "off",
      RATE_LIMIT_AUTH: "0/1",
      RATE_LIMIT_REFRESH: "1/0",
      RATE_LIMIT_REGISTER: "/",
      LOGOUT_SCOPE: "all",
      PASSWORD_MIN_LENGTH: "129",
      REVOCATION_MODE: "none",
      JWT_SIGNING_KEYS: "[]",
      REFRESH_TOKEN_SECRET: "short",
      DATA_ENCRYPTION_KEY: "short",
      REQUIRE_MFA_FOR_ADMIN: "yes",
      ADMIN_TOKEN: "short",
    };
    expect(wrongSettings(wrong)).toEqual(Object.keys(wrong).sort());
  });

  test.for([
    "ISSUER",
    "AUDIENCE",
    "ALLOWED_ORIGINS",
    "JWT_SIGNING_KEYS",
    "JWT_SECRET",
    "REFRESH_TOKEN_SECRET",
    "DATA_ENCRYPTION_KEY",
    "ADMIN_TOKEN",
  ])("contract §2: %s that is no text is named, never passed over in silence", (name) => {
    for (const value of [5, true, null, {}, ["https://app.example.com"]]) {
      expect(wrongSettings({ ...LEAST, [name]: value })).toContain(name);
    }
  });

  test("contract §2: the tables of this file miss no setting of these kinds", () => {
    const source = readFileSync(join(import.meta.dirname, "../../schema/config.ts"), "utf8");
    const readAs = (kind: string) =>
      [...source.matchAll(new RegExp(`\\b${kind}(?:<\\w+>)?\\(\\s*"([A-Z_]+)"`, "g"))]
        .map((match) => match[1])
        .sort();
    expect(readAs("integer")).toEqual(NUMBERS.map(([name]) => name).sort());
    expect(readAs("rate")).toEqual(RATES.map(([name]) => name).sort());
    expect(readAs("choice")).toEqual(CHOICES.map(([name]) => name).sort());
  });

  test("bindings and settings of others are left alone", () => {
    const env = { ...LEAST, DB: { prepare: () => undefined }, SOMETHING_ELSE: "x" };
    expect(readConfig(env)).toEqual(readConfig(LEAST));
  });
});

test("where alerts go is read also while another setting is wrong, and not while its own are", () => {
  const url = "https://alerts.example/hook";
  const webhook = {
    ALERT_WEBHOOK_URL: url,
    ALERT_WEBHOOK_SECRET: "whsec_Zm9ydHktdHdvIHF1aWV0IGhhcmJvdXJzIGluIGEgcm93",
    ALERT_WEBHOOK_HOSTS: "alerts.example",
  };
  const wrong = { ...LEAST, ...webhook, LOGOUT_SCOPE: "bogus" };
  expect(readConfig(wrong)).toMatchObject({ kind: "wrong", alertWebhook: { url } });
  expect(readConfig({ ...wrong, ALERT_WEBHOOK_HOSTS: "" })).toMatchObject({ alertWebhook: null });
});
