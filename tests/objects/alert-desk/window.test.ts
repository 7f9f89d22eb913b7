import { describe, expect, test } from "vitest";
import { type AlertWindow, decideClose, decideRaise } from "../../../objects/alert-desk/window.ts";
import type { Alert } from "../../../schema/alerts.ts";

const NOW = 1_795_000_000;
const alert = (n: number, key = `user:${n}`): Alert => ({
  id: `alert-${n}`,
  kind: "security_event",
  key,
  at: NOW + n,
  facts: { n },
});

function raiseAll(alerts: Alert[], now = NOW, isBusy = false) {
  let window: AlertWindow | null = null;
  const sent: string[] = [];
  for (const one of alerts) {
    const decided = decideRaise(window, one, now, isBusy);
    window = decided.window;
    if (decided.isSent) sent.push(one.id);
  }
  if (window === null) throw new Error("nothing was raised");
  return { window, sent };
}

describe("alerts of one kind", () => {
  test("the first goes out at once, the same thing again is gathered", () => {
    const { window, sent } = raiseAll([alert(1, "a"), alert(2, "a"), alert(3, "b")]);
    expect(sent).toEqual(["alert-1", "alert-3"]);
    expect(window.gathered).toEqual({ count: 1, firstAt: NOW + 2, lastAt: NOW + 2, samples: [{ n: 2 }] });
  });

  test("of a flood five go out at once, and every other is counted", () => {
    const { window, sent } = raiseAll(Array.from({ length: 1000 }, (_, i) => alert(i)));
    expect(sent).toHaveLength(5);
    expect(window.gathered?.count).toBe(995);
    expect(window.gathered?.samples).toHaveLength(20);
  });

  test("while too much waits, everything is gathered", () => {
    expect(raiseAll([alert(1)], NOW, true)).toMatchObject({ sent: [], window: { gathered: { count: 1 } } });
  });

  test("a flood that goes on for a day is told in fewer than fifty messages, and each alert is in one", () => {
    let window: AlertWindow | null = null;
    let [messages, told] = [0, 0];
    for (let now = NOW; now <= NOW + 86_400; now += 10) {
      if (window !== null) {
        const closed = decideClose(window, now);
        window = closed.window;
        messages += closed.digest === null ? 0 : 1;
        told += closed.digest?.count ?? 0;
      }
      const decided = decideRaise(window, alert(now), now, false);
      window = decided.window;
      if (decided.isSent) [messages, told] = [messages + 1, told + 1];
    }
    expect(messages).toBeLessThan(50);
    expect(told + (window?.gathered?.count ?? 0)).toBe(8641);
  });

  test("a window ends when it ends, and after a quiet one all is as at first", () => {
    const { window } = raiseAll([alert(1)]);
    expect(decideClose(window, NOW + 59)).toEqual({ window, digest: null });
    expect(decideClose(window, NOW + 60)).toEqual({ window: null, digest: null });
    const busy = raiseAll([alert(1), alert(1)]).window;
    expect(decideClose(busy, NOW + 60).window).toMatchObject({ seconds: 120, endsAt: NOW + 180 });
    expect(decideRaise(window, alert(1), NOW + 60, false).isSent).toBe(true);
  });
});
