/**
 * A deployed D1 database through Cloudflare's API. Not through `wrangler d1 execute`: with `--file` the database serves
 * nobody while it runs and answers no rows, and a command line is no place for a table of users.
 */
import { z } from "zod";
import { type ImportDatabase, NoAnswer, type Statement } from "./database.ts";
import { persistently } from "./persistently.ts";
import { BINDING, databaseSettings } from "./wrangler-database.cli.ts";

const API = "https://api.cloudflare.com/client/v4";
const TIMEOUT_MS = 60_000;
/** What D1 says when it may be otherwise in a moment (D1's documentation, "Retry queries"). */
const PASSING =
  /overloaded|reset because|caused object to be reset|connection lost|timed? ?out|internal error|is locked/i;

const envelope = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ message: z.string() })).nullish(),
  result: z.unknown(),
});
const accountsSchema = z.array(z.object({ id: z.string() }));
const databaseSchema = z.object({ uuid: z.string() });
const queriesSchema = z.array(z.object({ results: z.array(z.record(z.string(), z.unknown())).default([]) }));

/**
 * The database of an environment of `wrangler.toml`, as `CLOUDFLARE_API_TOKEN` may reach it. Rejects with one line if
 * it cannot, or if the database is from before the import's own tables.
 */
export async function openRemote(environment: string): Promise<ImportDatabase> {
  const { CLOUDFLARE_API_TOKEN: token = "", CLOUDFLARE_API_BASE_URL: api = API } = process.env;
  if (token === "") throw new Error("set CLOUDFLARE_API_TOKEN, a token that may edit D1");
  const settings = databaseSettings(environment);
  if (settings === null) throw new Error(`wrangler.toml has no database ${BINDING} in env.${environment}`);
  const ask = (path: string, body?: object) => askApi(`${api}${path}`, token, body);
  const account = process.env.CLOUDFLARE_ACCOUNT_ID ?? (await onlyAccount(ask));
  const under = `/accounts/${account}/d1/database`;
  const id =
    settings.id ??
    databaseSchema.parse(await persistently(() => ask(`${under}/${encodeURIComponent(settings.name)}`))).uuid;
  const database: ImportDatabase = {
    // The API runs a batch as the binding's `batch` does: in one transaction.
    async batch<Row>(batch: readonly Statement[]) {
      const answers = queriesSchema.parse(await ask(`${under}/${id}/query`, { batch }));
      return answers.map(({ results }) => results) as Row[][];
    },
  };
  const sql = "SELECT name FROM sqlite_master WHERE name = 'django_sessions'";
  const [tables] = await persistently(() => database.batch([{ sql, params: [] }]));
  if (tables?.length === 1) return database;
  const command = `wrangler d1 migrations apply ${BINDING} --remote --env ${environment}`;
  throw new Error(`the database is not up to date; deploy first, or run \`${command}\``);
}

async function onlyAccount(ask: (path: string) => Promise<unknown>): Promise<string> {
  const [account, ...more] = accountsSchema.parse(await persistently(() => ask("/accounts")));
  if (account === undefined || more.length > 0) {
    throw new Error("set CLOUDFLARE_ACCOUNT_ID: the token sees not exactly one account");
  }
  return account.id;
}

/** One request; resolves to the `result` of the API's answer. */
async function askApi(url: string, token: string, body?: object): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    throw new NoAnswer(`Cloudflare's API does not answer (${error instanceof Error ? error.message : "?"})`);
  }
  const answer = envelope.safeParse(asJson(text));
  const problem =
    answer.data?.errors?.map(({ message }) => message).join("; ") ?? `status ${response.status}`;
  if (response.ok && answer.data?.success === true) return answer.data.result;
  const isPassing = response.status === 429 || response.status >= 500 || PASSING.test(problem);
  const line = `Cloudflare's API refuses: ${problem}`;
  if (isPassing) throw new NoAnswer(line, Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0);
  throw new Error(line);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
