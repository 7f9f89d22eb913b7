/**
 * As much of Cloudflare's API as a remote import uses, over a SQLite database in memory. A stand-in built from the
 * API's description ("Query D1 Database"): nothing here was compared with Cloudflare itself.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const MIGRATIONS = join(import.meta.dirname, "../../schema/migrations");
const DATABASE_ID = "0d1f0000-0000-4000-8000-000000000000";

/**
 * What happens to a query instead of its answer: `busy` is 429 and a time to wait, `down` 503, `lost` an answer that
 * gets lost after the work was done, `wrong` an error of the statement.
 */
export type Fault = "busy" | "down" | "lost" | "wrong";
export type FakeApi = {
  readonly url: string;
  readonly db: DatabaseSync;
  /** Taken from the front, one a query; null lets one pass. */
  readonly faults: (Fault | null)[];
  /** The largest parameter that came, in bytes. */
  readonly largest: () => number;
  readonly close: () => void;
};

type Query = { sql: string; params: string[] };

export async function startFakeApi(token: string, isMigrated = true): Promise<FakeApi> {
  const db = new DatabaseSync(":memory:");
  if (isMigrated) {
    const names = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql"));
    for (const name of names.sort()) db.exec(readFileSync(join(MIGRATIONS, name), "utf8"));
  }
  const faults: (Fault | null)[] = [];
  let largest = 0;

  const run = (batch: Query[]) => {
    db.exec("BEGIN");
    try {
      const result = batch.map(({ sql, params }) => {
        largest = Math.max(largest, ...params.map((one) => Buffer.byteLength(one)));
        return { success: true, meta: {}, results: db.prepare(sql).all(...params) };
      });
      db.exec("COMMIT");
      return { success: true, errors: [], messages: [], result };
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  };

  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const say = (status: number, body: object, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { "Content-Type": "application/json", ...headers })
        .end(JSON.stringify(body));
    const refuse = (status: number, message: string, headers = {}) =>
      say(status, { success: false, errors: [{ code: 7500, message }], messages: [], result: null }, headers);
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.headers.authorization !== `Bearer ${token}`) return refuse(401, "Authentication error");
    if (request.url === "/accounts") return say(200, { success: true, errors: [], result: [{ id: "acc" }] });
    if (request.url === "/accounts/acc/d1/database/session-authority-staging") {
      return say(200, { success: true, errors: [], result: { uuid: DATABASE_ID } });
    }
    if (request.url !== `/accounts/acc/d1/database/${DATABASE_ID}/query`) return refuse(404, "no such route");
    const fault = faults.shift() ?? null;
    if (fault === "busy") return refuse(429, "Rate limited", { "Retry-After": "1" });
    if (fault === "down") return refuse(503, "D1 DB is overloaded");
    if (fault === "wrong") return refuse(400, "UNIQUE constraint failed: users.username: SQLITE_CONSTRAINT");
    const result = run(JSON.parse(body).batch);
    if (fault === "lost") return response.destroy();
    return say(200, result);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : 0;
  return { url: `http://127.0.0.1:${port}`, db, faults, largest: () => largest, close: () => server.close() };
}
