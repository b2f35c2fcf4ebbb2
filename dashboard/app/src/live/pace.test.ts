import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pace } from "./pace.js";

describe("the pace of painting", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it.each([[10, 11], [3, 4]])("paints the first change at once, then at most %i times a second, the newest last", (perSecond, most) => {
    const painted: number[] = [];
    const paced = pace<number>(perSecond, (value) => painted.push(value));
    paced.push(0);
    expect(painted).toEqual([0]);
    for (let at = 1; at < 100; at++) {
      vi.advanceTimersByTime(10);
      paced.push(at);
    }
    expect(painted.length).toBeLessThanOrEqual(most);
    expect(painted.length).toBeGreaterThanOrEqual(most - 2);
    vi.advanceTimersByTime(1000);
    expect(painted.at(-1)).toBe(99);
  });

  it("paints a change after a pause at once", () => {
    const painted: number[] = [];
    const paced = pace<number>(3, (value) => painted.push(value));
    paced.push(1);
    vi.advanceTimersByTime(5000);
    paced.push(2);
    expect(painted).toEqual([1, 2]);
  });

  it("paints nothing after it was stopped", () => {
    const painted: number[] = [];
    const paced = pace<number>(3, (value) => painted.push(value));
    paced.push(1);
    paced.push(2);
    paced.stop();
    vi.advanceTimersByTime(5000);
    expect(painted).toEqual([1]);
  });
});
