/**
 * Development secrets: `.dev.vars`, made on the first start, readable by its owner only and kept
 * out of git. What is there stays; what is missing is added.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { toNumericDate } from "../schema/time.ts";
import { newSigningJwk } from "../worker/tokens/new-key.ts";

const SECRET_BYTES = 32;
const OWNER_ONLY = 0o600;
const HEADER = "# Development secrets of this checkout. Never commit or reuse them.\n";

/** Adds every secret that `path` lacks; returns the names of those it added. */
export async function ensureDevSecrets(path: string): Promise<string[]> {
  const before = existsSync(path) ? readFileSync(path, "utf8") : HEADER;
  const has = (name: string): boolean => new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`, "m").test(before);
  const added: [string, string][] = [];
  if (!has("JWT_SIGNING_KEYS") && !has("JWT_SECRET"))
    added.push(["JWT_SIGNING_KEYS", `'${await newKeySet()}'`]);
  for (const name of ["REFRESH_TOKEN_SECRET", "DATA_ENCRYPTION_KEY", "ADMIN_TOKEN"]) {
    if (!has(name)) added.push([name, randomBytes(SECRET_BYTES).toString("base64url")]);
  }
  if (added.length > 0) {
    const lines = added.map(([name, value]) => `${name}=${value}\n`).join("");
    const gap = before === "" || before.endsWith("\n") ? "" : "\n";
    writeFileSync(path, before + gap + lines, { mode: OWNER_ONLY });
  }
  chmodSync(path, OWNER_ONLY);
  return added.map(([name]) => name);
}

async function newKeySet(): Promise<string> {
  const key = await newSigningJwk("EdDSA", { createdAt: toNumericDate(Date.now()), endsAt: null });
  return JSON.stringify({ keys: [key] });
}
