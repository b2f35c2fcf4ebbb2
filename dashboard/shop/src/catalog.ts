// What the shop sells. Invented.
export type Kind = "tea" | "pots" | "cups";

export interface Product {
  slug: string;
  name: string;
  kind: Kind;
  /** Cents. */
  price: number;
  line: string;
  about: string;
  /** What it is about, for trending topics. */
  topics: string[];
  /** Hue of its picture, degrees. */
  hue: number;
}

export const KINDS: Record<Kind, string> = { tea: "Tea", pots: "Pots", cups: "Cups" };

export const PRODUCTS: Product[] = [
  { slug: "morning-fog", name: "Morning Fog", kind: "tea", price: 890, line: "Black tea, malty and quiet", about: "From small gardens above the clouds. Takes milk well. 100 g in a tin.", topics: ["black tea"], hue: 24 },
  { slug: "green-terrace", name: "Green Terrace", kind: "tea", price: 1150, line: "Green tea, grassy and bright", about: "First pick of spring, steamed. Two minutes at 70 °C are enough. 80 g in a tin.", topics: ["green tea"], hue: 128 },
  { slug: "smoke-house", name: "Smoke House", kind: "tea", price: 980, line: "Black tea, dried over pine", about: "For long evenings and short letters. 100 g in a tin.", topics: ["black tea", "smoked"], hue: 352 },
  { slug: "snow-bud", name: "Snow Bud", kind: "tea", price: 1640, line: "White tea, soft as rain", about: "Buds only, picked before they open, dried in the shade. 50 g in a tin.", topics: ["white tea"], hue: 200 },
  { slug: "round-pot", name: "Round Pot", kind: "pots", price: 4200, line: "Stoneware, 0.8 litres", about: "Thrown by hand, glazed inside, with a strainer that catches every leaf.", topics: ["pots"], hue: 215 },
  { slug: "iron-pot", name: "Iron Pot", kind: "pots", price: 6900, line: "Cast iron, 1.2 litres", about: "Keeps its heat for an hour. Not for the stove.", topics: ["pots"], hue: 270 },
  { slug: "two-cups", name: "Two Cups", kind: "cups", price: 2400, line: "Stoneware, a pair", about: "Thin at the lip, thick at the foot. For the dishwasher, too.", topics: ["cups"], hue: 40 },
  { slug: "travel-cup", name: "Travel Cup", kind: "cups", price: 2950, line: "Steel, closes tight", about: "Six hours hot, and the lid comes apart for cleaning.", topics: ["cups", "travel"], hue: 165 },
];

export const product = (slug: string): Product | undefined => PRODUCTS.find((each) => each.slug == slug);

const format = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });
export const money = (cents: number): string => format.format(cents / 100);
