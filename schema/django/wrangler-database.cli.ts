/** What `wrangler.toml` says of the database. Wrangler's own reader would take more memory than the whole import. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/wrangler.ts";

/** `id` is null where Cloudflare chose it at the first deployment: then the name finds it. */
export type DatabaseSettings = { readonly name: string; readonly id: string | null };

/** The binding by which the service has it. */
export const BINDING = "DB";

/** The settings in an environment of `wrangler.toml` ("" is the one without a name); null if it has no database. */
export function databaseSettings(environment: string): DatabaseSettings | null {
  const header = environment === "" ? "[[d1_databases]]" : `[[env.${environment}.d1_databases]]`;
  const sections = readFileSync(join(ROOT, "wrangler.toml"), "utf8").split(/^(?=\[)/m);
  const section = sections.find(
    (text) => text.startsWith(header) && quotedValue(text, "binding") === BINDING,
  );
  const name = section === undefined ? null : quotedValue(section, "database_name");
  return section === undefined || name === null ? null : { name, id: quotedValue(section, "database_id") };
}

function quotedValue(section: string, key: string): string | null {
  return new RegExp(`^${key}\\s*=\\s*["']([^"']*)["']`, "m").exec(section)?.[1] ?? null;
}
