/**
 * Mail, as it waits in the outbox of a user's object: what it is about and nothing secret. The token
 * in a link follows from the mail's id and age and a key that only the edge holds, so that it can be
 * made anew for every attempt at sending it and is kept nowhere.
 */
import type { TokenId, UserId } from "./ids.ts";
import type { LimitRule } from "./limits.ts";
import type { NumericDate } from "./time.ts";

/** What a mailed token is good for. One of one purpose is never good for another. */
export type MailedPurpose = "password_reset" | "account_unlock" | "email_verify" | "email_change";

export type NoticeKind =
  | "password_was_reset"
  | "password_changed"
  | "email_change_asked"
  | "email_changed"
  | "mfa_enabled"
  | "mfa_disabled"
  | "recovery_code_used"
  | "api_key_created";

/** `to` is there where the address must not be the one that is stored when the mail goes out. */
export type Mail =
  /** Somebody typed this address: in the object of the address, whether an account holds it or not. */
  | { kind: "reset_asked"; email: string }
  | { kind: Exclude<MailedPurpose, "email_change">; userId: UserId }
  | { kind: "email_change"; userId: UserId; to: string }
  | { kind: NoticeKind; userId: UserId; to: string; at: NumericDate };

/** `id` names the mail: ordered twice it is one, and a provider can tell a repeat by it. */
export type MailOrder = { id: TokenId; mail: Mail };
export type MailAnswer = { kind: "ordered" } | { kind: "limited"; retryAfterSeconds: number };

/** `askedAtMs` is the order of asking within one object, in milliseconds. */
export type MailDelivery = MailOrder & { askedAtMs: number };
/** `done` also where there is nothing to send any more. */
export type DeliveryAnswer = { kind: "done" } | { kind: "failed" };

/** The edge, as an object's outbox sees it. */
export interface PostmanContract {
  deliver(delivery: MailDelivery): Promise<DeliveryAnswer>;
}

const AN_HOUR = { limit: 3, seconds: 3600 };

/**
 * What a mail counts to (RST-06): three resets an hour, which anyone can ask for, three links to unlock, counted
 * apart so that asking for resets hides no lock, and three that the owner can cause.
 * A notice tells of what has happened and is never left out, but for keys, which a session makes as fast as it
 * may ask, for an address that may be a stranger's: three an hour, counted apart, so that no other mail hides them.
 */
export function mailLimit(mail: Mail): LimitRule | null {
  switch (mail.kind) {
    case "reset_asked":
    case "password_reset":
      return { name: "mail_by_anyone", ...AN_HOUR };
    case "account_unlock":
      return { name: "mail_of_locks", ...AN_HOUR };
    case "email_verify":
    case "email_change":
      return { name: "mail_by_owner", ...AN_HOUR };
    case "api_key_created":
      return { name: "mail_of_keys", ...AN_HOUR };
    default:
      return null;
  }
}
