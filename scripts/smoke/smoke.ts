/**
 * One visit to a running service, as a client makes it: whatever must hold for people to sign in,
 * stay signed in and be signed out. It has a user of its own, ends only that user's sessions, and
 * takes the user away again, also after a failure.
 */
import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type Ask, clientOf, expectAnswer, type Reply, textOf } from "./client.ts";
import { addDjangoUser, type Database, removeUser } from "./django-user.ts";

export type Options = {
  /** An origin, without a path. */
  base: string;
  /** Null: there is no way to put a Django hash in, and that step is not done. */
  database: Database | null;
  /** The id that `GET /api/health` must say, or null: any. */
  version: string | null;
  /** Called as each step ends. */
  say: (line: string) => void;
};
/** Every name is in one list and in no other, but a failed clean-up, which may follow a failed step. */
export type Outcome = { held: string[]; failed: string[]; notChecked: string[] };

type Session = { access: string; refresh: string };
type User = { username: string; password: string };
type Step = [name: string, run: () => Promise<void>];

export const DJANGO_STEP = "login with a Django hash of 600,000 iterations";
/** A deployment is everywhere within seconds, not at once. */
const VERSION_TRIES = 30;
const VERSION_PAUSE_MS = 2000;

/** Runs the steps in order up to the first that fails, then cleans up. Never rejects for what the service answers. */
export async function smoke({ base, database, version, say }: Options): Promise<Outcome> {
  const ask = clientOf(base);
  const user = newUser("smoke");
  const django = newUser("smoke-django");
  let registered: Session | null = null;
  let session: Session = { access: "", refresh: "" };
  // An account may also be there after an answer that was lost.
  let mayExist = false;
  let mayDjangoExist = false;
  let replaced = "";

  const steps: Step[] = [
    ["health", () => expectHealth(ask, version)],
    [
      "register",
      async () => {
        const body = { ...user, password2: user.password };
        mayExist = true;
        const reply = await ask("POST", "/api/accounts/register", { body });
        mayExist = reply.status === 201 || reply.status >= 500;
        registered = sessionOf(expectAnswer(reply, 201));
      },
    ],
    [
      "login",
      async () => {
        session = await login(ask, user);
      },
    ],
    [
      "user",
      async () => {
        const body = expectAnswer(await ask("GET", "/api/accounts/user", { token: session.access }), 200);
        if (Object(body.user).username !== user.username)
          throw new Error("the answer is about somebody else");
      },
    ],
    [
      "refresh",
      async () => {
        replaced = session.refresh;
        for (let i = 0; i < 2; i += 1) {
          session = sessionOf(expectAnswer(await refresh(ask, session.refresh), 200));
        }
        if (session.refresh === replaced) throw new Error("the refresh token was not replaced");
      },
    ],
    [
      "reuse refused",
      async () => {
        // Its successor has been presented, so no grace is left.
        expectAnswer(await refresh(ask, replaced), 401, "refresh_token_reused");
        expectAnswer(await refresh(ask, session.refresh), 401, "refresh_token_revoked");
      },
    ],
    [
      "revoke-all (of the smoke user)",
      async () => {
        session = await login(ask, user);
        const asked = { token: session.access, body: { scope: "global" } };
        const { revoked } = expectAnswer(await ask("POST", "/api/accounts/logout", asked), 200);
        if (revoked !== 2) throw new Error(`2 sessions should have ended, not ${revoked}`);
      },
    ],
    [
      "revoked tokens refused",
      async () => {
        for (const one of [registered, session]) {
          if (one === null) continue;
          expectAnswer(await refresh(ask, one.refresh), 401, "refresh_token_revoked");
          // Confirmed by the user's object: there is nothing to wait for.
          const answer = await ask("GET", "/api/accounts/sessions", { token: one.access });
          expectAnswer(answer, 401, "access_token_revoked");
        }
      },
    ],
    ...(database === null
      ? []
      : [
          [
            DJANGO_STEP,
            async () => {
              mayDjangoExist = true;
              await addDjangoUser(database, { ...django, now: Math.floor(Date.now() / 1000) });
              await login(ask, django);
            },
          ] satisfies Step,
        ]),
  ];

  const outcome: Outcome = { held: [], failed: [], notChecked: database === null ? [DJANGO_STEP] : [] };
  for (const [name, run] of steps) {
    if (outcome.failed.length > 0) outcome.notChecked.push(name);
    else await note(outcome, say, name, run);
  }
  /** Over HTTP and, if that fails, out of D1 where there is a way. */
  const remove = async (one: User, isFailureTold: boolean) => {
    try {
      await deleteAccount(ask, one);
    } catch (fault) {
      if (database !== null) await removeUser(database, one.username);
      if (isFailureTold) throw fault;
    }
  };
  /** Both are tried, whatever comes of the other. */
  const cleaning = async () => {
    const removals = await Promise.allSettled([
      ...(mayDjangoExist ? [remove(django, false)] : []),
      ...(mayExist ? [remove(user, registered !== null)] : []),
    ]);
    const [failed] = removals.filter(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  };
  await note(outcome, say, "clean-up", cleaning);
  return outcome;
}

async function note(
  outcome: Outcome,
  say: Options["say"],
  name: string,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
    outcome.held.push(name);
    say(`ok      ${name}`);
  } catch (error) {
    outcome.failed.push(name);
    say(`FAILED  ${name}: ${error instanceof Error ? error.message.trim() : String(error)}`);
  }
}

/** Once. Or, for a version that was only just deployed, until that one answers and is well. */
async function expectHealth(ask: Ask, version: string | null): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const body = expectAnswer(await ask("GET", "/api/health"), 200);
      if (Array.isArray(body.settings)) throw new Error(`settings are wrong: ${body.settings.join(", ")}`);
      if (version === null || body.version === version) return;
      throw new Error(`version ${body.version} answers, not ${version}`);
    } catch (error) {
      if (version === null || tries === VERSION_TRIES) throw error;
      await setTimeout(VERSION_PAUSE_MS);
    }
  }
}

async function login(ask: Ask, body: User): Promise<Session> {
  return sessionOf(expectAnswer(await ask("POST", "/api/accounts/login", { body }), 200));
}

function refresh(ask: Ask, refreshToken: string): Promise<Reply> {
  return ask("POST", "/api/accounts/token/refresh", { body: { refresh_token: refreshToken } });
}

/** Its sessions have ended by now, so it signs in once more. */
async function deleteAccount(ask: Ask, user: User): Promise<void> {
  const { access } = await login(ask, user);
  const asked = { token: access, body: { password: user.password } };
  expectAnswer(await ask("DELETE", "/api/accounts/user", asked), 204);
}

function sessionOf(body: Reply["body"]): Session {
  return { access: textOf(body, "access_token"), refresh: textOf(body, "refresh_token") };
}

function newUser(kind: string): User {
  const random = (bytes: number) => randomBytes(bytes).toString("base64url");
  return { username: `${kind}-${random(9)}`, password: random(32) };
}
