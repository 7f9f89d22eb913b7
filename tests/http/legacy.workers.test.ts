/** The outcomes that Django's own tokens and sessions must have, line by line, over HTTP. */
import { beforeAll, describe, expect, it } from "vitest";
import { askLegacy, beginAnew, exchange, refreshLegacy, sessions, tokens } from "../support/legacy.ts";
import { emulateProductionLimits } from "../support/production-limits.ts";

beforeAll(async () => {
  emulateProductionLimits();
  await beginAnew("outcomes");
});

const present = (kind: string, token: string) =>
  kind === "refresh" ? refreshLegacy(token) : askLegacy("/api/accounts/user", { token });

describe("simplejwt's tokens", () => {
  it.each(tokens.map((one, n) => [n, one.kind, one.case, one] as const))(
    "%i %s: %s",
    async (_n, _kind, _case, { kind, token, verdict, user_id }) => {
      const { status, body, text } = await present(kind, token);
      expect(status).toBeLessThan(500);
      if (verdict === "must-accept") expect(status, text).toBe(200);
      if (verdict === "must-reject") expect([400, 401], text).toContain(status);
      if (status !== 200) {
        expect(text).not.toMatch(/eyJ/);
        return;
      }
      const { user } = body;
      if (typeof user_id === "number") expect(user.id).toBe(user_id);
      if (kind === "refresh") {
        expect(user.role, "no claim of the token's becomes a right").toBe(
          (await askLegacy("/api/accounts/user", { token: body.access_token })).body.user.role,
        );
        expect((await refreshLegacy(body.refresh_token)).status, "a session like any other").toBe(200);
      }
    },
  );
});

describe("Django's sessions", () => {
  it.each(sessions.map((one) => [one.case, one] as const))(
    "%s",
    async (_case, { session_key, verdict, user_id }) => {
      const { status, body, text } = await exchange(session_key);
      expect(status).toBeLessThan(500);
      if (verdict === "must-accept") expect(status, text).toBe(200);
      if (verdict === "must-reject") expect(status, text).toBe(401);
      if (status !== 200) {
        expect(body.code).toBe("invalid_django_session");
        return;
      }
      expect(body.user.id).toBe(user_id);
      expect((await refreshLegacy(body.refresh_token)).status).toBe(200);
    },
  );
});
