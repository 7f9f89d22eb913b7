/** What becomes of one session of Django here. Pure: it decides, and reads and writes nothing. */
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { z } from "zod";
import { asUserId, type UserId } from "../ids.ts";
import type { NumericDate } from "../time.ts";
import { parseMoment, ZONELESS } from "./moment.ts";
import type { DjangoSession } from "./tables.ts";

/** A row of `django_sessions`: the key is in it as a digest only. */
export type ImportedSession = {
  readonly digest: string;
  /** As the session says; whoever made it can have said so. The exchange proves it. */
  readonly user_id: UserId;
  readonly session_data: string;
  readonly expires_at: NumericDate;
};

export type SessionDecision =
  | { readonly kind: "row"; readonly row: ImportedSession; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

/** Bytes, inflated: the exchange reads no larger one. */
const CONTENT_MAX = 64 * 1024;
const KEY = /^[a-z0-9]{8,40}$/;
/** `signing.dumps`, since Django 3.1: a dot where it is compressed, the content, a time, a signature. */
const SIGNED = /^(\.?)([A-Za-z0-9_-]+):[0-9A-Za-z]+:[A-Za-z0-9_-]+$/;

const contentSchema = z.object({ _auth_user_id: z.string().optional() });

/** The row that a session of Django becomes, or why there can be none. */
export function decideSession({ pk: key, fields }: DjangoSession, now: NumericDate): SessionDecision {
  const expires = parseMoment(fields.expire_date);
  if (!KEY.test(key)) return refused("the key is none that Django makes");
  if (expires === null) return refused("expire_date is not a date with a time");
  if (expires.at <= now) return refused("expired");
  const content = contentOf(fields.session_data);
  if (content === null) return refused("not a session as Django 3.1 and later sign it");
  if (content._auth_user_id === undefined) return refused("nobody is signed in in it");
  const user_id = /^[1-9]\d*$/.test(content._auth_user_id) ? asUserId(Number(content._auth_user_id)) : null;
  if (user_id === null) return refused("the user in it is no positive integer");
  const digest = createHash("sha256").update(key).digest("base64url");
  const row = { digest, user_id, session_data: fields.session_data, expires_at: expires.at };
  return { kind: "row", row, notes: expires.hasZone ? [] : [ZONELESS] };
}

/** What is in it. Nothing proves it: that takes Django's key, which the import does not have. */
function contentOf(data: string): z.infer<typeof contentSchema> | null {
  const [, dot, encoded = ""] = SIGNED.exec(data) ?? [];
  if (dot === undefined || data.length > 2 * CONTENT_MAX) return null;
  try {
    const bytes = Buffer.from(encoded, "base64url");
    const text = (dot === "." ? inflateSync(bytes, { maxOutputLength: CONTENT_MAX }) : bytes).toString(
      "utf8",
    );
    return contentSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function refused(reason: string): SessionDecision {
  return { kind: "refused", reason };
}
