/**
 * `npm run import:django -- FILE --local [--persist-to DIR] [--dry-run] [--report FILE]`: takes the users of a
 * `dumpdata` file over into the local D1. The file is read twice, so that one that cannot be read to its end changes
 * nothing. stdout gets one JSON object, stderr the progress. Exit status: 0 if every user got a verdict, refusals
 * included; 1 if the file or the database failed; 2 if the command line is wrong.
 */
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  realpathSync,
  statSync,
  writeSync,
} from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/wrangler.ts";
import { toNumericDate } from "../time.ts";
import { type DjangoUser, readUsers } from "./dumpdata.ts";
import { importUsers } from "./import-users.ts";
import { migrateLocal, openLocal, openLocalAsIs } from "./local-d1.cli.ts";
import { Tally } from "./tally.ts";

const USAGE = "npm run import:django -- FILE --local [--persist-to DIR] [--dry-run] [--report FILE]";
const DEFAULT_PERSIST_TO = ".wrangler/state";
const OWNER_ONLY = 0o600;

class UsageError extends Error {}

type Arguments = { file: string; persistTo: string; dryRun: boolean; report: string | undefined };

try {
  await run(readArguments(process.argv.slice(2)));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  say(error instanceof UsageError ? `${message} (usage: ${USAGE})` : message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run({ file, persistTo, dryRun, report }: Arguments): Promise<void> {
  let total = 0;
  for await (const _ of usersOf(file)) total += 1;
  const output = report === undefined ? null : openReport(report);
  if (!dryRun) await migrateLocal(persistTo);
  const database = dryRun ? await openLocalAsIs(persistTo) : await openLocal(persistTo);
  try {
    const tally = new Tally(total, say);
    const options = { db: database?.db ?? null, dryRun, now: toNumericDate(Date.now()) };
    for await (const row of importUsers(usersOf(file), options)) {
      if (output !== null) writeSync(output, `${JSON.stringify(row)}\n`);
      tally.add(row);
    }
    tally.sayProgress();
    console.log(JSON.stringify({ file, dry_run: dryRun, ...tally.summary() }));
  } finally {
    await database?.close();
    if (output !== null) closeSync(output);
  }
}

function readArguments(args: string[]): Arguments {
  const { values, positionals } = parsedArguments(args);
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError("name one file");
  if (values.local !== true) throw new UsageError("say --local: there is no other target yet");
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
  if (!statSync(file).isFile()) throw new UsageError(`${file} is not a file that can be read twice`);
  const { report } = values;
  if (report !== undefined && existsSync(report) && realpathSync(report) === realpathSync(file)) {
    throw new UsageError("the report would overwrite the file");
  }
  const persistTo = resolve(ROOT, values["persist-to"] ?? DEFAULT_PERSIST_TO);
  return { file, persistTo, dryRun: values["dry-run"] === true, report };
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

async function* usersOf(file: string): AsyncGenerator<DjangoUser> {
  try {
    yield* readUsers(createReadStream(file));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function say(line: string): void {
  console.error(`import:django: ${line}`);
}
