/** Everything that is stored, as text: what must be in no table can be looked for. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

const isOurs = (name: string): boolean => !/^(?:sqlite_|_cf_)/.test(name);

/** The names of D1's tables, migrations included. */
export async function tablesOfDatabase(): Promise<string[]> {
  const query = "SELECT name FROM sqlite_master WHERE type = 'table'";
  const { results } = await env.DB.prepare(query).all<{ name: string }>();
  return results.map(({ name }) => name).filter(isOurs);
}

/** All rows of D1. */
export async function dumpDatabase(): Promise<string> {
  const names = await tablesOfDatabase();
  const tables = await Promise.all(
    names.map(async (name) => (await env.DB.prepare(`SELECT * FROM "${name}"`).all()).results),
  );
  return JSON.stringify(tables);
}

/** All rows of an object. */
export function dumpObject(stub: DurableObjectStub): Promise<string> {
  return runInDurableObject(stub, (_object, { storage: { sql } }) => {
    const names = sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
    const own = names.map(({ name }) => name).filter(isOurs);
    return JSON.stringify(own.map((name) => [name, sql.exec(`SELECT * FROM "${name}"`).toArray()]));
  });
}
