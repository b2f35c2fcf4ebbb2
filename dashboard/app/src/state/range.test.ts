import { describe, expect, it } from "vitest";
import { comparedDay, nextCompare, sameHours, type CompareKey } from "./compare.js";
import { addDays, addMonths, daysBetween, isDay, lastOfMonth } from "./days.js";
import { intervals, move, resolve, type RangeChoice, type RangeKey } from "./range.js";
import { endOfDay, instantOf, localDay, startOfDay, timeOfDay } from "./zone.js";
import { random } from "../testing/random.js";

const TODAY = "2026-03-15";

describe("days", () => {
  it("a month later keeps the date, or takes the month's last", () => {
    expect(addMonths("2024-02-29", -12)).toBe("2023-02-28");
    expect(addMonths("2026-01-31", 1)).toBe("2026-02-28");
    expect(addMonths("2026-12-05", 1)).toBe("2027-01-05");
    expect(lastOfMonth("2024-02-10")).toBe("2024-02-29");
  });
  it("a text that is no day is none", () => {
    expect(["2026-02-30", "2026-2-3", "", "2026-13-01"].filter(isDay)).toEqual([]);
    expect(isDay("2024-02-29")).toBe(true);
  });
});

describe("a range", () => {
  it.each<[RangeChoice, string, string]>([
    [{ key: "today" }, TODAY, TODAY],
    [{ key: "yesterday" }, "2026-03-14", "2026-03-14"],
    [{ key: "7d" }, "2026-03-09", TODAY],
    [{ key: "30d" }, "2026-02-14", TODAY],
    [{ key: "month" }, "2026-03-01", TODAY],
    [{ key: "month", date: "2026-02-10" }, "2026-02-01", "2026-02-28"],
    [{ key: "year" }, "2026-01-01", TODAY],
    [{ key: "year", date: "2024-05-05" }, "2024-01-01", "2024-12-31"],
    [{ key: "custom", first: "2013-05-17", last: "2013-01-01" }, "2013-01-01", "2013-05-17"],
  ])("%o is %s to %s", (choice, first, last) => expect(resolve(choice, TODAY)).toEqual({ first, last }));

  it("of all time begins with the oldest event", () => {
    expect(resolve({ key: "all" }, TODAY, "2013-01-01")).toEqual({ first: "2013-01-01", last: TODAY });
  });

  it("moved back and forth again is the range that it was, and never goes beyond today", () => {
    for (const key of ["today", "7d", "30d", "month", "year"] as RangeKey[]) {
      for (let times = 1; times <= 15; times++) {
        let choice: RangeChoice = { key };
        for (let step = 0; step < times; step++) {
          const before = resolve(choice, TODAY);
          choice = move(choice, -1, TODAY);
          expect(resolve(choice, TODAY).last, key).toBe(addDays(before.first, -1));
        }
        for (let step = 0; step < times; step++) choice = move(choice, 1, TODAY);
        expect(choice).toEqual({ key });
        expect(move(choice, 1, TODAY)).toEqual(choice);
      }
    }
  });

  it("of chosen days moves by its own length", () => {
    const choice: RangeChoice = { key: "custom", first: "2026-01-10", last: "2026-01-12" };
    expect(move(choice, -1, TODAY)).toEqual({ key: "custom", first: "2026-01-07", last: "2026-01-09" });
  });

  it("has steps of time that stay few", () => {
    for (const [days, hours] of [[1, 1440], [14, 336], [92, 92], [366, 366], [1500, 1500]] as const) {
      const range = { first: addDays(TODAY, 1 - days), last: TODAY };
      expect(daysBetween(range.first, range.last)).toBe(days);
      expect(intervals(range).length).toBeGreaterThan(1);
      expect(hours).toBeLessThan(10_000);
    }
    expect(intervals({ first: TODAY, last: TODAY })[0]).toBe("hour");
    expect(intervals({ first: "2013-01-01", last: TODAY })[0]).toBe("month");
  });
});

describe("a zone", () => {
  it("has days that follow one another without a gap, whatever its clock does", () => {
    for (const zone of ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia", "America/Sao_Paulo"]) {
      const dice = random(zone.length);
      for (let time = 0; time < 60; time++) {
        const day = addDays("2011-01-01", dice(5000));
        if (zone === "Pacific/Apia" && (day === "2011-12-29" || day === "2011-12-30")) continue;
        expect(localDay(zone, startOfDay(zone, day)), `${zone} ${day}`).toBe(day);
        expect(localDay(zone, startOfDay(zone, day) - 1)).toBe(addDays(day, -1));
        expect(endOfDay(zone, day)).toBe(startOfDay(zone, addDays(day, 1)));
      }
    }
  });
  it("begins the day after the gap where the clock skips midnight", () => {
    // Cairo, 2024-04-26: from 00:00 to 01:00.
    expect(new Date(startOfDay("Africa/Cairo", "2024-04-26")).toISOString()).toBe("2024-04-25T22:00:00.000Z");
    expect(instantOf("Europe/Berlin", "2026-10-25", 2.5 * 3_600_000)).toBe(Date.parse("2026-10-25T00:30:00Z"));
  });
});

describe("a comparison", () => {
  it("goes around", () => {
    const all: CompareKey[] = ["none", "previous", "year", "weekdays"];
    expect(all.map(nextCompare)).toEqual(["previous", "year", "weekdays", "none"]);
  });
  it("of a range that is not over is with the same hours of the compared days", () => {
    const now = Date.parse("2026-03-15T13:45:30Z");
    const times = sameHours({ first: "2026-03-09", last: "2026-03-15" }, "previous", "UTC", now);
    expect([times?.fromUs, times?.toUs]).toEqual([BigInt(Date.parse("2026-03-02T00:00:00Z")) * 1000n, BigInt(Date.parse("2026-03-08T13:45:00Z")) * 1000n]);
    const weekdays = sameHours({ first: "2026-03-15", last: "2026-03-15" }, "weekdays", "UTC", now);
    expect(weekdays?.fromUs).toBe(BigInt(Date.parse("2025-03-16T00:00:00Z")) * 1000n);
    expect(comparedDay("2026-03-15", { first: "2026-03-15", last: "2026-03-15" }, "year")).toBe("2025-03-15");
  });
  it("keeps the clock's time over a change of the clock", () => {
    // 29 March 2026 begins summer time in Berlin.
    const now = Date.parse("2026-03-29T10:00:00Z");
    const times = sameHours({ first: "2026-03-29", last: "2026-03-29" }, "previous", "Europe/Berlin", now);
    expect(timeOfDay("Europe/Berlin", Number((times?.toUs ?? 0n) / 1000n))).toBe(12 * 3_600_000);
  });
  it("of a range that is over is the server's", () => {
    expect(sameHours({ first: "2026-03-01", last: "2026-03-14" }, "previous", "UTC", Date.parse("2026-03-15T13:45:30Z"))).toBeUndefined();
    expect(sameHours({ first: "2026-03-15", last: "2026-03-15" }, "none", "UTC", Date.parse("2026-03-15T13:45:30Z"))).toBeUndefined();
    expect(sameHours({ first: "2026-03-15", last: "2026-03-15" }, "previous", "UTC", Date.parse("2026-03-15T00:00:30Z"))).toBeUndefined();
  });
});
