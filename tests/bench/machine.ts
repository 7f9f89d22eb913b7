/** What the run ran on, and how much of it the runtime has used. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/wrangler.ts";

/** Linux counts CPU in hundredths of a second, whatever the kernel's own clock. */
const MS_PER_TICK = 10;
const PPID_FIELD = 1;
const UTIME_FIELD = 11;
const STIME_FIELD = 12;

export type Machine = {
  date: string;
  cores: number;
  cpu: string;
  memoryGib: number;
  node: string;
  workerd: string;
  /** Where the objects' files are: what a commit costs depends on it. `TMPDIR` moves them. */
  storage: string;
  load: number;
};

export function machine(): Machine {
  return {
    date: new Date().toISOString(),
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    workerd: versionOf("workerd"),
    storage: tmpdir(),
    load: loadavg()[0] ?? Number.NaN,
  };
}

function versionOf(name: string): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8"));
  return String(manifest.version);
}

/** The process of the runtime that this process started, or null where the system does not tell. */
export function runtimePid(): number | null {
  try {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const isIt = (pid: string) => commOf(pid) === "workerd" && stat(pid)[PPID_FIELD] === String(process.pid);
    return Number(pids.find(isIt) ?? Number.NaN) || null;
  } catch {
    return null;
  }
}

/** All CPU time of the process so far, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const fields = stat(String(pid));
  return (Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD])) * MS_PER_TICK;
}

/** What the process holds of the machine's memory at this moment, in MiB. */
export function memoryMibOf(pid: number): number {
  const [, kib = Number.NaN] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

/** The fields after the name, which may itself hold spaces (proc(5)). */
function stat(pid: string): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    return line.slice(line.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function commOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
