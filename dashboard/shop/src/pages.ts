// The shop's pages, each as its title and the HTML of its main part. All text in them is the shop's own: nothing that a visitor
// typed is ever put in.
import * as cart from "./cart.js";
import { KINDS, money, product, PRODUCTS, type Kind, type Product } from "./catalog.js";
import { picture } from "./pictures.js";

export interface Page {
  title: string;
  html: string;
  /** What is looked at, if it is one thing. */
  product?: Product;
}

export const titled = ({ title }: Page): string => `${title} \u00b7 Kettle & Leaf`;

const card = (each: Product): string => `<li class="card">
  <a href="/shop/p/${each.slug}" data-inside>${picture(each)}<h2>${each.name}</h2></a>
  <p>${each.line}</p>
  <p class="row"><strong>${money(each.price)}</strong><button data-add="${each.slug}" aria-label="Add to cart: ${each.name}">Add to cart</button></p>
</li>`;

const list = (title: string, lead: string, products: Product[]): Page => ({
  title,
  html: `<h1>${title}</h1><p class="lead">${lead}</p><ul class="grid">${products.map(card).join("")}</ul>`,
});

const detail = (each: Product): Page => ({
  title: each.name,
  product: each,
  html: `<article class="detail">${picture(each)}<div>
    <p class="kind"><a href="/shop/c/${each.kind}" data-inside>${KINDS[each.kind]}</a></p>
    <h1>${each.name}</h1><p class="lead">${each.line}</p><p>${each.about}</p>
    <p class="row"><strong>${money(each.price)}</strong><button class="main" data-add="${each.slug}">Add to cart</button></p>
  </div></article>`,
});

const row = ({ product: each, count }: cart.Line): string => `<tr>
  <th scope="row"><a href="/shop/p/${each.slug}" data-inside>${each.name}</a></th>
  <td><button data-less="${each.slug}" aria-label="One ${each.name} less">−</button> <span>${count}</span>
    <button data-more="${each.slug}" aria-label="One ${each.name} more">+</button></td>
  <td class="number">${money(each.price * count)}</td></tr>`;

const basket = (): Page => ({
  title: "Cart",
  html: cart.size()
    ? `<h1>Cart</h1><table><thead><tr><th scope="col">What</th><th scope="col">How many</th><th scope="col" class="number">Price</th></tr></thead>
      <tbody>${cart.lines().map(row).join("")}</tbody>
      <tfoot><tr><th scope="row" colspan="2">Total</th><td class="number"><strong>${money(cart.total())}</strong></td></tr></tfoot></table>
      <p class="row"><a href="/shop/" data-inside>Go on looking</a><a class="button main" href="/shop/checkout" data-inside>Check out</a></p>`
    : `<h1>Cart</h1><p class="lead">Nothing in it yet.</p><p><a class="button main" href="/shop/" data-inside>Look around</a></p>`,
});

const checkout = (): Page =>
  cart.size()
    ? {
        title: "Checkout",
        html: `<h1>Checkout</h1><p class="lead">${cart.size()} ${cart.size() == 1 ? "thing" : "things"}, ${money(cart.total())} in all. What you type stays in this page.</p>
      <form id="order">
        <label>Name <input name="name" autocomplete="off" required /></label>
        <label>Street and town <input name="place" autocomplete="off" required /></label>
        <fieldset><legend>How it comes</legend>
          <label class="choice"><input type="radio" name="delivery" value="bicycle" checked /> By bicycle, tomorrow</label>
          <label class="choice"><input type="radio" name="delivery" value="pigeon" /> By pigeon, when it likes</label>
        </fieldset>
        <p class="row"><a href="/shop/cart" data-inside>Back to the cart</a><button class="main">Order for ${money(cart.total())}</button></p>
      </form>`,
      }
    : basket();

/** The page at a path below /shop/. */
export const at = (path: string): Page => {
  const [first = "", second = ""] = path.split("/");
  if (!first) return list("Tea, and what it takes", "Four teas, two pots, two cups. That is all one needs.", PRODUCTS);
  if (first == "c" && second in KINDS) {
    const kind = second as Kind;
    return list(KINDS[kind], "", PRODUCTS.filter((each) => each.kind == kind));
  }
  const shown = first == "p" ? product(second) : undefined;
  if (shown) return detail(shown);
  if (first == "cart") return basket();
  if (first == "checkout") return checkout();
  if (first == "thanks")
    return { title: "Thank you", html: `<h1>Thank you</h1><p class="lead">Your order is on its way. Not really: this is a demo.</p><p><a class="button main" href="/shop/" data-inside>Back to the shop</a></p>` };
  return { title: "Not here", html: `<h1>Not here</h1><p class="lead">Nothing lies at this address.</p><p><a class="button main" href="/shop/" data-inside>To the shop</a></p>` };
};

/** Every address that has a page, below /shop/: the build makes a file of each, so that any of them can be opened. */
export const PATHS: string[] = [...Object.keys(KINDS).map((kind) => `c/${kind}`), ...PRODUCTS.map(({ slug }) => `p/${slug}`), "cart", "checkout", "thanks"];
