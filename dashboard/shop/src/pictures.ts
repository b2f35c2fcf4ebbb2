// The shop's pictures: drawn, one a kind, in the product's hue.
import type { Product } from "./catalog.js";

const SHAPES = {
  tea: `<rect x="62" y="46" width="76" height="112" rx="8"/><rect class="light" x="62" y="74" width="76" height="46"/><rect class="dark" x="58" y="36" width="84" height="18" rx="6"/><path class="dark" d="M84 112c0-18 10-26 30-28 0 20-10 28-30 28z"/>`,
  pots: `<path d="M52 108a48 44 0 0 1 96 0c0 26-16 46-48 46s-48-20-48-46z"/><path class="dark" d="M78 68h44l-6-12H84z"/><circle class="dark" cx="100" cy="50" r="7"/><path class="line" d="M54 106c-16-2-22-14-30-30M147 96c26-6 30 34-2 32"/>`,
  cups: `<path d="M56 72h76v42c0 24-14 40-38 40s-38-16-38-40z"/><path class="line" d="M132 84c24-4 24 34-2 32"/><path class="steam" d="M80 56c-8-10 8-16 0-28M104 56c-8-10 8-16 0-28"/>`,
};

/** Decoration: the product's name stands beside it. */
export const picture = ({ kind, hue }: Product): string =>
  `<svg class="picture" viewBox="0 0 200 180" aria-hidden="true" style="--hue:${hue}">${SHAPES[kind]}</svg>`;
