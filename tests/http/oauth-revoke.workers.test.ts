import { afterEach, describe, expect, it } from "vitest";
import { ask, login, refresh, register, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { unreachable } from "../support/faults.ts";
import { forged, read, revoke, sendWith, unavailable } from "../support/oauth.ts";

afterEach(stopClock);

describe("POST /oauth/revoke", () => {
  it.each(["refresh", "access"] as const)(
    "RFC 7009 §2.1: the %s token ends its session, whole and alone",
    async (kind) => {
      const user = await register();
      const other = await login(user);
      const answer = await revoke({ token: user[kind] });
      expect(answer).toMatchObject({ status: 200, text: "" });
      expect((await read(user)).body.code).toBe("access_token_revoked");
      expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
      expect((await read(other)).status).toBe(200);
      const path = `/api/accounts/sessions/${user.sid}/timeline`;
      const { body } = await ask(path, { token: other.access, address: uniqueAddress() });
      expect(body.events.at(-1)).toMatchObject({ type: "ended", reason: "logout" });
    },
  );

  it.each(["access_token", "refresh_token", "nonsense", ""])(
    "RFC 7009 §2.1: the hint %j does not matter, right or wrong",
    async (token_type_hint) => {
      const user = await register();
      expect((await revoke({ token: user.refresh, token_type_hint })).status).toBe(200);
      expect((await refresh(user.refresh)).status).toBe(401);
    },
  );

  it("a refresh token that was replaced still ends its session: it can do nothing else", async () => {
    const user = await register();
    const next = await refresh(user.refresh);
    await revoke({ token: user.refresh });
    expect((await refresh(next.body.refresh_token)).body.code).toBe("refresh_token_revoked");
  });

  it("RFC 7009 §2.2: unknown, forged, expired and revoked tokens answer 200, and nothing ends", async () => {
    const user = await register();
    const dead = await register();
    await revoke({ token: dead.refresh });
    for (const bad of ["x", forged(user.refresh), forged(user.access), dead.refresh, dead.access]) {
      expect(await revoke({ token: bad })).toMatchObject({ status: 200, text: "" });
    }
    expect((await read(user)).status).toBe(200);
    passSeconds(601);
    expect((await revoke({ token: user.access })).status).toBe(200);
    expect((await refresh(user.refresh)).status, "an expired token ends nothing").toBe(200);
  });

  it("RFC 7009 §2.2.1: without a token, or with two, it is invalid_request", async () => {
    for (const parameters of ["", "token=", "token_type_hint=access_token", "token=x&token=y"]) {
      const answer = await revoke(parameters);
      expect(answer, parameters).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    }
  });

  it("RFC 7009 §2.2.1: an outage is 503, and the token lives", async () => {
    const user = await register();
    const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();
    const answer = await sendWith({ USER_AUTHORITY }, "/oauth/revoke", { token: user.refresh });
    expect(answer).toMatchObject(unavailable);
    expect((await refresh(user.refresh)).status).toBe(200);
  });
});
