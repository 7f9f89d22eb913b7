/** The command line of a simulation: how many runs, from which seed. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { seedFromClock } from "./run.ts";

const WHOLE = /^(?:0|[1-9][0-9]{0,9})$/;

/**
 * Reads `--COUNTED N`, `--seed S` (by default from the clock) and `--verbose`. Anything else ends the
 * process with exit status 2, and says how to ask.
 */
export function optionsOrExit(
  command: string,
  counted: string,
  usual: number,
): { count: number; seed: number; isVerbose: boolean } {
  const options: ParseArgsOptionsConfig = {
    [counted]: { type: "string", default: String(usual) },
    seed: { type: "string", default: String(seedFromClock()) },
    verbose: { type: "boolean", default: false },
  };
  try {
    const { values } = parseArgs({ options });
    const [count = 0, seed = 0] = [values[counted], values.seed].map(whole);
    if (count === 0) throw new Error(`--${counted} is at least 1`);
    return { count, seed, isVerbose: values.verbose === true };
  } catch (error) {
    const [problem] = (error instanceof Error ? error.message : String(error)).split(". ");
    console.error(
      `${command}: ${problem}\nusage: npm run ${command} -- [--${counted} N] [--seed S] [--verbose]`,
    );
    process.exit(2);
  }
}

function whole(value: unknown): number {
  if (typeof value !== "string" || !WHOLE.test(value)) throw new Error("numbers are whole, and not negative");
  return Number(value);
}
