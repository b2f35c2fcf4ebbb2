import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { MetricsSchema, RowSchema } from "../gen/pistats/query/v1/query_pb.js";
import { toCsv, toJson } from "./csv.js";
import { fileName } from "./download.js";
import { growth, metric } from "./metrics.js";
import { pageLink, valueName } from "./names.js";
import { bytes, change, compact, duration, latency, short, shown, whole } from "./numbers.js";
import { rowsTable } from "./tables.js";

describe("numbers", () => {
  it("are whole below ten million and short from there on, on axes from ten thousand on", () => {
    expect([short(9_999_999), short(10_000_000), short(12_345_678n)]).toEqual(["9,999,999", "10M", "12.35M"]);
    expect([compact(9_999), compact(10_000), compact(1_234_567n)]).toEqual(["9,999", "10K", "1.2M"]);
    expect(whole(18_446_744_073_709_551_615n)).toBe("18,446,744,073,709,551,615");
  });
  it("of time read as people say them", () => {
    expect([0, 59_400_000, 60e6, 3_599e6, 3_600e6, 90_000e6].map(duration)).toEqual(["0s", "59s", "1m 00s", "59m 59s", "1h 00m", "1d 1h"]);
    expect([85_000, 1_200_000, 42e6].map(latency)).toEqual(["85 ms", "1.2 s", "42 s"]);
  });
  it("of bytes have binary units", () => expect([0, 1023, 1024, 1.5 * 2 ** 20].map(bytes)).toEqual(["0 B", "1,023 B", "1.0 KiB", "1.5 MiB"]));
  it("that grew say by how much, and nothing where there was nothing", () => {
    expect([growth(150, 100), growth(5, 0), growth(undefined, 3)]).toEqual([0.5, undefined, undefined]);
    expect([change(0.5), change(-0.25), change(0), change(40)]).toEqual(["+50%", "-25%", "0%", ">999%"]);
  });
  it("of ratios come from the sums, and there is none without sessions", () => {
    const sums = create(MetricsSchema, { sessions: 4n, bounces: 1n, sessionUs: 120_000_000n, sessionPageViews: 10n, valueCount: 2n, valueSumMicros: 12_500_000n });
    expect(["bounce_rate", "session_time", "views_per_session", "value"].map((key) => shown(metric(key as "value"), metric(key as "value").of(sums)))).toEqual(["25%", "30s", "2.50", "12.50"]);
    expect(shown(metric("bounce_rate"), metric("bounce_rate").of(create(MetricsSchema)))).toBe("–");
  });
});

describe("names", () => {
  it("say countries and languages in words, and the empty value by its own name", () => {
    expect([valueName("country", "DE"), valueName("language", "pt-BR"), valueName("source", ""), valueName("country", "??")]).toEqual(["Germany", "Brazilian Portuguese", "Direct / none", "??"]);
  });
  it("link to pages only, and never to a script", () => {
    expect(pageLink("page", "example.org/a", "x")).toBe("https://example.org/a");
    expect(pageLink("path", "/a", "example.org")).toBe("https://example.org/a");
    expect([pageLink("path", "/a", "my site"), pageLink("country", "DE", "x"), pageLink("url", "javascript:alert(1)", "x")]).toEqual([undefined, undefined, undefined]);
  });
});

describe("a file", () => {
  it("of CSV quotes what needs it, doubles quotes, ends lines with CRLF", () => {
    expect(toCsv({ columns: ["a", "b"], rows: [["x,y", 1n], ['say "hi"', undefined], ["two\nlines", 0.5]] })).toBe('\ufeffa,b\r\n"x,y",1\r\n"say ""hi""",\r\n"two\nlines",0.5\r\n');
  });
  it("of CSV holds no formula", () => {
    const rows = ["=1+1", "+1", "-1", "@x", "\tx"].map((text) => [text]);
    expect(toCsv({ columns: ["v"], rows }).split("\r\n").slice(1, 6)).toEqual(["'=1+1", "'+1", "'-1", "'@x", "'\tx"]);
    expect(toCsv({ columns: ["v"], rows: [[-1]] })).toContain("\r\n-1\r\n");
  });
  it("of JSON keeps every digit", () => {
    expect(JSON.parse(toJson({ columns: ["n", "big", "no"], rows: [[5n, 9_007_199_254_740_993n, undefined]] }))).toEqual([{ n: 5, big: "9007199254740993", no: null }]);
  });
  it("has every sum of a row", () => {
    const table = rowsTable("page", [create(RowSchema, { value: "/", metrics: { visitors: 3n, sessionUs: 1_500_000n } })], false);
    expect(Object.fromEntries(table.columns.map((column, at) => [column, table.rows[0]?.[at]]))).toMatchObject({ page: "/", visitors: 3n, session_seconds: 1.5, events: 0n });
  });
  it("has a name that every system takes", () => expect(fileName(["ex/am ple", "נתונים", ""], "csv")).toBe("ex_am_ple-נתונים.csv"));
});
