import { describe, expect, test } from "vitest";
import type { Work } from "../../../worker/passwords/derive.ts";
import { Queue } from "../../../worker/passwords/memory-hard/queue.ts";
import { Slices } from "../../../worker/passwords/slices.ts";

const STEPS = 20;
/** A step is as long as a whole round, so that each slice is one step. */
const STEP_US = 2_000;

/** A queue whose pauses end when the test says so, and a record of what was worked on. */
function bench() {
  const waiting: (() => void)[] = [];
  const pause = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const queue = new Queue({ slices: new Slices(), pause });
  const log: string[] = [];
  let open: string | null = null;
  const work = (name: string) => (): Work => {
    if (open !== null) throw new Error(`${name} was started while ${open} was under way`);
    open = name;
    log.push(`begin ${name}`);
    let done = 0;
    const close = () => {
      if (open === name) open = null;
    };
    return {
      steps: STEPS,
      stepUs: STEP_US,
      derivation: {
        advance(steps) {
          done += steps;
        },
        finish() {
          log.push(`finish ${name} after ${done}`);
          close();
          return new TextEncoder().encode(name);
        },
        abort() {
          log.push(`abort ${name}`);
          close();
        },
      },
    };
  };
  /** Gives every pause that began so far its turn, except those of the jobs that were cancelled. */
  const turn = async (cancelled = 0) => {
    for (const resume of waiting.splice(0).slice(cancelled)) resume();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, log, work, turn };
}

const text = async (result: Promise<Uint8Array>) => new TextDecoder().decode(await result);

describe("memory-hard hashes", () => {
  test("are computed one after another, in the order they came, each to its own result", async () => {
    const { queue, log, work, turn } = bench();
    const names = ["a", "b", "c"];
    const results = names.map((name) => text(queue.run(work(name))));
    for (let count = 0; count < 3 * STEPS; count += 1) await turn();
    expect(await Promise.all(results)).toEqual(names);
    const one = (name: string) => [`begin ${name}`, `finish ${name} after ${STEPS}`];
    expect(log).toEqual(names.flatMap(one));
  });

  test("whoever waits works on the first: three together need a third of the turns for it", async () => {
    const { queue, log, work, turn } = bench();
    for (const name of ["a", "b", "c"]) void queue.run(work(name));
    for (let count = 0; count < STEPS / 3; count += 1) await turn();
    expect(log).toContain(`finish a after ${STEPS}`);
  });

  test("one that is cancelled between two slices holds nobody up, and its memory is given back", async () => {
    const { queue, log, work, turn } = bench();
    void queue.run(work("cancelled"));
    const next = text(queue.run(work("next")));
    await turn(1);
    for (let count = 0; count < 2 * STEPS + 20; count += 1) await turn();
    expect(await next).toBe("next");
    expect(log.indexOf("begin next")).toBeGreaterThan(0);
  });

  test("one that was taken to be gone and comes back is begun anew and comes to its result", async () => {
    const slices = new Slices();
    const resumes: (() => void)[] = [];
    const pause = () => new Promise<void>((resolve) => void resumes.push(resolve));
    const { work, log } = bench();
    const queue = new Queue({ slices, pause });
    const slow = text(queue.run(work("slow")));
    const [late] = resumes.splice(0);
    const quick = text(queue.run(work("quick")));
    for (let count = 0; count < 3 * STEPS; count += 1) {
      for (const resume of resumes.splice(0)) resume();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await quick).toBe("quick");
    expect(log.slice(0, 3)).toEqual(["begin slow", "abort slow", "begin quick"]);
    late?.();
    for (let count = 0; count < 2 * STEPS; count += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const resume of resumes.splice(0)) resume();
    }
    expect(await slow).toBe("slow");
  });

  test("one that cannot begin fails alone", async () => {
    const { queue, work, turn } = bench();
    const failing = queue.run(() => {
      throw new RangeError("no memory");
    });
    const next = text(queue.run(work("next")));
    await expect(failing).rejects.toThrow("no memory");
    for (let count = 0; count < STEPS; count += 1) await turn();
    expect(await next).toBe("next");
  });
});
