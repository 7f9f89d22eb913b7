/** The entrypoint for other Workers, asked by one, over a service binding. */
import { createExecutionContext, runDurableObjectAlarm } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import type { VerificationTier } from "../../schema/session-verifier.ts";
import { SessionVerifier } from "../../worker/rpc.ts";
import { ask, login, ORIGIN, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { down, unreachable } from "../support/faults.ts";
import { forged, operator } from "../support/oauth.ts";

afterEach(stopClock);

const TIERS: VerificationTier[] = ["confirmed", "leased", "local"];
const INVALID = { kind: "refused", reason: "invalid" };
const REVOKED = { kind: "refused", reason: "revoked" };

/** The second Worker (`vitest.config.ts`): it answers what the entrypoint answered it. */
const resourceServer: Fetcher = Reflect.get(env, "RESOURCE_SERVER");

async function verify(token: unknown, tier: VerificationTier): Promise<unknown> {
  const init = { method: "POST", body: JSON.stringify({ token, tier }) };
  return (await resourceServer.fetch("https://resource.test/", init)).json();
}

/** The entrypoint with these bindings in place of its own. */
function verifierWith(overrides: Record<string, unknown>): SessionVerifier {
  return new SessionVerifier(createExecutionContext(), { ...env, ...overrides });
}

const logout = (user: SignedIn) =>
  ask("/api/accounts/logout", { token: user.access, body: { scope: "local" }, address: user.address });

describe.for(TIERS)("tier %s", (tier) => {
  it("contract §4: a good token is valid, with all its claims", async () => {
    const user = await register();
    expect(await verify(user.access, tier)).toEqual({
      kind: "valid",
      claims: {
        iss: ORIGIN,
        aud: ORIGIN,
        sub: String(user.id),
        user_id: user.id,
        username: user.username,
        email: user.email,
        role: "user",
        scope: "files:create files:read profile:read profile:update",
        sid: user.sid,
        jti: expect.stringMatching(/^[\w-]{22}$/),
        iat: expect.any(Number),
        exp: expect.any(Number),
        auth_time: expect.any(Number),
        amr: ["pwd"],
        ep: expect.any(Number),
        rv: expect.any(Number),
        token_type: "access",
      },
    });
  });

  it("TOK-05, TOK-08: forged, expired, another kind or nothing: one value, invalid", async () => {
    const user = await register();
    for (const bad of ["", "x", null, 5, "a.b.c", forged(user.access), user.refresh]) {
      expect(await verify(bad, tier), String(bad)).toEqual(INVALID);
    }
    passSeconds(601);
    expect(await verify(user.access, tier)).toEqual(INVALID);
  });

  it("contract §8: a session that has ended here is revoked at once, others are not", async () => {
    const user = await register();
    const other = await login(user);
    expect(await verify(user.access, tier)).toMatchObject({ kind: "valid" });
    await logout(user);
    expect(await verify(user.access, tier)).toEqual(REVOKED);
    expect(await verify(other.access, tier)).toMatchObject({ kind: "valid" });
  });

  it("asks at nobody's expense: more often than the user may, and the user's budget is whole", async () => {
    const user = await register();
    const answers = await Promise.all(Array.from({ length: 65 }, () => verify(user.access, tier)));
    expect(answers.filter((answer) => JSON.stringify(answer).includes('"valid"'))).toHaveLength(65);
    const read = await ask("/api/accounts/user", { token: user.access, address: uniqueAddress() });
    expect(read.headers.get("RateLimit")).toContain('"user";r=59;');
  });

  it("a user who has used up their own requests is verified all the same", async () => {
    const user = await register();
    const addresses = [uniqueAddress(), uniqueAddress()];
    await Promise.all(
      Array.from({ length: 80 }, (_, i) =>
        ask("/api/accounts/user", { token: user.access, address: addresses[i % 2] ?? "" }),
      ),
    );
    expect(await verify(user.access, tier)).toMatchObject({ kind: "valid" });
  });

  it("wrong settings are unavailable, not a verdict", async () => {
    const user = await register();
    const wrong = verifierWith({ ACCESS_TOKEN_TTL: "-1" });
    expect(await wrong.verify(user.access, { tier })).toEqual({ kind: "unavailable", part: "settings" });
  });
});

describe("a part that is down", () => {
  const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();
  const REVOCATIONS = down<KVNamespace>();

  it("the user's object: confirmed and leased are unavailable, and no other tier answers in their place", async () => {
    const user = await register();
    const part = { kind: "unavailable", part: "user_authority" };
    const verifier = verifierWith({ USER_AUTHORITY });
    expect(await verifier.verify(user.access, { tier: "confirmed" })).toEqual(part);
    expect(await verifier.verify(user.access, { tier: "leased" })).toEqual(part);
    expect(await verifier.verify(user.access, { tier: "local" })).toMatchObject({ kind: "valid" });
    expect(await verifier.verify("x", { tier: "confirmed" }), "bad without asking").toEqual(INVALID);
  });

  it("KV: local believes the signature, or with REVOCATION_MODE=strict is unavailable", async () => {
    const user = await register();
    const ask = (overrides: Record<string, unknown>) =>
      verifierWith(overrides).verify(user.access, { tier: "local" });
    expect(await ask({ REVOCATIONS })).toMatchObject({ kind: "valid" });
    expect(await ask({ REVOCATIONS, REVOCATION_MODE: "strict" })).toEqual({
      kind: "unavailable",
      part: "revocations",
    });
  });
});

describe("issuer and audience", () => {
  const PRODUCTION = {
    ENVIRONMENT: "production",
    APP_ORIGIN: "https://app.test",
    MAIL_TRANSPORT: "resend",
    MAIL_FROM: "auth@authority.test",
    MAIL_API_KEY: "test-only",
    ISSUER: ORIGIN,
    AUDIENCE: "https://api.test",
    ALLOWED_ORIGINS: "https://app.test",
  };

  it("TOK-04: outside development only the configured ones are accepted", async () => {
    const user = await register();
    const ask = (settings: object) => verifierWith({ ...settings }).verify(user.access, { tier: "local" });
    expect(await ask({ ...PRODUCTION, AUDIENCE: ORIGIN })).toMatchObject({ kind: "valid" });
    expect(await ask(PRODUCTION)).toEqual(INVALID);
    expect(await ask({ ...PRODUCTION, AUDIENCE: ORIGIN, ISSUER: "https://other.test" })).toEqual(INVALID);
    expect(await ask({ ...PRODUCTION, ISSUER: "" })).toEqual({ kind: "unavailable", part: "settings" });
  });

  it("in development a token's own are taken, and its signature decides", async () => {
    const user = await register();
    expect(await verifierWith({ AUDIENCE: ORIGIN }).verify(user.access, { tier: "local" })).toMatchObject({
      kind: "valid",
    });
    const other = verifierWith({ AUDIENCE: "https://api.test" });
    expect(await other.verify(user.access, { tier: "local" })).toEqual(INVALID);
  });
});

it("a tier that does not exist throws, and does not become another one", async () => {
  const user = await register();
  for (const tier of ["", "none", "constructor", undefined]) {
    const options = JSON.parse(JSON.stringify({ tier }));
    await expect(() => verifierWith({}).verify(user.access, options)).rejects.toThrow(TypeError);
  }
});

it("exposes one method and nothing that it is made of", async () => {
  expect(Object.getOwnPropertyNames(SessionVerifier.prototype).sort()).toEqual(["constructor", "verify"]);
  const user = await register();
  const answer = await exports.SessionVerifier.verify(user.access, { tier: "leased" });
  expect(answer.kind).toBe("valid");
});

it("REV-02: an admin's revocation is felt by every tier where it was made", async () => {
  const user = await register();
  const path = `/api/admin/users/${user.id}/revoke-sessions`;
  await ask(path, { body: {}, headers: operator, address: uniqueAddress() });
  for (const tier of TIERS) expect(await verify(user.access, tier), tier).toEqual(REVOKED);
});

it("contract §8: of an end elsewhere, confirmed knows at once, leased in 5 s, local from KV", async () => {
  const user = await register();
  for (const tier of TIERS) expect(await verify(user.access, tier), tier).toMatchObject({ kind: "valid" });
  const object = env.USER_AUTHORITY.getByName(String(user.id));
  await object.revoke({
    by: null,
    scope: { kind: "all" },
    reason: "ended_by_admin",
    note: null,
    client: { ip: null, country: null, userAgent: null },
    requestId: "elsewhere",
    revokedBefore: 0,
  });
  expect(await verify(user.access, "confirmed")).toEqual(REVOKED);
  expect(await verify(user.access, "leased"), "on its lease").toMatchObject({ kind: "valid" });
  passSeconds(6);
  expect(await verify(user.access, "local"), "KV does not know").toMatchObject({ kind: "valid" });
  expect(await verify(user.access, "leased")).toEqual(REVOKED);
  await runDurableObjectAlarm(object);
  passSeconds(6);
  expect(await verify(user.access, "local")).toEqual(REVOKED);
});
