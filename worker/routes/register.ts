/** `POST /api/accounts/register`: a new account, signed in, that knows the client it was made with. */
import { z } from "@hono/zod-openapi";
import { impersonatesEmail, isEmail, isUsername, normalizeUsername } from "../../schema/identity.ts";
import { AMR_PASSWORD } from "../../schema/mfa.ts";
import { userState } from "../../schema/users.ts";
import { tell } from "../audit.ts";
import { signDeviceToken } from "../auth/device.ts";
import { type App, serviceOf } from "../context.ts";
import { newTokenId, randomBytes } from "../entropy.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { requireAcceptable } from "../new-password.ts";
import { hashPassword } from "../passwords/registry.ts";
import { openSession } from "../sessions.ts";
import { handOver, tokenAnswer, tokenAnswerSchema, transport } from "../tokens/token-answer.ts";
import { createUser } from "../users.ts";

const body = z.object({
  username: z
    .string()
    .min(1)
    .transform(normalizeUsername)
    .refine(isUsername, "must be 1 to 150 letters, numbers or any of _ . @ + -"),
  email: z
    .string()
    .nullish()
    .transform((email) => (email === undefined || email === "" ? null : email))
    .refine(
      (email) => email === null || isEmail(email),
      "must be an e-mail address of at most 254 characters",
    ),
  password: z.string().min(1),
  password2: z.string().min(1),
  transport,
});

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["register"],
    cost: "1 D1 insert, 1 UserAuthority call (2 rows written, 3 more for an address to verify, 1 alarm, the object's tables), 1 hash, 3 signatures",
    missing: "Username, password, and password confirmation are required",
  },
  {
    method: "post",
    path: "/api/accounts/register",
    summary: "Create an account and sign in",
    request: jsonBody(body),
    responses: {
      201: jsonAnswer(
        "The new session; the message also as `detail` for clients written for Django",
        tokenAnswerSchema.extend({ detail: z.string().optional() }),
      ),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountRegister(app: App): void {
  serve(
    app,
    route,
    async (c) => {
      const { username, email, password } = c.req.valid("json");
      const passwordHash = await hashPassword(password, randomBytes);
      const user = await createUser(c.env.DB, { username, email, passwordHash, now: c.get("facts").now });
      if (user === null) throw new Refusal("user_exists");
      const { id: userId } = userState(user);
      const verification = { id: newTokenId(), mail: { kind: "email_verify" as const, userId } };
      const opened = await openSession(c, user, {
        amr: AMR_PASSWORD,
        deviceName: null,
        attempt: null,
        code: null,
        ...(email === null ? {} : { mail: verification }),
      });
      if (opened.kind === "denied") throw new Outage("user_authority", opened.reason);
      tell(c, { type: "user_registered", userId: user.id, actor: `user:${user.id}`, sid: opened.grant.sid });
      const [pair, device_token] = await Promise.all([
        tokenAnswer(serviceOf(c), opened.grant, "User created successfully"),
        signDeviceToken(serviceOf(c), null, opened.grant.user, c.get("facts").now),
      ]);
      const answer = handOver(c, { ...pair, device_token }, c.req.valid("json").transport);
      const isOld = serviceOf(c).config.compatSimplejwt;
      return c.json(isOld ? { ...answer, detail: answer.message } : answer, 201);
    },
    async (c) => {
      const { username, email, password, password2 } = c.req.valid("json");
      if (password !== password2) throw new Refusal("password_mismatch");
      await requireAcceptable(c, password, { username, email });
      if (impersonatesEmail(username, email)) {
        const message = "must not look like an e-mail address other than the account's own";
        throw new Refusal("invalid_request", { details: [{ field: "username", message }] });
      }
    },
  );
}
