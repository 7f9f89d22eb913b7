import { decodeJwt } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { refresh, register, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { unreachable } from "../support/faults.ts";
import { exchange, FORM, forged, read, revoke, send, sendWith, unavailable } from "../support/oauth.ts";
import { askUnder, NO_ABUSE } from "../support/settings.ts";

afterEach(stopClock);

describe("POST /oauth/token", () => {
  it("RFC 6749 §5.1: answers the next pair, and nothing may store it", async () => {
    const user = await register();
    const answer = await exchange(user.refresh);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body).sort()).toEqual([
      "access_token",
      "expires_in",
      "refresh_expires_in",
      "refresh_token",
      "scope",
      "session_id",
      "token_type",
    ]);
    expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 600, session_id: user.sid });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "cache-control": "no-store",
      pragma: "no-cache",
      "content-type": "application/json",
      "ratelimit-policy": '"ip";q=100;w=60, "refresh";q=60;w=300',
    });
    expect((await read({ ...user, access: answer.body.access_token })).status).toBe(200);
  });

  it("REF-03: is the same refresh as the other one: a repeat answers the same successor", async () => {
    const user = await register();
    const first = await exchange(user.refresh);
    expect((await exchange(user.refresh)).body.refresh_token).toBe(first.body.refresh_token);
  });

  it("RFC 6749 §3.2: unknown parameters are ignored, and so is what a client says of itself", async () => {
    const user = await register();
    const extra = { client_id: "x", client_secret: "y", resource: "https://api.test", toString: "1" };
    const answer = await send("/oauth/token", {
      grant_type: "refresh_token",
      refresh_token: user.refresh,
      ...extra,
    });
    expect(answer.status).toBe(200);
  });

  it.each([
    ["", "grant_type"],
    ["refresh_token=x", "grant_type"],
    ["grant_type=&refresh_token=x", "grant_type"],
    ["grant_type=refresh_token", "refresh_token"],
    ["grant_type=refresh_token&refresh_token=", "refresh_token"],
  ])("RFC 6749 §5.2: %j lacks a parameter: invalid_request", async (parameters, missing) => {
    expect(await send("/oauth/token", parameters)).toMatchObject({
      status: 400,
      body: { error: "invalid_request", error_description: `The parameter ${missing} is required` },
    });
  });

  it("TOK-13: nothing is read from the query", async () => {
    const user = await register();
    const query = new URLSearchParams({ grant_type: "refresh_token", refresh_token: user.refresh });
    expect((await send(`/oauth/token?${query}`, "")).body.error).toBe("invalid_request");
    expect((await refresh(user.refresh)).status).toBe(200);
  });

  it.each(["grant_type=refresh_token", "refresh_token=x", "refresh_token=", "other=1&other=2"])(
    "RFC 6749 §3.2, HTTP-09: a parameter given twice (%s) is invalid_request",
    async (again) => {
      const answer = await send("/oauth/token", `grant_type=refresh_token&refresh_token=x&${again}`);
      expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    },
  );

  it.each(["password", "client_credentials", "authorization_code", "REFRESH_TOKEN", "__proto__"])(
    "RFC 6749 §5.2: grant_type %s is unsupported_grant_type",
    async (grant_type) => {
      const answer = await send("/oauth/token", { grant_type, username: "a", password: "b" });
      expect(answer).toMatchObject({ status: 400, body: { error: "unsupported_grant_type" } });
    },
  );

  it("RFC 6749 §6: the scope that was granted may be asked for, in any order; it is answered", async () => {
    const user = await register();
    const first = await exchange(user.refresh);
    const granted: string = first.body.scope;
    expect(granted).toBe(decodeJwt(first.body.access_token).scope);
    const scope = granted.split(" ").reverse().join(" ");
    const { refresh_token } = first.body;
    const next = await send("/oauth/token", { grant_type: "refresh_token", refresh_token, scope });
    expect(next).toMatchObject({ status: 200, body: { scope: granted } });
  });

  it.each(["admin", "profile:read", "*:*", " "])(
    "RFC 6749 §6: another scope, %j, is invalid_scope and costs no token",
    async (scope) => {
      const user = await register();
      const answer = await send("/oauth/token", {
        grant_type: "refresh_token",
        refresh_token: user.refresh,
        scope,
      });
      expect(answer).toMatchObject({ status: 400, body: { error: "invalid_scope" } });
      expect((await exchange(user.refresh)).status).toBe(200);
    },
  );

  it("a token that is not good is invalid_grant, whatever scope is asked for", async () => {
    const user = await register();
    await revoke({ token: user.refresh });
    for (const refresh_token of [user.refresh, "x"]) {
      const parameters = { grant_type: "refresh_token", refresh_token, scope: "admin" };
      expect((await send("/oauth/token", parameters)).body.error).toBe("invalid_grant");
    }
  });

  it("REF-13: forged, expired, revoked, reused, another kind: one answer, invalid_grant", async () => {
    const [revoked, reused, expired, live] = await Promise.all(["a", "b", "c", "d"].map(() => register()));
    if (!revoked || !reused || !expired || !live) throw new Error("four users");
    await revoke({ token: revoked.refresh });
    const next = await exchange(reused.refresh);
    await exchange(next.body.refresh_token);
    const bodies = [];
    for (const bad of ["x", forged(live.refresh), live.access, revoked.refresh, reused.refresh]) {
      const answer = await exchange(bad);
      expect(answer.status).toBe(400);
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
      expect(answer.headers.get("Content-Type")).toBe("application/json");
      bodies.push(answer.body);
    }
    passSeconds(86_401);
    bodies.push((await exchange(expired.refresh)).body);
    for (const body of bodies) {
      expect(body).toEqual({
        error: "invalid_grant",
        error_description: "The refresh token is invalid, expired or revoked",
        code: "invalid_grant",
        request_id: expect.any(String),
      });
    }
  });

  it("RFC 9700 §4.14.2: reuse ends the session here as everywhere", async () => {
    const user = await register();
    const second = await exchange(user.refresh);
    const third = await exchange(second.body.refresh_token);
    expect((await exchange(user.refresh)).body.error).toBe("invalid_grant");
    expect((await refresh(third.body.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await read({ ...user, access: third.body.access_token })).status).toBe(401);
  });

  it("RL-04: counts to the one limit of refreshes, whichever way they come", async () => {
    const address = uniqueAddress();
    const calm = askUnder(NO_ABUSE);
    const options = { rawBody: "grant_type=refresh_token&refresh_token=x", address };
    const headers = { "Content-Type": FORM };
    const half = Array.from({ length: 30 });
    await Promise.all(half.map(() => calm("/oauth/token", { ...options, headers })));
    await Promise.all(
      half.map(() => calm("/api/accounts/token/refresh", { body: { refresh_token: "x" }, address })),
    );
    const answer = await calm("/oauth/token", { ...options, headers });
    expect(answer).toMatchObject({ status: 429, body: { code: "rate_limited" } });
    expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
  });

  it("an outage is 503 with Retry-After, never invalid_grant, and the session is whole", async () => {
    const user = await register();
    const parameters = { grant_type: "refresh_token", refresh_token: user.refresh };
    const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();
    const answer = await sendWith({ USER_AUTHORITY }, "/oauth/token", parameters);
    expect(answer).toMatchObject(unavailable);
    expect(answer.headers.get("Retry-After")).toBe("5");
    expect((await exchange(user.refresh)).status).toBe(200);
  });
});
