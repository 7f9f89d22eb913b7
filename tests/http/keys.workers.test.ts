/** Signing keys as a client and a resource server meet them: rotation, and every way to fake a key. */
import {
  base64url,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportSPKI,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
  jwtVerify,
  SignJWT,
} from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { type NewJwk, newSigningJwk } from "../../worker/tokens/new-key.ts";
import { type Answer, ORIGIN, PASSWORD, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith } from "../support/faults.ts";
import wycheproof from "../vectors/wycheproof-jws-es256.json";

const TTL = 600;
const SECRET = "a secret of 32 bytes or more, 0123456789";

afterEach(stopClock);

const now = (): number => Math.floor(Date.now() / 1000);

/** A key that began `since` seconds ago and ends in `until`; a negative number is the other side of now. */
function newKey(
  kid: string,
  { alg = "EdDSA" as NewJwk["alg"], since = 10, until = null as number | null } = {},
): Promise<NewJwk> {
  const life = { createdAt: now() - since, endsAt: until === null ? null : now() + until };
  return newSigningJwk(alg, life).then((jwk) => ({ ...jwk, kid }));
}

/** The service with these keys and no others. */
function withKeys(...keys: JWK[]) {
  const settings = { JWT_SIGNING_KEYS: keys.length === 0 ? "" : JSON.stringify({ keys }) };
  return service(settings);
}

function service(settings: Record<string, string>) {
  const send = (path: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = { "CF-Connecting-IP": uniqueAddress(), ...init.headers };
    return askWith(settings, path, { ...init, headers });
  };
  const post = (path: string, body: unknown) => send(path, { method: "POST", body: JSON.stringify(body) });
  return {
    register: async () => {
      const body = { username: unique("keys"), password: PASSWORD, password2: PASSWORD };
      const answer = await post("/api/accounts/register", body);
      return { ...answer, username: body.username };
    },
    login: (username: string) => post("/api/accounts/login", { username, password: PASSWORD }),
    refresh: (token: string) => post("/api/accounts/token/refresh", { refresh_token: token }),
    verify: (token: string) => post("/api/accounts/token/verify", { token }),
    user: (token: string) => send("/api/accounts/user", { headers: { Authorization: `Bearer ${token}` } }),
    jwks: () => send("/.well-known/jwks.json"),
    health: () => send("/api/health"),
  };
}
type Service = ReturnType<typeof service>;

const kidOf = (answer: Answer): string | undefined => decodeProtectedHeader(answer.body.access_token).kid;
const published = async (of: Service) => (await of.jwks()).body.keys.map((key: JWK) => key.kid);
const refused = { status: 401, body: { code: "invalid_access_token" } };
const misconfigured = {
  status: 503,
  body: {
    code: "misconfigured",
    detail: "The service is not configured: JWT_SIGNING_KEYS",
    details: [expect.stringContaining("JWT_SIGNING_KEYS has ")],
    retry_after: 5,
  },
};

describe("every algorithm", () => {
  it.each(["EdDSA", "ES256"] as const)(
    "%s: signs, is verified here, and by anyone with the published key",
    async (alg) => {
      const of = withKeys(await newKey("one", { alg }));
      const user = await of.register();
      expect(user.status).toBe(201);
      const { access_token, refresh_token } = user.body;
      expect(decodeProtectedHeader(access_token)).toEqual({ alg, kid: "one", typ: "at+jwt" });
      expect((await of.user(access_token)).status).toBe(200);
      expect((await of.verify(access_token)).body).toMatchObject({ active: true, iss: ORIGIN });
      expect((await of.refresh(refresh_token)).status).toBe(200);

      const jwks = await of.jwks();
      expect(jwks.headers.get("Cache-Control")).toBe("public, max-age=300");
      expect(jwks.body.keys).toHaveLength(1);
      const members = alg === "EdDSA" ? ["crv", "kty", "x"] : ["crv", "kty", "x", "y"];
      expect(Object.keys(jwks.body.keys[0]).sort()).toEqual([...members, "alg", "kid", "use"].sort());
      const options = { issuer: ORIGIN, audience: ORIGIN, typ: "at+jwt", algorithms: [alg] };
      const { payload } = await jwtVerify(access_token, createLocalJWKSet(jwks.body), options);
      expect(payload.sub).toBe(String(user.body.user.id));
    },
  );

  it("HS256: signs and is verified here; its key is never published, also beside others", async () => {
    const of = service({ JWT_SIGNING_KEYS: "", JWT_SECRET: SECRET });
    const user = await of.register();
    expect(decodeProtectedHeader(user.body.access_token)).toMatchObject({ alg: "HS256", kid: "hs256" });
    expect((await of.user(user.body.access_token)).status).toBe(200);
    expect((await of.refresh(user.body.refresh_token)).status).toBe(200);
    expect((await of.jwks()).body).toEqual({ keys: [] });

    const keys = JSON.stringify({ keys: [await newKey("asymmetric")] });
    const both = service({ JWT_SIGNING_KEYS: keys, JWT_SECRET: SECRET });
    expect((await both.user(user.body.access_token)).status, "the way over to a key pair").toBe(200);
    expect(kidOf(await both.login(user.username))).toBe("asymmetric");
    const jwks = await both.jwks();
    expect(jwks.body.keys.map((key: JWK) => key.kid)).toEqual(["asymmetric"]);
    expect(jwks.text).not.toContain("oct");
  });
});

describe("TOK-11: rotation with overlap", () => {
  it("the newest key signs, tokens of the old one live on, and are refused once it is taken out", async () => {
    const [old, next] = await Promise.all([newKey("old", { since: 100 }), newKey("next", { alg: "ES256" })]);
    const before = withKeys(old);
    const user = await before.register();
    expect(kidOf(user)).toBe("old");

    const during = withKeys(old, next);
    expect(await published(during)).toEqual(["next", "old"]);
    expect((await during.user(user.body.access_token)).status).toBe(200);
    const renewed = await during.refresh(user.body.refresh_token);
    expect(kidOf(renewed)).toBe("next");
    expect((await before.user(renewed.body.access_token)).body.code, "not known yet").toBe(
      "invalid_access_token",
    );

    const after = withKeys(next);
    expect(await published(after)).toEqual(["next"]);
    expect(await after.user(user.body.access_token)).toMatchObject(refused);
    expect((await after.user(renewed.body.access_token)).status).toBe(200);
    expect((await after.refresh(renewed.body.refresh_token)).status, "the session is whole").toBe(200);
  });

  it("a key whose iat is in the future is published and verifies, and signs from then on", async () => {
    const [old, future] = await Promise.all([newKey("old"), newKey("future", { since: -301 })]);
    const of = withKeys(future, old);
    expect(await published(of)).toEqual(["future", "old"]);
    const user = await of.register();
    expect(kidOf(user)).toBe("old");
    const token = await sign(future, decodeJwt(user.body.access_token));
    expect((await of.user(token)).status, "another location's clock may be ahead").toBe(200);
    passSeconds(301);
    expect(kidOf(await of.login(user.username))).toBe("future");
    expect((await of.user(user.body.access_token)).status).toBe(200);
  });

  it("a key that has ended signs no more, and is believed for one token life; then it is gone", async () => {
    const [ending, older] = await Promise.all([
      newKey("ending", { until: 100 }),
      newKey("older", { since: 99 }),
    ]);
    const of = withKeys(ending, older);
    const user = await of.register();
    expect(kidOf(user)).toBe("ending");

    passSeconds(TTL - 10);
    expect(kidOf(await of.login(user.username))).toBe("older");
    expect((await of.user(user.body.access_token)).status).toBe(200);
    expect(await published(of)).toEqual(["ending", "older"]);

    passSeconds(100 + 10 + 1);
    const claims = { ...decodeJwt(user.body.access_token), iat: now(), exp: now() + TTL };
    expect(await of.user(await sign(ending, claims))).toMatchObject(refused);
    expect((await of.user(await sign(older, claims))).status, "the same claims, a living key").toBe(200);
    expect(await published(of)).toEqual(["older"]);
  });
});

describe("a ring that cannot sign is an outage, never a 401", () => {
  it("with every key ended: what signs is 503 and names the setting, what verifies goes on, health says so", async () => {
    const key = await newKey("only", { until: 100 });
    const of = withKeys(key);
    const user = await of.register();
    passSeconds(101);
    expect((await of.user(user.body.access_token)).status).toBe(200);
    for (const answer of [
      await of.login(user.username),
      await of.refresh(user.body.refresh_token),
      await of.register(),
    ]) {
      expect(answer).toMatchObject(misconfigured);
      expect(answer.headers.get("Retry-After")).toBe("5");
    }
    expect((await of.jwks()).body.keys).toHaveLength(1);
    await expectUnhealthy(of);
  });

  it("with keys that all begin later", async () => {
    const of = withKeys(await newKey("future", { since: -60 }));
    expect(await of.register()).toMatchObject(misconfigured);
  });

  it.each(["EdDSA", "ES256"] as const)(
    "%s: with a public part of another key nothing is signed, believed or published",
    async (alg) => {
      const [good, key, other] = await Promise.all([
        newKey("good"),
        newKey("odd", { alg, since: 100 }),
        newKey("other", { alg }),
      ]);
      const user = await withKeys(good).register();
      const of = withKeys(good, { ...key, d: other.d ?? "" });
      for (const answer of [
        await of.login(user.username),
        await of.user(user.body.access_token),
        await of.jwks(),
      ]) {
        expect(answer).toMatchObject(misconfigured);
        expect(answer.text).not.toContain(other.d);
      }
      await expectUnhealthy(of);
    },
  );

  /** Health is kept for five seconds; other tests must not find this one's. */
  async function expectUnhealthy(of: Service): Promise<void> {
    passSeconds(10);
    const health = await of.health();
    passSeconds(10);
    const afterwards = await withKeys(await newKey("good")).health();
    expect(health).toMatchObject({ status: 503, body: { status: "unhealthy" } });
    expect(health.body.checks).toMatchObject({
      jwt: { status: "unhealthy" },
      database: { status: "healthy" },
    });
    expect(afterwards.body.checks.jwt.status).toBe("healthy");
  }
});

describe("forged keys", () => {
  it("RFC 8725 §3.1: a public key's bytes are no HMAC secret, in whatever form", async () => {
    for (const alg of ["EdDSA", "ES256"] as const) {
      const key = await newKey("one", { alg });
      const of = service({ JWT_SIGNING_KEYS: JSON.stringify({ keys: [key] }), JWT_SECRET: SECRET });
      const claims = decodeJwt((await of.register()).body.access_token);
      const [open] = (await of.jwks()).body.keys;
      const spki = await exportSPKI(asKey(await importJWK(open, alg, { extractable: true })));
      const der = Uint8Array.from(atob(spki.replace(/-.*?-\n|-.*-|\n/g, "")), (one) => one.charCodeAt(0));
      for (const secret of [
        base64url.decode(open.x),
        open.x,
        JSON.stringify(open),
        spki,
        `${spki}\n`,
        der,
        "",
      ]) {
        for (const kid of ["one", "hs256"]) {
          const forged = await hmac({ alg: "HS256", kid, typ: "at+jwt" }, claims, secret);
          expect(await of.user(forged), `${alg} ${kid}`).toMatchObject(refused);
        }
      }
      const rightSecret = await hmac({ alg: "HS256", kid: "one", typ: "at+jwt" }, claims, SECRET);
      expect(await of.user(rightSecret), "kid of another key").toMatchObject(refused);
      const rightKid = await hmac({ alg: "HS256", kid: "hs256", typ: "at+jwt" }, claims, SECRET);
      expect((await of.user(rightKid)).status, "the forgery itself is well made").toBe(200);
    }
  });

  it("TOK-01: only the algorithm of the key that kid names is accepted, only with that very key", async () => {
    const [ed, ec] = await Promise.all([newKey("ed", { since: 5 }), newKey("ec", { alg: "ES256" })]);
    const stranger = await newKey("ed");
    const of = withKeys(ed, ec);
    const { access_token } = (await of.register()).body;
    const claims = decodeJwt(access_token);
    const [, payload = "", signature = ""] = access_token.split(".");
    for (const token of [
      await sign(ed, claims, { kid: "ec" }),
      await sign(ec, claims, { kid: "ed" }),
      await sign(stranger, claims),
      await sign(ed, claims, { kid: "unknown" }),
      await sign(ed, claims, { kid: "" }),
      await sign(ed, claims, { kid: "ED" }),
      await sign(ed, claims, { kid: undefined }),
      ...[
        "none",
        "None",
        "NONE",
        "nOnE",
        "HS256",
        "ES256",
        "ES384",
        "RS256",
        "PS256",
        "Ed25519",
        "eddsa",
        "",
      ].map((alg) => `${part({ alg, kid: "ed", typ: "at+jwt" })}.${payload}.${signature}`),
      ...[1, null, true, {}, ["ed"], ["EdDSA"]].flatMap((odd) => [
        `${part({ alg: odd, kid: "ed", typ: "at+jwt" })}.${payload}.${signature}`,
        `${part({ alg: "EdDSA", kid: odd, typ: "at+jwt" })}.${payload}.${signature}`,
      ]),
    ]) {
      expect(await of.user(token), token.split(".")[0]).toMatchObject(refused);
    }
    expect((await of.user(await sign(ed, claims))).status).toBe(200);
    expect((await of.user(await sign(ec, claims))).status).toBe(200);
  });

  it("TOK-02: a key that a token brings along is ignored, and nothing is fetched", async () => {
    const [own, attackers] = await Promise.all([newKey("own"), newKey("own")]);
    const of = withKeys(own);
    const claims = decodeJwt((await of.register()).body.access_token);
    const { d: _private, ...open } = attackers;
    for (const brought of [
      { jwk: open },
      { jwk: open, kid: undefined },
      { jku: "https://attacker.test/jwks.json" },
      { x5u: "https://attacker.test/cert.pem" },
      { x5c: ["MIIBszCCAVmgAwIBAgIUAAAA"] },
    ]) {
      expect(await of.user(await sign(attackers, claims, brought))).toMatchObject(refused);
    }
    const { jwk: _none, ...urls } = {
      jwk: open,
      jku: "https://attacker.test/",
      x5u: "https://attacker.test/",
    };
    expect((await of.user(await sign(own, claims, urls))).status, "our own signature decides").toBe(200);
  });

  it("RFC 7515 §4.1.11: a token with crit is refused, though its signature is good", async () => {
    const key = await newKey("one");
    const of = withKeys(key);
    const claims = decodeJwt((await of.register()).body.access_token);
    for (const header of [
      { crit: ["exp"], exp: now() },
      { crit: ["https://attacker.test/"], "https://attacker.test/": true },
      { crit: ["b64"], b64: false },
      { crit: [] },
      { crit: "exp" },
      { crit: null },
    ]) {
      const text = `${part({ alg: "EdDSA", kid: "one", typ: "at+jwt", ...header })}.${part(claims)}`;
      const pair = asKey(await importJWK(key, "EdDSA"));
      const signature = await crypto.subtle.sign("Ed25519", pair, new TextEncoder().encode(text));
      const token = `${text}.${base64url.encode(new Uint8Array(signature))}`;
      expect(await of.user(token), JSON.stringify(header)).toMatchObject(refused);
    }
  });

  it("Wycheproof: no vector is a token, whatever its key, and none is more than a 401", async () => {
    const [group] = wycheproof.testGroups;
    const of = withKeys(group?.private ?? {});
    const vectors = wycheproof.testGroups.flatMap(({ tests }) => tests).filter(({ jws }) => jws !== "");
    for (const { jws, tcId } of vectors) expect(await of.user(jws), `tcId ${tcId}`).toMatchObject(refused);
  });
});

/** A token that `key` signs, as the service would, with other header members. */
async function sign(key: NewJwk, claims: object, header: Record<string, unknown> = {}): Promise<string> {
  const full = { alg: key.alg, kid: key.kid, typ: "at+jwt", ...header } as JWTHeaderParameters;
  return new SignJWT({ ...claims }).setProtectedHeader(full).sign(await importJWK(key, key.alg));
}

/** By hand, since jose refuses secrets that are as weak as a forger's. */
async function hmac(header: object, claims: object, secret: Uint8Array | string): Promise<string> {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
  // Web Crypto imports no empty secret; HMAC pads either to the same block of zeros (RFC 2104).
  const raw = new Uint8Array(bytes.length === 0 ? 1 : bytes.length);
  raw.set(bytes);
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const text = `${part(header)}.${part(claims)}`;
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text));
  return `${text}.${base64url.encode(new Uint8Array(signature))}`;
}

function part(value: object): string {
  return base64url.encode(JSON.stringify(value));
}

function asKey(key: CryptoKey | Uint8Array): CryptoKey {
  if (key instanceof Uint8Array) throw new TypeError("an asymmetric key was expected");
  return key;
}
