// What is in the cart: slugs and counts, kept in this browser where that is allowed.
import { product, type Product } from "./catalog.js";

const PLACE = "kettle-and-leaf:cart";
/** Of one thing at most. */
const MOST = 20;

export interface Line {
  product: Product;
  count: number;
}

let counts: Record<string, number> = {};
try {
  counts = JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Record<string, number>;
} catch {} // Nothing is kept here: the cart begins empty.

export const lines = (): Line[] =>
  Object.entries(counts).flatMap(([slug, count]) => {
    const found = product(slug);
    return found && count > 0 ? [{ product: found, count }] : [];
  });

export const total = (): number => lines().reduce((sum, { product, count }) => sum + product.price * count, 0);
export const size = (): number => lines().reduce((sum, { count }) => sum + count, 0);

export const set = (slug: string, count: number): void => {
  counts[slug] = Math.max(0, Math.min(MOST, count));
  if (!counts[slug]) delete counts[slug];
  try {
    localStorage.setItem(PLACE, JSON.stringify(counts));
  } catch {} // Kept as long as the page lives, then.
};

export const add = (slug: string): void => set(slug, (counts[slug] ?? 0) + 1);
export const empty = (): void => Object.keys(counts).forEach((slug) => set(slug, 0));
