// A small shop that carries the real tracker, as a single-page app: what is clicked here appears on the dashboard.
//
// Page views come from the tracker by itself. The shop tells product_view (with topics), add_to_cart, remove_from_cart,
// begin_checkout, and purchase, which has a value.
import * as cart from "./cart.js";
import { product } from "./catalog.js";
import { at, titled } from "./pages.js";
import "./shop.css";

type Track = (name: string, details?: { props?: Record<string, unknown>; value?: number; topics?: string[] }) => void;

const BASE = "/shop/";
const main = document.getElementById("main") as HTMLElement;

/** The tracker may be blocked or late: the shop works without it. */
const tell: Track = (name, details) => {
  const page = window as { pistats?: Track & { q?: unknown[] } };
  const late = (...call: unknown[]): void => void (page.pistats!.q ??= []).push(call);
  (page.pistats ??= late as Track)(name, details);
};

const told = (text: string): void => {
  (document.getElementById("told") as HTMLElement).textContent = text;
};

const path = (): string => location.pathname.slice(BASE.length).replace(/\/$/, "");

const show = (): void => {
  const page = at(path());
  document.title = titled(page);
  main.innerHTML = page.html;
  (document.getElementById("count") as HTMLElement).textContent = String(cart.size());
  for (const link of document.querySelectorAll("header a"))
    if (link.getAttribute("href") == location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
};

/** What a page tells when one comes to it. */
const arrived = (): void => {
  const shown = at(path()).product;
  if (shown) tell("product_view", { props: { product: shown.slug }, topics: shown.topics });
  if (path() == "checkout" && cart.size()) tell("begin_checkout", { props: { items: cart.size() } });
};

const go = (to: string): void => {
  history.pushState(null, "", to);
  show();
  arrived();
  // As a new document would: from the top, and read from its start.
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
};

const change = (slug: string, by: number): void => {
  const line = cart.lines().find((each) => each.product.slug == slug);
  cart.set(slug, (line?.count ?? 0) + by);
  tell(by > 0 ? "add_to_cart" : "remove_from_cart", { props: { product: slug } });
  show();
};

const order = (form: HTMLFormElement): void => {
  const items = cart.lines();
  const delivery = new FormData(form).get("delivery");
  tell("purchase", {
    value: cart.total() / 100,
    props: { items: cart.size(), products: items.map((each) => each.product.slug).join(","), delivery },
    topics: [...new Set(items.flatMap((each) => each.product.topics))],
  });
  cart.empty();
  go(`${BASE}thanks`);
};

document.addEventListener("click", (event) => {
  const target = event.target as Element;
  const link = target.closest<HTMLAnchorElement>("a[data-inside]");
  // A click that means a new tab or window is the browser's.
  if (link && !event.defaultPrevented && event.button == 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) {
    event.preventDefault();
    if (link.href != location.href) go(link.href);
  }
  const { add, more, less } = target.closest<HTMLElement>("button")?.dataset ?? {};
  if (add) {
    cart.add(add);
    tell("add_to_cart", { props: { product: add } });
    (document.getElementById("count") as HTMLElement).textContent = String(cart.size());
    told(`${product(add)?.name ?? ""} is in the cart.`);
  }
  if (more) change(more, 1);
  if (less) change(less, -1);
  // The button was made anew: who uses the keyboard stays on it.
  const again = more ? `[data-more="${more}"]` : less ? `[data-less="${less}"]` : undefined;
  if (again) (main.querySelector<HTMLElement>(again) ?? main).focus();
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  order(event.target as HTMLFormElement);
});

addEventListener("popstate", () => {
  show();
  arrived();
});

show();
arrived();
