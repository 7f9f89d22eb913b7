/** Usage: `orphan-guard.ts ROOT`. Once the process ROOT is gone, however it went, ends what is left of its tree. */
import { execFileSync } from "node:child_process";

const CHECK_MS = 300;
const LOOK_MS = 1500;
const root = Number(process.argv[2]);

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Every descendant of `root`, apart from this process and its own. */
function descendants(): number[] {
  const pairs = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    pairs
      .filter(([pid, of]) => of === parent && pid !== process.pid)
      .flatMap(([pid = 0]) => [pid, ...below(pid)]);
  return below(root);
}

// Known in time: the children of a process that was killed can no longer be found.
const tree = new Set(descendants());
setInterval(() => {
  for (const pid of tree) if (!isAlive(pid)) tree.delete(pid);
  for (const pid of descendants()) tree.add(pid);
}, LOOK_MS);
setInterval(() => {
  if (isAlive(root)) return;
  for (const pid of tree) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  process.exit(0);
}, CHECK_MS);
