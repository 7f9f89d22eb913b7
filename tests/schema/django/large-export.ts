/**
 * An export of as many users as are asked for, always the same: what a large move is measured with. Users have what
 * real ones have, in the shares that real tables have; so do sessions, tokens and the blacklist.
 */

export type LargeExport = { readonly users: number; readonly sessions: number; readonly tokens: number };

/** A hash of each user's own; no password is right. */
const hash = (n: number): string =>
  `pbkdf2_sha256$870000$WfU19eF9nh4n6svCe5H0i7$${String(n).padStart(8, "0")}aL3b4zyqGrRl9I0akVI81UIS6oiLhWNliXc=`;
const FIRST_ID = 1_000;
const EXPIRES = "2036-12-31T23:59:59Z";
const EXPIRED = "2020-01-01T00:00:00Z";

/** Yields the text of a `dumpdata` file, piece by piece. */
export function* dumpdata({ users, sessions, tokens }: LargeExport): Generator<string> {
  let separator = "[\n";
  const record = (model: string, pk: number | string, fields: object): string => {
    const text = `${separator}${JSON.stringify({ model, pk, fields })}`;
    separator = ",\n";
    return text;
  };
  yield record("auth.group", 1, { name: "editors", permissions: [] });
  for (let n = 0; n < users; n += 1) yield record("auth.user", FIRST_ID + n, userFields(n));
  for (let n = 0; n < sessions; n += 1) {
    const content = { _auth_user_id: String(FIRST_ID + (n % users)), _auth_user_hash: "0".repeat(64) };
    const data = `${Buffer.from(JSON.stringify(content)).toString("base64url")}:1xViFj:${"A".repeat(43)}`;
    const expire_date = n % 4 === 3 ? EXPIRED : EXPIRES;
    yield record("sessions.session", key(n), { session_data: data, expire_date });
  }
  for (let n = 0; n < tokens; n += 1) {
    const user = FIRST_ID + (n % users);
    const expires_at = n % 8 === 7 ? EXPIRED : EXPIRES;
    yield record("token_blacklist.outstandingtoken", n + 1, { user, jti: key(n), token: "x", expires_at });
  }
  for (let n = 0; n < tokens; n += 3) {
    yield record("token_blacklist.blacklistedtoken", n + 1, { token: n + 1, blacklisted_at: EXPIRES });
  }
  yield "\n]\n";
}

function userFields(n: number): object {
  // Every ninth has no e-mail, every hundredth shares one; some names differ only in case from the one before.
  const username = n % 50 === 49 ? `PERSON.${n - 1}` : `person.${n}`;
  const email = n % 9 === 0 ? "" : n % 100 === 1 ? "shared@example.com" : `person.${n}@example.com`;
  return {
    password: hash(n),
    last_login: n % 3 === 0 ? null : "2025-07-01T05:59:59.999Z",
    is_superuser: n % 10_000 === 0,
    username,
    first_name: n % 2 === 0 ? "Zo\u00eb" : "",
    last_name: n % 2 === 0 ? "O'Hara" : "",
    email,
    is_staff: n % 1_000 === 0,
    is_active: n % 20 !== 0,
    date_joined: "2024-02-29T12:00:00.123Z",
    groups: n % 40 === 0 ? [1] : [],
    user_permissions: [],
  };
}

function key(n: number): string {
  return n.toString(36).padStart(32, "0");
}
