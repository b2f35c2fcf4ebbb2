// A campaign while it is written: what the fields of the editor hold, as text where people type text, and the contract's message.
//
// Times are of the site's zone, as everything on the screen is; those of a visitor's own clock have no zone at all.

import { create } from "@bufbuild/protobuf";
import { CampaignContentSchema, MessageSchema, ScheduleSchema, Urgency, type CampaignContent, type Message, type Schedule } from "../gen/pistats/push/v1/push_pb.js";
import { isDay, type Day } from "../state/days.js";
import { instantOf, localDay, timeOfDay } from "../state/zone.js";

export type When = "now" | "at" | "local" | "usual" | "enter";
export type UrgencyKey = "very_low" | "low" | "normal" | "high";

export interface CampaignDraft {
  name: string;
  /** Empty: everybody with a subscription. */
  segmentId: string;
  title: string;
  body: string;
  icon: string;
  url: string;
  topic: string;
  urgency: UrgencyKey;
  ttlHours: number;
  when: When;
  /** Of `at`: "2026-01-31T18:00". */
  at: string;
  /** Of `local`: "18:00", and the day, or none. */
  clock: string;
  day: Day;
  /** Both empty: at any hour. */
  quietFrom: string;
  quietTo: string;
  /** 0: no cap. */
  capMessages: number;
  capDays: number;
  /** "2026-01-31T18:00", or empty. */
  expires: string;
}

const DEFAULT_TTL_HOURS = 24;

export const EMPTY: CampaignDraft = {
  name: "", segmentId: "", title: "", body: "", icon: "", url: "", topic: "", urgency: "normal", ttlHours: DEFAULT_TTL_HOURS, when: "now", at: "", clock: "18:00", day: "",
  quietFrom: "22:00", quietTo: "07:00", capMessages: 3, capDays: 7, expires: "",
};

const URGENCIES: Record<UrgencyKey, Urgency> = { very_low: Urgency.VERY_LOW, low: Urgency.LOW, normal: Urgency.NORMAL, high: Urgency.HIGH };

/** Minutes since midnight; undefined for what is no time of a day. */
export function minuteOf(clock: string): number | undefined {
  const found = /^([01]\d|2[0-3]):([0-5]\d)/.exec(clock);
  return found ? Number(found[1]) * 60 + Number(found[2]) : undefined;
}

export function clockOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** An instant of the site's clock, microseconds; 0 for what is none. */
export function instantUs(text: string, zone: string): bigint {
  const [day = "", clock = ""] = text.split("T");
  const minute = minuteOf(clock);
  return isDay(day) && minute !== undefined ? BigInt(instantOf(zone, day, minute * 60_000)) * 1000n : 0n;
}

export function instantLocal(us: bigint, zone: string): string {
  if (us === 0n) return "";
  const ms = Number(us / 1000n);
  return `${localDay(zone, ms)}T${clockOf(Math.floor(timeOfDay(zone, ms) / 60_000))}`;
}

export function toMessage({ title, body, icon, url, topic, urgency, ttlHours }: CampaignDraft): Message {
  return create(MessageSchema, { title, body, icon: icon.trim(), url: url.trim(), topic: topic.trim(), urgency: URGENCIES[urgency], ttlSeconds: Math.round(ttlHours * 3600) });
}

function toSchedule({ when, at, clock, day }: CampaignDraft, zone: string): Schedule {
  switch (when) {
    case "now": return create(ScheduleSchema, { when: { case: "now", value: {} } });
    case "at": return create(ScheduleSchema, { when: { case: "atUs", value: instantUs(at, zone) } });
    case "local": return create(ScheduleSchema, { when: { case: "localTime", value: { minute: minuteOf(clock) ?? 0, day } } });
    case "usual": return create(ScheduleSchema, { when: { case: "usualHour", value: {} } });
    case "enter": return create(ScheduleSchema, { when: { case: "onEnter", value: {} } });
  }
}

export function toContent(draft: CampaignDraft, zone: string): CampaignContent {
  const [from, to] = [minuteOf(draft.quietFrom), minuteOf(draft.quietTo)];
  return create(CampaignContentSchema, {
    name: draft.name.trim(), segmentId: draft.segmentId, message: toMessage(draft), schedule: toSchedule(draft, zone), expiresUs: instantUs(draft.expires, zone),
    ...(from !== undefined && to !== undefined ? { quietHours: { fromMinute: from, toMinute: to } } : {}),
    ...(draft.capMessages > 0 ? { frequencyCap: { messages: draft.capMessages, days: draft.capDays } } : {}),
  });
}

export function fromContent({ name, segmentId, message, schedule, quietHours, frequencyCap, expiresUs }: CampaignContent, zone: string): CampaignDraft {
  const when = schedule?.when;
  const names = { now: "now", atUs: "at", localTime: "local", usualHour: "usual", onEnter: "enter" } as const;
  const urgency = (Object.keys(URGENCIES) as UrgencyKey[]).find((key) => URGENCIES[key] === message?.urgency) ?? "normal";
  return {
    name, segmentId, title: message?.title ?? "", body: message?.body ?? "", icon: message?.icon ?? "", url: message?.url ?? "", topic: message?.topic ?? "", urgency,
    ttlHours: message?.ttlSeconds ? message.ttlSeconds / 3600 : DEFAULT_TTL_HOURS,
    when: when?.case ? names[when.case] : "now", at: when?.case === "atUs" ? instantLocal(when.value, zone) : "",
    clock: when?.case === "localTime" ? clockOf(when.value.minute) : EMPTY.clock, day: when?.case === "localTime" ? when.value.day : "",
    quietFrom: quietHours ? clockOf(quietHours.fromMinute) : "", quietTo: quietHours ? clockOf(quietHours.toMinute) : "",
    capMessages: frequencyCap?.messages ?? 0, capDays: frequencyCap?.days ?? EMPTY.capDays, expires: instantLocal(expiresUs, zone),
  };
}
