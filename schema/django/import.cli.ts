/**
 * `npm run import:django -- EXPORT… (--local [--persist-to DIR] | --remote --env NAME) [--dry-run] [--report FILE]
 * [--format NAME]`: takes an export of Django over into D1. Everything is read once before anything is written, so that
 * an export that cannot be read to its end changes nothing. stdout gets one JSON object, stderr the progress. Exit
 * status: 0 if every record got a verdict, refusals included; 1 if the export or the database failed; 2 if the command
 * line is wrong.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { toNumericDate } from "../time.ts";
import type { ImportDatabase } from "./database.ts";
import { type Arguments, readArguments, type Target, USAGE, UsageError } from "./import-arguments.cli.ts";
import { migrateLocal, openLocal, openLocalAsIs } from "./local-d1.cli.ts";
import { Progress } from "./progress.ts";
import { openRemote } from "./remote-d1.cli.ts";
import { recordsOf } from "./source.ts";
import { Stage } from "./stage.ts";
import { JUDGED, survey, takeOver } from "./take-over.ts";
import { Tally } from "./tally.ts";

const OWNER_ONLY = 0o600;
/** On the terminal. */
const REFUSALS_SHOWN_MAX = 20;

const progress = new Progress(process.stderr, "import:django: ");

try {
  await run(readArguments(process.argv.slice(2)));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  progress.say(error instanceof UsageError ? `${message} (usage: ${USAGE})` : message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run({ files, format, target, dryRun, report }: Arguments): Promise<void> {
  using stage = new Stage();
  const source = () => recordsOf(files, format);
  progress.begin("records read", null);
  const counts = await survey(source, stage, () => progress.add());
  const absent = JUDGED.filter((table) => counts[table] === 0);
  for (const table of absent) progress.say(`no record of ${table} in the export`);
  const output = report === undefined ? null : openReport(report);
  const tell = (line: object) => {
    if (output !== null) writeSync(output, `${JSON.stringify(line)}\n`);
  };
  const database = await openTarget(target, dryRun);
  try {
    const tally = new Tally(JUDGED);
    const options = { db: database?.db ?? null, dryRun, now: toNumericDate(Date.now()) };
    progress.begin(
      "records",
      Object.values(counts).reduce((sum, count) => sum + count, 0),
    );
    for (const table of absent) tell({ table, verdict: "absent" });
    for await (const row of takeOver(source, stage, counts, options)) {
      tell(row);
      tally.add(row);
      progress.add();
      if (row.verdict === "refused" && tally.refused <= REFUSALS_SHOWN_MAX) {
        const { verdict: _, notes: __, ...shown } = row;
        progress.say(`refused: ${JSON.stringify(shown)}`);
      }
    }
    progress.end();
    const hidden = tally.refused - REFUSALS_SHOWN_MAX;
    if (hidden > 0) progress.say(`${hidden} more were refused: ${report ?? "--report FILE"} has them all`);
    console.log(JSON.stringify({ files, dry_run: dryRun, ...tally.summary(), absent }));
  } finally {
    database?.close();
    if (output !== null) closeSync(output);
  }
}

/** A dry run makes no database, and null is one that is not there. */
async function openTarget(
  target: Target,
  dryRun: boolean,
): Promise<{ db: ImportDatabase; close: () => void } | null> {
  if (target.kind === "remote") return { db: await openRemote(target.environment), close: () => undefined };
  if (!dryRun && migrateLocal(target.persistTo)) progress.say(`made a new database in ${target.persistTo}`);
  const db = dryRun ? await openLocalAsIs(target.persistTo) : openLocal(target.persistTo);
  return db === null ? null : { db, close: db.close };
}

function openReport(path: string): number {
  try {
    return openSync(path, "w", OWNER_ONLY);
  } catch {
    throw new UsageError(`cannot write the report to ${path}`);
  }
}
