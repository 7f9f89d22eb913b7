import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { ask, login, ORIGIN, refresh, register } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { unreachable } from "../support/faults.ts";
import { forged, introspect, operator, read, revoke, send, sendWith, unavailable } from "../support/oauth.ts";

afterEach(stopClock);

describe("POST /oauth/introspect", () => {
  it("RFC 7662 §2.1: is closed to everyone but an admin at this moment and the operator", async () => {
    const user = await register();
    const as = (bearer: string) => introspect(user.access, { Authorization: `Bearer ${bearer}` });
    const none = await introspect(user.access, {});
    expect(none).toMatchObject({ status: 401, body: { code: "token_required" } });
    expect(none.headers.get("WWW-Authenticate")).toBe("Bearer");
    const wrong = await as("nonsense");
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
    expect(await as(user.access)).toMatchObject({ status: 403, body: { code: "permission_denied" } });

    await env.DB.prepare("UPDATE users SET role = 'admin', version = version + 1 WHERE id = ?")
      .bind(user.id)
      .run();
    const admin = await login(user);
    const answer = await as(admin.access);
    expect(answer.body.active).toBe(true);
    expect(answer.body.role, "of this moment, not of the token").toBe("admin");
    await revoke({ token: admin.access });
    expect((await as(admin.access)).status).toBe(401);
  });

  it("RFC 7662 §2.2: a good access token is active, with its claims", async () => {
    const user = await register();
    const answer = await introspect(user.access);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.body).toMatchObject({
      active: true,
      token_use: "access_token",
      token_type: "Bearer",
      iss: ORIGIN,
      aud: ORIGIN,
      sub: String(user.id),
      username: user.username,
      role: "user",
      sid: user.sid,
      exp: answer.body.iat + 600,
    });
    expect(answer.body.scope).toBe("files:create files:read profile:read profile:update");
  });

  it("TOK-05, TOK-09: a good refresh token cannot be taken for an access token, and tells no person", async () => {
    const user = await register();
    const { body } = await introspect(user.refresh);
    expect(body).toMatchObject({ active: true, token_use: "refresh_token", sub: String(user.id) });
    expect(body.token_type).toBeUndefined();
    expect(body.username).toBeUndefined();
  });

  it("RFC 7662 §2.2: whatever is not good at this moment is inactive, and no more is told", async () => {
    const user = await register();
    const dead = await register();
    passSeconds(2);
    await refresh(user.refresh);
    await ask("/api/accounts/logout", { token: dead.access, body: {}, address: dead.address });
    const bad = ["x", forged(user.access), user.refresh, dead.access, dead.refresh];
    for (const presented of bad) {
      expect(await introspect(presented), presented).toMatchObject({ status: 200, text: '{"active":false}' });
    }
    passSeconds(601);
    expect((await introspect(user.access)).body).toEqual({ active: false });
  });

  it("uses up nothing of the user who is asked about", async () => {
    const user = await register();
    await Promise.all(Array.from({ length: 65 }, () => introspect(user.access)));
    const answer = await read(user);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("RateLimit")).toContain('"user";r=59;');
  });

  it("without a token, or with two, it is invalid_request", async () => {
    for (const parameters of ["", "token=", "token=x&token=y"]) {
      const answer = await send("/oauth/introspect", parameters, operator);
      expect(answer, parameters).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    }
  });

  it("an outage is 503, never inactive", async () => {
    const user = await register();
    const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();
    for (const presented of [user.access, user.refresh]) {
      const answer = await sendWith({ USER_AUTHORITY }, "/oauth/introspect", { token: presented });
      expect(answer).toMatchObject(unavailable);
    }
  });
});
