import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { askAs, asOperator, registerAs } from "../support/admin.ts";
import { login, refresh, register, type SignedIn, unique } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, down } from "../support/faults.ts";
import { introspect } from "../support/oauth.ts";

afterEach(stopClock);

const roleName = () => unique("role").toLowerCase();
const put = (role: string, permissions: unknown) =>
  asOperator(`/api/admin/roles/${role}`, { method: "PUT", body: { permissions } });

describe("/api/admin/roles/{role}", () => {
  it("there are two to begin with, and no default account (ADM-07)", async () => {
    expect((await asOperator("/api/admin/roles/admin")).body.permissions).toEqual(["*:*"]);
    expect((await asOperator("/api/admin/roles/user")).body.permissions).toEqual([
      "files:create",
      "files:read",
      "profile:read",
      "profile:update",
    ]);
  });

  it("a new one begins to exist (201), a known one is replaced (200), and the same list is no change", async () => {
    const role = roleName();
    expect((await asOperator(`/api/admin/roles/${role}`)).status).toBe(404);
    expect(await put(role, ["files:read", "files:*", "files:read"])).toMatchObject({
      status: 201,
      body: { role, permissions: ["files:*", "files:read"] },
    });
    expect((await put(role, [])).status).toBe(200);
    expect((await put(role, [])).body).toEqual({ role, permissions: [] });
  });

  it("wrong names and permissions are 400, and the admin role keeps everything", async () => {
    for (const list of [
      undefined,
      null,
      "files:read",
      ["files"],
      ["a:b:c"],
      [":"],
      ["Files:read"],
      [1],
      ["a: b"],
    ]) {
      expect((await put(roleName(), list)).status, JSON.stringify(list)).toBe(400);
    }
    for (const name of ["A", "1a", "a".repeat(33), "a%20b"]) expect((await put(name, [])).status).toBe(400);
    expect((await put("admin", ["files:read"])).status).toBe(400);
    expect((await put("admin", ["*:*"])).status).toBe(200);
    const user = await register();
    const answer = await askAs(user, "/api/admin/roles/user", {
      method: "PUT",
      body: { permissions: ["*:*"] },
    });
    expect(answer.status).toBe(403);
  });
});

describe("permissions", () => {
  it("RFC 9068 §2.2.3: an access token names them as its scope", async () => {
    const user = await register();
    expect(decodeJwt(user.access).scope).toBe("files:create files:read profile:read profile:update");
    expect((await introspect(user.access)).body.scope).toBe(decodeJwt(user.access).scope);
  });

  it("a change of a role's permissions: older tokens are not believed, new ones name the new ones", async () => {
    const role = roleName();
    await put(role, ["profile:read"]);
    const user = await registerAs(role);
    expect((await askAs(user, "/api/accounts/user")).status).toBe(200);
    const update = { method: "PATCH", body: { first_name: "Ada" } };
    expect((await askAs(user, "/api/accounts/user", update)).body.code).toBe("permission_denied");
    await put(role, ["profile:read", "profile:update"]);
    expect((await askAs(user, "/api/accounts/user")).body.code).toBe("access_token_revoked");
    expect((await introspect(user.access)).body).toEqual({ active: false });
    const { body } = await refresh(user.refresh, { address: user.address });
    expect(decodeJwt(body.access_token).scope).toBe("profile:read profile:update");
    expect((await askAs({ access: body.access_token }, "/api/accounts/user", update)).status).toBe(200);
  });

  it("REV-07: permissions that come back bring no older token back; the same list again ends none", async () => {
    const role = roleName();
    await put(role, []);
    const user = await registerAs(role);
    const isGood = async (access: string) =>
      (await askAs({ access }, "/api/accounts/sessions")).status === 200;
    const renewed = async (one: SignedIn) => {
      const { body } = await refresh(one.refresh, { address: one.address });
      return { ...one, access: String(body.access_token), refresh: String(body.refresh_token) };
    };
    expect(decodeJwt(user.access).scope, "a token without scope dies, too").toBeUndefined();
    await put(role, ["profile:read"]);
    expect(await isGood(user.access)).toBe(false);
    const second = await renewed(user);
    await put(role, ["profile:read"]);
    expect(await isGood(second.access)).toBe(true);
    await put(role, ["profile:read", "profile:update"]);
    const third = await renewed(second);
    await put(role, ["profile:read"]);
    for (const { access } of [user, second, third]) {
      expect(await isGood(access)).toBe(false);
      expect((await introspect(access)).body).toEqual({ active: false });
    }
    expect(await isGood((await renewed(third)).access)).toBe(true);
  });

  it("a token made while D1 was down names nothing of its role, and dies with the role's next change all the same", async () => {
    const role = roleName();
    await put(role, ["profile:read"]);
    const user = await registerAs(role);
    passSeconds(6); // what this isolate knew of roles is too old
    const answer = await askWith({ DB: down() }, "/api/accounts/token/refresh", {
      method: "POST",
      body: JSON.stringify({ refresh_token: user.refresh }),
      headers: { "Content-Type": "application/json", "CF-Connecting-IP": user.address },
    });
    const access = String(answer.body.access_token);
    expect(decodeJwt(access)).not.toHaveProperty("scope");
    expect(decodeJwt(access)).not.toHaveProperty("rv");
    passSeconds(2);
    expect((await askAs({ access }, "/api/accounts/user")).status).toBe(200);
    await put(role, ["profile:read", "profile:update"]);
    expect((await askAs({ access }, "/api/accounts/user")).body.code).toBe("access_token_revoked");
  });

  it("an unknown role may do nothing, though its sessions can be seen and ended", async () => {
    const user = await register();
    await env.DB.prepare("UPDATE users SET role = 'ghost', version = version + 1 WHERE id = ?")
      .bind(user.id)
      .run();
    await asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body: { is_active: false } });
    await asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body: { is_active: true } });
    const ghost = await login(user);
    expect(decodeJwt(ghost.access).scope).toBeUndefined();
    expect((await askAs(ghost, "/api/accounts/user")).body.code).toBe("permission_denied");
    expect((await askAs(ghost, "/api/admin/users")).body.code).toBe("permission_denied");
    expect((await askAs(ghost, "/api/accounts/sessions")).status).toBe(200);
  });
});
