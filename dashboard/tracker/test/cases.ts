// What the encoder is asked for, and what must be read from its bytes. Each field alone, then what is special.
//
// `reads` is in the names of ingest.proto; numbers of 64 bits are texts, as in Protobuf's JSON.
import type { Event } from "../src/encode.js";

export interface Case {
  about: string;
  event: Event;
  /** What the bytes say, besides `id`, `time_us` and `sent_at_us`. */
  reads: Record<string, unknown>;
}

export const ID = "0190163d87f07abc8def0123456789ab";
export const TIME_US = 1718000000000000;
export const SENT_AT_US = 1718000000250000;

const one = (about: string, given: Partial<Event>, reads: Record<string, unknown>): Case => ({
  about,
  event: { id: ID, timeUs: TIME_US, ...given },
  reads,
});

export const cases: Case[] = [
  one("nothing but an id and a time", {}, {}),
  one("a visitor", { visitor: "0190163d-visitor" }, { visitor_id: "0190163d-visitor" }),
  one("a user", { user: "u-42" }, { user_id: "u-42" }),
  one("a name", { name: "signup" }, { name: "signup" }),
  one("a url", { url: "https://example.org/a?utm_source=news#part" }, { url: "https://example.org/a?utm_source=news#part" }),
  one("a referrer", { referrer: "https://search.example/" }, { referrer: "https://search.example/" }),
  one("a title", { title: "Prices" }, { title: "Prices" }),
  one("topics, in order", { topics: ["sport", "news"] }, { topics: ["sport", "news"] }),
  one("a language", { language: "pt-BR" }, { language: "pt-BR" }),
  one("a time zone", { timeZone: "America/Sao_Paulo" }, { time_zone: "America/Sao_Paulo" }),
  one("a screen", { width: 1920, height: 1080 }, { screen_width: 1920, screen_height: 1080 }),
  one("a value", { value: 19.99 }, { value_micros: "19990000" }),
  one("a value of zero", { value: 0 }, { value_micros: "0" }),
  one("a value below zero", { value: -0.5 }, { value_micros: "-500000" }),
  one("a value that binary fractions cannot hold", { value: 0.1 + 0.2 }, { value_micros: "300000" }),
  one("a value beyond 64 bits, at its bound", { value: 1e300 }, { value_micros: "9000000000000000000" }),
  one("a value beyond 64 bits, below zero", { value: -1e300 }, { value_micros: "-9000000000000000000" }),
  one("a value that is no number", { value: Number.NaN }, {}),
  one("properties", { props: { plan: "pro", seats: 3, trial: false } }, { properties: { plan: "pro", seats: "3", trial: "false" } }),
  one("an empty property", { props: { note: "" } }, { properties: { note: "" } }),
  one("properties that are nothing", { props: { gone: undefined, none: null } }, {}),
  one("a property with parts", { props: { cart: { items: [1, 2] } } }, { properties: { cart: '{"items":[1,2]}' } }),
  one("text of one, two, three and four bytes a character", { title: "a\u00e9\u20ac\u{1f600}" }, { title: "a\u00e9\u20ac\u{1f600}" }),
  one("half of a surrogate pair", { title: "a\ud83db" }, { title: "a\ufffdb" }),
  one("a NUL, which the collector would refuse", { title: "a\0b" }, { title: "ab" }),
  one("lengths of two bytes", { url: "/" + "x".repeat(200) }, { url: "/" + "x".repeat(200) }),
  one(
    "everything",
    {
      visitor: "v",
      user: "u",
      name: "purchase",
      url: "https://shop.example/thanks",
      referrer: "https://shop.example/cart",
      title: "Thanks",
      topics: ["shoes"],
      language: "de",
      timeZone: "Europe/Berlin",
      width: 390,
      height: 844,
      value: 42,
      props: { order: "o-1" },
    },
    {
      visitor_id: "v",
      user_id: "u",
      name: "purchase",
      url: "https://shop.example/thanks",
      referrer: "https://shop.example/cart",
      title: "Thanks",
      topics: ["shoes"],
      language: "de",
      time_zone: "Europe/Berlin",
      screen_width: 390,
      screen_height: 844,
      value_micros: "42000000",
      properties: { order: "o-1" },
    },
  ),
];
