/** The clock that the service reads. Alarms and the expiry of KV stay in real time. */
import { vi } from "vitest";

/** Moves the clock ahead of where it is now. */
export function passSeconds(seconds: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1000 });
}

/** Back to real time: for `afterEach`. */
export function stopClock(): void {
  vi.useRealTimers();
}
