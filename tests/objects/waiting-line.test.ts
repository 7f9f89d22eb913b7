import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { WaitingLine } from "../../objects/waiting-line.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A door that lets `free` in; who was let in, in order. */
function door(free: number) {
  const line = new WaitingLine();
  const inside: string[] = [];
  const state = { free };
  const come = (name: string) =>
    line.join(
      () => {
        if (state.free === 0) return null;
        state.free -= 1;
        inside.push(name);
        return `${name} in`;
      },
      () => `${name} gave up`,
      5000,
    );
  const leave = () => {
    state.free += 1;
    line.move();
  };
  return { come, leave, inside, state, line };
}

it("first come, first served; a newcomer never passes whoever waits", async () => {
  const { come, leave, inside, state } = door(1);
  const answers = ["a", "b", "c"].map(come);
  expect(inside).toEqual(["a"]);
  state.free += 1; // nobody said so: the line has not moved
  answers.push(come("d"));
  expect(inside).toEqual(["a", "b"]);
  leave();
  leave();
  expect(await Promise.all(answers)).toEqual(["a in", "b in", "c in", "d in"]);
});

it("after its patience one gives up, and is asked no more", async () => {
  const { come, leave, inside } = door(0);
  const answer = come("a");
  await vi.advanceTimersByTimeAsync(4999);
  const late = come("b");
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toBe("a gave up");
  leave();
  expect(await late).toBe("b in");
  expect(inside).toEqual(["b"]);
});

it("it is told how many are ahead, and may refuse to wait behind them", async () => {
  const line = new WaitingLine();
  const ask = (ahead: number) => (ahead < 2 ? null : "too many");
  const giveUp = () => "gave up";
  const answers = [1, 2, 3].map(() => line.join(ask, giveUp, 5000));
  expect(await answers[2]).toBe("too many");
  await vi.advanceTimersByTimeAsync(5000);
  expect(await Promise.all(answers)).toEqual(["gave up", "gave up", "too many"]);
});

it("a question that throws fails alone", async () => {
  const { leave, line, come } = door(0);
  let isBroken = false;
  const ask = () => {
    if (isBroken) throw new Error("broken");
    return null;
  };
  const failing = line.join<string>(ask, () => "gave up", 5000);
  const other = come("a");
  isBroken = true;
  leave();
  await expect(failing).rejects.toThrow("broken");
  expect(await other).toBe("a in");
});
