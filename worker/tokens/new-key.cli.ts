/**
 * `npm run --silent keys:new -- [--alg EdDSA|ES256] [--starts-in MINUTES] [--ends-in DAYS] [--set]`
 *
 * Prints a new private JWK on stdout, one line and nothing else. With `--set` it reads the set that
 * is in use from stdin and prints that set with the new key in front. Everything meant for people
 * goes to stderr, and never holds a part of a key.
 */
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { readSigningKeys } from "../../schema/signing-keys.ts";
import { type NumericDate, toIso, toNumericDate } from "../../schema/time.ts";
import { NEW_KEY_ALGORITHMS, newSigningJwk } from "./new-key.ts";

const USAGE =
  "usage: npm run --silent keys:new -- [--alg EdDSA|ES256] [--starts-in MINUTES] [--ends-in DAYS] [--set < SET]";
const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;
const WHOLE = /^[1-9][0-9]{0,5}$/;

const options = readOptions();
const now = toNumericDate(Date.now());
const createdAt = now + (options.startsInMinutes ?? 0) * MINUTE_SECONDS;
const endsAt = options.endsInDays === null ? null : now + options.endsInDays * DAY_SECONDS;
if (endsAt !== null && endsAt <= createdAt) fail("the key would end before it starts");
const before = options.isSet ? await readSet() : null;

const jwk = await newSigningJwk(options.algorithm, { createdAt, endsAt });
const line = JSON.stringify(before === null ? jwk : { ...before, keys: [jwk, ...before.keys] });
if (before !== null) expectGood(line);
process.stdout.write(`${line}\n`);
process.stderr.write(hint(jwk.kid, before !== null));

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        alg: { type: "string", default: "EdDSA" },
        "starts-in": { type: "string" },
        "ends-in": { type: "string" },
        set: { type: "boolean", default: false },
      },
    });
    const algorithm = NEW_KEY_ALGORITHMS.find((one) => one === values.alg);
    if (algorithm === undefined) return fail(USAGE);
    return {
      algorithm,
      isSet: values.set,
      startsInMinutes: whole(values["starts-in"]),
      endsInDays: whole(values["ends-in"]),
    };
  } catch {
    return fail(USAGE);
  }
}

function whole(value: string | undefined): number | null {
  if (value === undefined) return null;
  return WHOLE.test(value) ? Number(value) : fail(USAGE);
}

/** An empty stdin is refused: a set without the old keys in it would end every live token. */
async function readSet(): Promise<{ keys: unknown[] }> {
  const given = (await text(process.stdin)).trim();
  if (given === "") return fail("the set on stdin is empty");
  expectGood(given);
  return JSON.parse(given);
}

function expectGood(set: string): void {
  const { problems } = readSigningKeys(set, null);
  if (problems.length > 0) fail(`the set ${problems.join(", and ")}`);
}

function hint(kid: string, isSet: boolean): string {
  const life = `signs from ${when(createdAt)}${endsAt === null ? "" : ` to ${when(endsAt)}`}`;
  const place = isSet
    ? "Put this set in place of the one in JWT_SIGNING_KEYS."
    : 'Add it to the set in JWT_SIGNING_KEYS: {"keys":[…]}, at any place.';
  return `Key ${kid}, ${options.algorithm}, ${life}. ${place}\nThe old keys stay in it until their last tokens have expired (ACCESS_TOKEN_TTL).\n`;
}

function when(at: NumericDate): string {
  return at === now ? "now" : toIso(at);
}

function fail(message: string): never {
  process.stderr.write(`keys:new: ${message}\n`);
  process.exit(1);
}
