import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CampaignContentSchema, Urgency } from "../gen/pistats/push/v1/push_pb.js";
import { random } from "../testing/random.js";
import { clockOf, EMPTY, fromContent, instantLocal, instantUs, minuteOf, toContent, type CampaignDraft, type When } from "./draft.js";

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"];

describe("a campaign's draft", () => {
  it("is the same after it was a message of the contract, in every zone", () => {
    const dice = random(11);
    for (let round = 0; round < 300; round++) {
      const when = (["now", "at", "local", "usual", "enter"] as When[])[dice(5)] ?? "now";
      const isQuiet = dice(2) === 0;
      const draft: CampaignDraft = {
        ...EMPTY, name: `n${dice(9)}`, segmentId: dice(2) ? "0123456789abcdef0123456789abcdef" : "", title: "שלום", body: "b", icon: "https://a.test/i.png", url: dice(2) ? "https://a.test/" : "", topic: "t",
        urgency: (["very_low", "low", "normal", "high"] as const)[dice(4)] ?? "normal", ttlHours: 1 + dice(600), when, at: when === "at" ? "2026-07-01T18:30" : "",
        clock: when === "local" ? clockOf(dice(1440)) : EMPTY.clock, day: when === "local" && dice(2) ? "2026-07-01" : "",
        quietFrom: isQuiet ? "22:00" : "", quietTo: isQuiet ? "07:05" : "", capMessages: dice(3), capDays: 7, expires: dice(2) ? "2026-12-24T00:00" : "",
      };
      const zone = ZONES[dice(ZONES.length)] ?? "UTC";
      expect(fromContent(fromBinary(CampaignContentSchema, toBinary(CampaignContentSchema, toContent(draft, zone))), zone)).toEqual(draft);
    }
  });
  it("has its times on the site's clock", () => {
    expect(instantUs("2026-07-01T18:30", "Europe/Berlin")).toBe(BigInt(Date.parse("2026-07-01T16:30:00Z")) * 1000n);
    expect(instantLocal(BigInt(Date.parse("2026-01-01T23:30:00Z")) * 1000n, "Asia/Kathmandu")).toBe("2026-01-02T05:15");
    for (const text of ["", "2026-02-30T10:00", "2026-02-01", "2026-02-01T24:00", "soon"]) expect(instantUs(text, "UTC")).toBe(0n);
    expect(instantLocal(0n, "UTC")).toBe("");
  });
  it("is sent without bounds that nobody set", () => {
    const content = toContent({ ...EMPTY, quietFrom: "", quietTo: "", capMessages: 0 }, "UTC");
    expect([content.quietHours, content.frequencyCap, content.expiresUs, content.schedule?.when.case, content.message?.urgency]).toEqual([undefined, undefined, 0n, "now", Urgency.NORMAL]);
  });
  it("reads times of a day from midnight to the last minute", () => {
    expect(["00:00", "23:59", "7:00", "24:00", "12:60", ""].map(minuteOf)).toEqual([0, 1439, undefined, undefined, undefined, undefined]);
    expect([0, 65, 1439].map(clockOf)).toEqual(["00:00", "01:05", "23:59"]);
  });
});
