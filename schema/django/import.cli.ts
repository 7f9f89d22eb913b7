/**
 * `npm run import:django -- EXPORT… --local [--persist-to DIR] [--dry-run] [--report FILE] [--format NAME]`: takes the
 * users of an export of Django over into the local D1. Everything is read twice, so that an export that cannot be
 * read to its end changes nothing. stdout gets one JSON object, stderr the progress. Exit status: 0 if every user got
 * a verdict, refusals included; 1 if the export or the database failed; 2 if the command line is wrong.
 */
import { closeSync, existsSync, openSync, readdirSync, realpathSync, statSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/wrangler.ts";
import { toNumericDate } from "../time.ts";
import { importUsers } from "./import-users.ts";
import { migrateLocal, openLocal, openLocalAsIs } from "./local-d1.cli.ts";
import { FORMATS, type Format, recordsOf } from "./source.ts";
import { usersOf } from "./tables.ts";
import { Tally } from "./tally.ts";

const USAGE =
  "npm run import:django -- EXPORT… --local [--persist-to DIR] [--dry-run] [--report FILE] [--format NAME]";
const DEFAULT_PERSIST_TO = ".wrangler/state";
const OWNER_ONLY = 0o600;

class UsageError extends Error {}

type Arguments = {
  files: string[];
  format: Format | null;
  persistTo: string;
  dryRun: boolean;
  report: string | undefined;
};

try {
  await run(readArguments(process.argv.slice(2)));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  say(error instanceof UsageError ? `${message} (usage: ${USAGE})` : message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run({ files, format, persistTo, dryRun, report }: Arguments): Promise<void> {
  let total = 0;
  const users = () => usersOf(recordsOf(files, format));
  for await (const _ of users()) total += 1;
  const output = report === undefined ? null : openReport(report);
  if (!dryRun) await migrateLocal(persistTo);
  const database = dryRun ? await openLocalAsIs(persistTo) : await openLocal(persistTo);
  try {
    const tally = new Tally(total, say);
    const options = { db: database?.db ?? null, dryRun, now: toNumericDate(Date.now()) };
    for await (const row of importUsers(users(), options)) {
      if (output !== null) writeSync(output, `${JSON.stringify(row)}\n`);
      tally.add(row);
    }
    tally.sayProgress();
    console.log(JSON.stringify({ files, dry_run: dryRun, ...tally.summary() }));
  } finally {
    await database?.close();
    if (output !== null) closeSync(output);
  }
}

function readArguments(args: string[]): Arguments {
  const { values, positionals } = parsedArguments(args);
  const files = positionals.flatMap(filesOf);
  if (files.length === 0) throw new UsageError("name a file, several, or a folder of CSV files");
  if (values.local !== true) throw new UsageError("say --local: there is no other target yet");
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
  const persistTo = resolve(ROOT, values["persist-to"] ?? DEFAULT_PERSIST_TO);
  return { files, format, persistTo, dryRun: values["dry-run"] === true, report };
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
        local: { type: "boolean" },
        "persist-to": { type: "string" },
        "dry-run": { type: "boolean" },
        report: { type: "string" },
        format: { type: "string" },
      },
    });
  } catch (error) {
    const [sentence = "wrong options"] = (error instanceof Error ? error.message : "").split(". ");
    throw new UsageError(sentence);
  }
}

function openReport(path: string): number {
  try {
    return openSync(path, "w", OWNER_ONLY);
  } catch {
    throw new UsageError(`cannot write the report to ${path}`);
  }
}

function say(line: string): void {
  console.error(`import:django: ${line}`);
}
