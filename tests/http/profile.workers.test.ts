import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { type Ask, ask, register, type SignedIn } from "../support/client.ts";

const ALL = {
  first_name: "Ada",
  last_name: "Lovelace",
  avatar_url: "https://example.com/ada.png",
  timezone: "Europe/London",
  language: "en-GB",
};
const NONE = { first_name: "", last_name: "", avatar_url: null, timezone: null, language: null };

const patch = (user: SignedIn, body: unknown, options: Ask = {}) =>
  ask("/api/accounts/user", { method: "PATCH", token: user.access, address: user.address, body, ...options });
const profileOf = async (user: SignedIn) =>
  (await ask("/api/accounts/user", { token: user.access, address: user.address })).body.user.profile;

it("changes what is named, keeps the rest, clears with null, and answers as GET user does", async () => {
  const user = await register();
  const all = await patch(user, ALL);
  expect(all.status).toBe(200);
  expect(all.body).toEqual((await ask("/api/accounts/user", { token: user.access })).body);
  expect(all.body.user).toMatchObject({ id: user.id, username: user.username, profile: ALL });
  expect((await patch(user, { first_name: "Augusta" })).body.user.profile).toEqual({
    ...ALL,
    first_name: "Augusta",
  });
  expect((await patch(user, {})).body.user.profile.first_name).toBe("Augusta");
  const cleared = Object.fromEntries(Object.keys(ALL).map((field) => [field, null]));
  expect((await patch(user, cleared)).body.user.profile).toEqual(NONE);
  expect(await profileOf(user)).toEqual(NONE);
});

it("keeps one spelling of a time zone and of a language", async () => {
  const user = await register();
  const { body } = await patch(user, { timezone: "europe/paris", language: "FR-ca" });
  expect(body.user.profile).toMatchObject({ timezone: "Europe/Paris", language: "fr-CA" });
});

it("ADM-02: no other member reaches anything", async () => {
  const user = await register();
  const before = (await ask("/api/accounts/user", { token: user.access })).body.user;
  const body = {
    id: 1,
    user_id: 1,
    username: "root",
    email: "root@example.com",
    email_verified: true,
    role: "admin",
    is_active: false,
    password_hash: "!",
    two_factor_enabled: true,
    created_at: 0,
    updated_at: 0,
    profile: { first_name: "nested" },
    __proto__: { first_name: "inherited" },
    language: "de",
  };
  const answer = await patch(user, body);
  expect(answer.status).toBe(200);
  expect(answer.body.user).toEqual({ ...before, profile: { ...NONE, language: "de" } });
  const row = await env.DB.prepare("SELECT version, role FROM users WHERE id = ?").bind(user.id).first();
  expect(row).toEqual({ version: 1, role: "user" });
});

it("refuses what is wrong, names the field, and changes nothing, not even what is right beside it", async () => {
  const user = await register();
  const wrong: [string, unknown][] = [
    ["first_name", "A\u0000da"],
    ["last_name", "x".repeat(151)],
    ["first_name", 7],
    ["last_name", ["Lovelace"]],
    ["avatar_url", "http://example.com/a.png"],
    ["avatar_url", "javascript:alert(1)"],
    ["avatar_url", { url: "https://example.com" }],
    ["timezone", "Mars/Phobos"],
    ["timezone", "+02:00"],
    ["timezone", true],
    ["language", "en_US"],
    ["language", ""],
    ["language", 0],
  ];
  for (const [field, value] of wrong) {
    const right = field === "language" ? { timezone: "UTC" } : { language: "de" };
    const answer = await patch(user, { ...right, [field]: value });
    expect(answer, `${field} ${JSON.stringify(value)}`).toMatchObject({
      status: 400,
      body: { code: "invalid_request" },
    });
    expect(answer.body.details.map(({ field: named }: { field: string }) => named)).toEqual([field]);
  }
  expect((await patch(user, null, { rawBody: "[]" })).body.code).toBe("malformed_json");
  expect((await patch(user, {}, { headers: { "Content-Type": "text/plain" } })).status).toBe(415);
  expect(await profileOf(user)).toEqual(NONE);
});

it("changes at once of different fields all hold", async () => {
  const user = await register();
  const answers = await Promise.all(
    Object.entries(ALL).map(([field, value]) => patch(user, { [field]: value })),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(await profileOf(user)).toEqual(ALL);
});

it("needs a good access token", async () => {
  const user = await register();
  expect((await ask("/api/accounts/user", { method: "PATCH", body: ALL })).body.code).toBe("token_required");
  expect((await patch(user, ALL, { token: user.refresh })).body.code).toBe("invalid_access_token");
  await ask("/api/accounts/logout", { method: "POST", token: user.access, address: user.address });
  expect((await patch(user, ALL)).body.code).toBe("access_token_revoked");
});
