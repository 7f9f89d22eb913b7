/** The command line of the import. */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/wrangler.ts";
import { FORMATS, type Format } from "./source.ts";

export const USAGE =
  "npm run import:django -- EXPORT… (--local [--persist-to DIR] | --remote --env NAME) [--dry-run] [--report FILE] [--format NAME]";
const DEFAULT_PERSIST_TO = ".wrangler/state";

/** The command line is wrong. The message is one sentence. */
export class UsageError extends Error {}

export type Target =
  | { readonly kind: "local"; readonly persistTo: string }
  | { readonly kind: "remote"; readonly environment: string };

export type Arguments = {
  readonly files: readonly string[];
  readonly format: Format | null;
  readonly target: Target;
  readonly dryRun: boolean;
  readonly report: string | undefined;
};

/** Throws `UsageError`. */
export function readArguments(args: string[]): Arguments {
  const { values, positionals } = parsedArguments(args);
  const files = positionals.flatMap(filesOf);
  if (files.length === 0) throw new UsageError("name a file, several, or a folder of CSV files");
  const target = targetOf(values);
  const format = FORMATS.find((name) => name === values.format) ?? null;
  if (values.format !== undefined && format === null) {
    throw new UsageError(`--format is one of ${FORMATS.join(", ")}`);
  }
  const { report } = values;
  if (
    report !== undefined &&
    existsSync(report) &&
    files.some((file) => realpathSync(report) === realpathSync(file))
  ) {
    throw new UsageError("the report would overwrite the export");
  }
  return { files, format, target, dryRun: values["dry-run"] === true, report };
}

/** Where the database is. */
export const TARGET_OPTIONS = {
  local: { type: "boolean" },
  remote: { type: "boolean" },
  env: { type: "string" },
  "persist-to": { type: "string" },
} as const;

type TargetValues = { local?: boolean; remote?: boolean; env?: string; "persist-to"?: string };

/** Throws `UsageError`. */
export function targetOf(values: TargetValues): Target {
  const { local = false, remote = false, env, "persist-to": persistTo } = values;
  if (local === remote) throw new UsageError("say --local, or --remote --env NAME");
  if (local) {
    if (env !== undefined) throw new UsageError("--env goes with --remote");
    return { kind: "local", persistTo: resolve(ROOT, persistTo ?? DEFAULT_PERSIST_TO) };
  }
  if (persistTo !== undefined) throw new UsageError("--persist-to goes with --local");
  if (env === undefined || env === "") throw new UsageError("say which: --env staging or --env production");
  return { kind: "remote", environment: env };
}

/** The file itself, or the CSV files of a folder. */
function filesOf(path: string): string[] {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`);
  const stats = statSync(path);
  if (stats.isFile()) return [path];
  if (!stats.isDirectory()) throw new UsageError(`${path} is not a file that can be read twice`);
  return readdirSync(path)
    .filter((name) => name.endsWith(".csv"))
    .sort()
    .map((name) => join(path, name));
}

function parsedArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...TARGET_OPTIONS,
        "dry-run": { type: "boolean" },
        report: { type: "string" },
        format: { type: "string" },
      },
    });
  } catch (error) {
    throw wrongOptions(error);
  }
}

/** What `parseArgs` threw, as one sentence. */
export function wrongOptions(error: unknown): UsageError {
  const [sentence = "wrong options"] = (error instanceof Error ? error.message : "").split(". ");
  return new UsageError(sentence);
}
