// Two months of a small shop, for pictures: some thousand events that are the same in every run but for the clock. The demo of the
// program has far more, and takes its time to send them.
import type { Server, Site } from "./server.js";
import { idOf } from "./views.js";

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
];
const PAGES = ["/", "/shop", "/shop/green", "/shop/black", "/shop/matcha", "/blog/how-hot-is-too-hot", "/blog/caffeine-by-the-cup", "/about"];
const FROM = ["", "", "https://www.google.com/", "https://www.reddit.com/r/tea", "https://news.ycombinator.com/", ""];
const COUNTRIES = ["US", "DE", "GB", "FR", "IN", "JP"];
const DAY = 86_400_000;

/** Sends the months to the site; the last visitors are there now. */
export async function sendMonth(server: Server, site: Site, now = Date.now()): Promise<void> {
  let seed = 42;
  // Of a linear congruence the high bits: the low ones hardly change.
  const dice = (below: number) => ((seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 16) % below;
  const events = [];
  for (let day = 62; day >= 0; day--) {
    for (let visit = 0; visit < 24 + dice(14); visit++) {
      const person = dice(280);
      // Today's visits are spread over the hours that are over, some of them over the last minutes.
      const start = day === 0 ? now - (visit < 9 ? dice(280) * 1000 : dice(Math.max(1, Math.floor((now % DAY) / 1000))) * 1000) : now - day * DAY - dice(DAY / 1000) * 1000;
      const about = { visitorId: `p${person}`, userAgent: AGENTS[person % 3] ?? "", country: COUNTRIES[dice(COUNTRIES.length)] ?? "US", language: "en", screenWidth: person % 3 === 1 ? 390 : 1920, screenHeight: person % 3 === 1 ? 844 : 1080 };
      const length = 1 + dice(5);
      for (let at = 0; at < length; at++) {
        const time = Math.min(now, start + at * 40_000);
        const path = PAGES[at === 0 ? dice(3) : dice(PAGES.length)] ?? "/";
        events.push({ ...about, id: idOf(time), timeUs: BigInt(time) * 1000n, url: `https://www.kettle.example${path}`, title: `Kettle: ${path}`, referrer: at === 0 ? (FROM[dice(FROM.length)] ?? "") : "", topics: path.startsWith("/blog") ? ["caffeine"] : [] });
        if (path.startsWith("/shop/") && dice(3) === 0) events.push({ ...about, id: idOf(time + 1), timeUs: BigInt(Math.min(now, time + 9_000)) * 1000n, name: "add_to_cart", url: `https://www.kettle.example${path}`, properties: { plan: "none", kind: path.slice(6) } });
        if (path.startsWith("/shop/") && dice(8) === 0) events.push({ ...about, id: idOf(time + 2), timeUs: BigInt(Math.min(now, time + 20_000)) * 1000n, name: "purchase", url: "https://www.kettle.example/checkout", valueMicros: BigInt(8 + dice(40)) * 1_000_000n });
      }
    }
  }
  for (let at = 0; at < events.length; at += 1000) await server.as(site.server).ingest.collect({ events: events.slice(at, at + 1000) });
}
