// A campaign in words.

import { clockOf } from "../../campaigns/draft.js";
import { CampaignState, type CampaignContent } from "../../gen/pistats/push/v1/push_pb.js";
import { dayText, instantText } from "../../show/times.js";

export const STATES: Record<CampaignState, string> = {
  [CampaignState.UNSPECIFIED]: "unknown", [CampaignState.DRAFT]: "draft", [CampaignState.SCHEDULED]: "scheduled", [CampaignState.RUNNING]: "running",
  [CampaignState.PAUSED]: "paused", [CampaignState.DONE]: "done", [CampaignState.CANCELLED]: "cancelled",
};

export function whenText({ schedule }: CampaignContent, zone: string): string {
  const when = schedule?.when;
  switch (when?.case) {
    case "now": return "as soon as it is started";
    case "atUs": return `on ${instantText(Number(when.value / 1000n), zone)}`;
    case "localTime": return `at ${clockOf(when.value.minute)} of each visitor's own clock${when.value.day ? `, on ${dayText(when.value.day)}` : ""}`;
    case "usualHour": return "at each visitor's usual hour";
    case "onEnter": return "whenever somebody enters the segment";
    default: return "at no time yet";
  }
}

/** Why a message failed or was not sent, for people. */
const REASONS: Record<string, string> = {
  too_large: "too large for the push service", unauthorized: "the push service did not accept the signature", bad_request: "the push service refused it", server_error: "the push service failed, after all tries",
  rate_limited: "the push service was asked too often, after all tries", unreachable: "the push service could not be reached", refused_address: "an address that is not allowed", bad_subscription: "a subscription that cannot be used",
  expired: "the campaign had expired", left_segment: "had left the segment", capped: "had enough messages", missed: "the moment had passed", gone: "no subscription left", cancelled: "the campaign was cancelled",
};

export function reasonText(name: string): string {
  return REASONS[name] ?? name.replace(/_/g, " ");
}
