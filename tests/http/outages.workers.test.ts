/** The architecture's failure table: an outage is 503 with Retry-After, never 401, and takes no session with it. */
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import {
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, down, unreachable } from "../support/faults.ts";
import { LEGACY } from "../support/legacy.ts";
import { askUnder } from "../support/settings.ts";

afterEach(stopClock);

const post = (body: unknown, token?: string): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
});
const bearer = (token: string): RequestInit => ({ headers: { Authorization: `Bearer ${token}` } });
const unavailable = { status: 503, body: { code: "unavailable", retry_after: 5 } };

describe("KV is down", () => {
  const REVOCATIONS = down<KVNamespace>();

  it("access checks, refresh, login and logout work: none of them needs it", async () => {
    const user = await register();
    expect((await askWith({ REVOCATIONS }, "/api/accounts/user", bearer(user.access))).status).toBe(200);
    expect(
      (await askWith({ REVOCATIONS }, "/api/accounts/token/refresh", post({ refresh_token: user.refresh })))
        .status,
    ).toBe(200);
    const credentials = { username: user.username, password: PASSWORD };
    expect((await askWith({ REVOCATIONS }, "/api/accounts/login", post(credentials))).status).toBe(200);
    const logout = await askWith({ REVOCATIONS }, "/api/accounts/logout", post({}, user.access));
    expect(logout.body.message).toBe("Logout successful");
    expect((await refresh(user.refresh)).status, "REV-10: revoked stays revoked").toBe(401);
  });

  it("a local check believes the signature, or with REVOCATION_MODE=strict refuses with 503", async () => {
    const user = await register();
    const verify = post({ token: user.access });
    expect((await askWith({ REVOCATIONS }, "/api/accounts/token/verify", verify)).status).toBe(200);
    const strict = { REVOCATIONS, REVOCATION_MODE: "strict" };
    expect(await askWith(strict, "/api/accounts/token/verify", verify)).toMatchObject(unavailable);
    expect((await askWith(strict, "/api/accounts/user", bearer(user.access))).status).toBe(200);
  });
});

describe("D1 is down", () => {
  const DB = down<D1Database>();

  it("refresh and logout work, login and register are 503, and nobody is signed out", async () => {
    const user = await register();
    const credentials = { username: user.username, password: PASSWORD };
    expect(await askWith({ DB }, "/api/accounts/login", post(credentials))).toMatchObject(unavailable);
    const account = { username: unique("late"), password: PASSWORD, password2: PASSWORD };
    expect(await askWith({ DB }, "/api/accounts/register", post(account))).toMatchObject(unavailable);
    expect(await askWith({ DB }, "/api/accounts/user", bearer(user.access))).toMatchObject(unavailable);
    const next = await askWith({ DB }, "/api/accounts/token/refresh", post({ refresh_token: user.refresh }));
    expect(next.status).toBe(200);
    const logout = await askWith({ DB }, "/api/accounts/logout", post({ scope: "local" }, user.access));
    expect(logout.body.message).toBe("Logout successful");
  });

  it("an admin and the operator end a user's sessions all the same", async () => {
    const user = await register();
    const path = `/api/admin/users/${user.id}/revoke-sessions`;
    const operator = post({ reason: "stolen" }, env.ADMIN_TOKEN);
    expect(await askWith({ DB }, path, operator)).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");

    const [admin, other] = await Promise.all([register(), register()]);
    const promote = "UPDATE users SET role = 'admin', version = version + 1 WHERE id = ?";
    await env.DB.prepare(promote).bind(admin.id).run();
    const { access } = await login(admin);
    const answer = await askWith(
      { DB },
      `/api/admin/users/${other.id}/revoke-sessions`,
      post({ reason: "stolen" }, access),
    );
    expect(answer).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect((await refresh(other.refresh)).body.code).toBe("refresh_token_revoked");
  });

  it("who never signed in has nothing to end, unless Django may have given them something", async () => {
    const path = "/api/admin/users/999999998/revoke-sessions";
    const operator = post({}, env.ADMIN_TOKEN);
    expect(await askWith({ DB }, path, operator)).toMatchObject({ status: 200, body: { revoked: 0 } });
    expect(await askWith({ DB, ...LEGACY }, path, operator)).toMatchObject(unavailable);
  });
});

describe("the global epoch", () => {
  /** Its object, that counts how often it is asked. */
  const counting = (current: () => Promise<number>) => {
    const asked = { count: 0 };
    const stub = {
      current: () => {
        asked.count += 1;
        return current();
      },
    };
    return { asked, GLOBAL_EPOCH: { getByName: () => stub } };
  };
  const reads = async (user: SignedIn, count: number, overrides: Record<string, unknown>) => {
    const headers = { Authorization: `Bearer ${user.access}`, "CF-Connecting-IP": user.address };
    const ask = () => askWith(overrides, "/api/accounts/user", { headers });
    const answers = await Promise.all(Array.from({ length: count }, ask));
    return answers.map(({ status }) => status);
  };
  const all200 = Array.from({ length: 20 }, () => 200);

  it("that is due is asked for once by twenty requests at a time, of which none waits for it", async () => {
    const user = await register();
    passSeconds(6); // past what others have made known, however long ago
    expect(await reads(user, 1, {})).toEqual([200]);
    passSeconds(3);
    let answer = (_before: number) => {};
    const { asked, GLOBAL_EPOCH } = counting(() => new Promise((resolve) => (answer = resolve)));
    const answered = reads(user, 20, { GLOBAL_EPOCH });
    await expect.poll(() => asked.count).toBe(1);
    answer(0);
    expect(await answered).toEqual(all200);
    expect(asked.count).toBe(1);
    expect(await reads(user, 20, { GLOBAL_EPOCH }), "and what it said holds from then on").toEqual(all200);
    expect(asked.count).toBe(1);
  });

  it("that cannot be reached holds nobody up, and is asked for again", async () => {
    const user = await register();
    passSeconds(60); // past what the test before has made known
    expect(await reads(user, 1, {})).toEqual([200]);
    passSeconds(3);
    const failing = counting(() => Promise.reject(new Error("the network is down")));
    expect(await reads(user, 20, failing)).toEqual(all200);
    expect(failing.asked.count).toBe(1);
    passSeconds(3);
    const back = counting(() => Promise.resolve(0));
    expect(await reads(user, 20, back)).toEqual(all200);
    expect(back.asked.count).toBe(1);
  });
});

describe("the user's object is down", () => {
  const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();

  it("refresh, login and logout are 503 and decided nowhere else; an access token is still believed", async () => {
    const user = await register();
    const refreshed = await askWith(
      { USER_AUTHORITY },
      "/api/accounts/token/refresh",
      post({ refresh_token: user.refresh }),
    );
    expect(refreshed).toMatchObject(unavailable);
    expect(refreshed.headers.get("Retry-After")).toBe("5");
    const credentials = { username: user.username, password: PASSWORD };
    expect(await askWith({ USER_AUTHORITY }, "/api/accounts/login", post(credentials))).toMatchObject(
      unavailable,
    );
    expect(await askWith({ USER_AUTHORITY }, "/api/accounts/logout", post({}, user.access))).toMatchObject(
      unavailable,
    );
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/user", bearer(user.access))).status).toBe(200);
    expect((await refresh(user.refresh)).status, "the session is whole").toBe(200);
  });

  it("DUR-03: an account whose first session could not be opened can sign in later", async () => {
    const body = { username: unique("half"), password: PASSWORD, password2: PASSWORD };
    expect(await askWith({ USER_AUTHORITY }, "/api/accounts/register", post(body))).toMatchObject(
      unavailable,
    );
    const later = await ask("/api/accounts/login", { body, address: uniqueAddress() });
    expect(later.status).toBe(200);
  });
});

describe("the address's object is down", () => {
  const IP_GUARD = unreachable<Env["IP_GUARD"]>();

  it("RL-06: limits of their own close (login, refresh, register), reading stays open", async () => {
    const user = await register();
    const credentials = { username: user.username, password: PASSWORD };
    expect(await askWith({ IP_GUARD }, "/api/accounts/login", post(credentials))).toMatchObject(unavailable);
    const token = post({ refresh_token: user.refresh });
    const unreserved = { ...token, headers: { ...token.headers, "CF-Connecting-IP": uniqueAddress() } };
    expect(await askWith({ IP_GUARD }, "/api/accounts/token/refresh", unreserved)).toMatchObject(unavailable);
    expect((await askWith({ IP_GUARD }, "/api/accounts/user", bearer(user.access))).status).toBe(200);
  });
});

describe("settings", () => {
  it("a wrong one stops every route with a 503 that names it; health says so beside what its parts answer", async () => {
    const wrong = { RATE_LIMIT_IP: "many", ACCESS_TOKEN_TTL: "-1" };
    for (const path of ["/api/accounts/user", "/api/accounts/login", "/openapi.json", "/nowhere"]) {
      const answer = await askWith(wrong, path);
      expect(answer, path).toMatchObject({ status: 503, body: { code: "misconfigured" } });
      expect(answer.body.detail).toContain("RATE_LIMIT_IP");
      expect(answer.body.detail).toContain("ACCESS_TOKEN_TTL");
    }
    for (const path of ["/api/health", "/api/health/"]) {
      const health = await askWith(wrong, path);
      expect(health).toMatchObject({
        status: 503,
        body: { status: "unhealthy", settings: ["ACCESS_TOKEN_TTL", "RATE_LIMIT_IP"] },
      });
      for (const check of Object.values(health.body.checks))
        expect(check).toMatchObject({ status: "healthy" });
    }
  });

  it("TOK-12: a weak secret stops the service, and is not told", async () => {
    const answer = await askWith({ REFRESH_TOKEN_SECRET: "correcthorsebattery" }, "/api/accounts/user");
    expect(answer.body.detail).toContain("REFRESH_TOKEN_SECRET");
    expect(answer.text).not.toContain("correcthorsebattery");
  });

  const production = {
    ENVIRONMENT: "production",
    APP_ORIGIN: "https://app.test",
    MAIL_TRANSPORT: "resend",
    MAIL_FROM: "auth@authority.test",
    MAIL_API_KEY: "test-only",
    ISSUER: "https://authority.test",
    AUDIENCE: "https://authority.test",
    ALLOWED_ORIGINS: "https://app.test",
  };

  it("outside development the description tells of no door of development", async () => {
    const paths = async (overrides: object) =>
      Object.keys((await askWith({ ...overrides }, "/openapi.json")).body.paths);
    expect(await paths({})).toContain("/dev/outbox");
    const elsewhere = await paths(production);
    expect(elsewhere).toContain("/api/accounts/login");
    expect(elsewhere.filter((path) => path.startsWith("/dev"))).toEqual([]);
  });

  it("outside development a request without a client address is refused", async () => {
    const answer = await askWith(production, "/api/accounts/user", {
      headers: { "CF-Connecting-IP": "unknown" },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: "client_address_required" } });
  });
});

describe("health", () => {
  it("answers 200 with every part healthy", async () => {
    const answer = await ask("/api/health", { address: uniqueAddress() });
    expect(answer).toMatchObject({ status: 200, body: { status: "healthy" } });
    expect(Object.keys(answer.body.checks)).toEqual(["database", "kv", "jwt", "objects"]);
    for (const check of Object.values(answer.body.checks)) expect(check).toMatchObject({ status: "healthy" });
  });

  it("examines once for forty that ask at once, also before anything was found", async () => {
    let questions = 0;
    const prepare = () => {
      questions += 1;
      return env.DB.prepare("SELECT 1");
    };
    const askOne = askUnder({ DB: { prepare } });
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => askOne("/api/health", { address: uniqueAddress() })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(questions).toBe(1);
  });
});

it("HS256: with JWT_SECRET alone, tokens are signed and verified by it and no key is published", async () => {
  const secret = { JWT_SIGNING_KEYS: "", JWT_SECRET: "a secret of 32 bytes or more, 0123456789" };
  const body = { username: unique("hs"), password: PASSWORD, password2: PASSWORD };
  const user = await askWith(secret, "/api/accounts/register", post(body));
  expect(user.status).toBe(201);
  const read = await askWith(secret, "/api/accounts/user", bearer(user.body.access_token));
  expect(read.status).toBe(200);
  expect((await askWith(secret, "/.well-known/jwks.json")).body).toEqual({ keys: [] });
  expect((await askWith({}, "/api/accounts/user", bearer(user.body.access_token))).body.code).toBe(
    "invalid_access_token",
  );
});

it("the bindings under test are the real ones elsewhere", async () => {
  const user = await register();
  expect((await login(user)).sid).not.toBe(user.sid);
  expect(env.ENVIRONMENT).toBe("development");
});
