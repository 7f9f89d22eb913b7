/**
 * `Postman`: what the outbox of a user's object hands its mail to, over the Worker's own loopback.
 * Only here does a mail become a message: with the token that follows from its id, and to whom the
 * database says at this moment. A second delivery of the same mail is the same message, until half
 * of its token's life has passed: then it is one with another token, and the first is dead.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { base64url } from "jose";
import type { Config } from "../../schema/config.ts";
import { asTokenId, type TokenId } from "../../schema/ids.ts";
import { log } from "../../schema/log.ts";
import type {
  DeliveryAnswer,
  Mail,
  MailDelivery,
  MailedPurpose,
  PostmanContract,
} from "../../schema/mail.ts";
import { parsePasswordHash } from "../../schema/password-hash.ts";
import { toIso, toNumericDate } from "../../schema/time.ts";
import { type UserRow, userState } from "../../schema/users.ts";
import { reach, userAuthority } from "../authorities.ts";
import { readClockMs, settingsOf } from "../context.ts";
import { Outage } from "../http/problems.ts";
import { isEmailTaken, issueToken, mailedToken, roundOf } from "../mailed-tokens.ts";
import { keyedHash } from "../tokens/refresh-key.ts";
import { findByEmail, findUser } from "../users.ts";
import { mailerOf } from "./mailer.ts";
import type { Message } from "./message.ts";
import { writeLink, writeNotice } from "./messages.ts";

const DONE: DeliveryAnswer = { kind: "done" };
const FAILED: DeliveryAnswer = { kind: "failed" };
const ID_BYTES = 16;

export class Postman extends WorkerEntrypoint<Env> implements PostmanContract {
  /** Sends the mail, unless there is nothing to send any more. What fails is to be tried again. */
  async deliver(delivery: MailDelivery): Promise<DeliveryAnswer> {
    const settings = settingsOf(this.env);
    const nowMs = readClockMs();
    const now = toNumericDate(nowMs);
    if (settings.kind === "wrong") return FAILED; // every request says which
    const { config } = settings;
    try {
      if (delivery.mail.kind === "reset_asked") {
        await orderResets(this.env, config, delivery.id, delivery.mail.email);
      } else {
        const message = await compose(this.env, config, delivery, nowMs);
        if (message !== null) await mailerOf(this.env, config).send(message, now);
      }
      return DONE;
    } catch (error) {
      const reason = error instanceof Outage ? `${error.part} did not answer` : describe(error);
      log(toIso(now), { level: "warn", event: "mail_not_sent", reason });
      return FAILED;
    }
  }
}

/**
 * One link for each active account that the address belongs to, under its own name, as Django does:
 * imported accounts may share one. The child's id follows from the parent's, so that a second
 * delivery orders nothing twice while the first one waits.
 */
async function orderResets(env: Env, config: Config, id: TokenId, email: string): Promise<void> {
  const rows = (await findByEmail(env.DB, email)).filter(mayReset);
  for (const row of rows) {
    const { id: userId } = userState(row);
    const order = {
      id: await childId(config, id, userId),
      mail: { kind: "password_reset" as const, userId },
    };
    await reach("user_authority", () => userAuthority(env, userId).orderMail(order));
  }
}

/** The message as it must be now, or null if nobody must get it. */
async function compose(
  env: Env,
  config: Config,
  { id, mail, askedAtMs }: MailDelivery & { mail: Mail },
  nowMs: number,
): Promise<Message | null> {
  if (mail.kind === "reset_asked") return null;
  const user = await findUser(env.DB, mail.userId);
  if (user === null) return null;
  const { username } = user;
  const { userId } = mail;
  if ("at" in mail) return { id, userId, to: mail.to, ...writeNotice(mail.kind, { username, at: mail.at }) };

  const to = "to" in mail ? mail.to : user.email;
  if (to === null || !(await isWanted(env.DB, mail.kind, user, to))) return null;
  const ttlSeconds =
    mail.kind === "password_reset" ? config.passwordResetTtlSeconds : config.emailVerifyTtlSeconds;
  const round = roundOf({ waitedMs: nowMs - askedAtMs, ttlSeconds });
  const token = await mailedToken(config, mail.kind, { id, round });
  const now = toNumericDate(nowMs);
  if (!(await issueToken(env.DB, { token, purpose: mail.kind, user, email: to, askedAtMs, now, ttlSeconds })))
    return null;
  const words = writeLink(mail.kind, { username, appOrigin: config.appOrigin, token, ttlSeconds });
  return { id: `${id}.${round}`, userId, to, ...words }; // another token is another message
}

async function isWanted(db: D1Database, purpose: MailedPurpose, user: UserRow, to: string): Promise<boolean> {
  switch (purpose) {
    case "password_reset":
    case "account_unlock":
      return mayReset(user);
    case "email_verify":
      return user.is_active === 1 && user.email_verified === 0;
    case "email_change":
      // Asked here and not by the route, whose answer must not tell whose address it is (ENU-04).
      return user.is_active === 1 && !(await isEmailTaken(db, to, user));
  }
}

/** As Django: who is inactive, or has no usable password, gets no link (HASH-05). */
function mayReset(user: UserRow): boolean {
  return user.is_active === 1 && parsePasswordHash(user.password_hash).algorithm !== "unusable";
}

async function childId(config: Config, parent: TokenId, userId: number): Promise<TokenId> {
  const hash = await keyedHash(config, "mail", `${parent}:${userId}`);
  const id = asTokenId(base64url.encode(hash.subarray(0, ID_BYTES)));
  if (id === null) throw new Error("sixteen bytes are an id");
  return id;
}

/** Its sentence is ours or the runtime's; neither quotes an address or a message. */
function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 100)}` : "unknown";
}
