//! The tea shop: some sixty pages.

use super::{Kind, Page, Place, page, post, product, shelf};

pub(in crate::demo) const PLACE: Place = Place {
    origin: "https://www.kettle-and-leaf.example",
    pages: PAGES,
    terms: &["matcha", "sencha", "gift", "earl grey", "decaf", "kettle", "oolong", "rooibos", "sample", "cold brew"],
    topics: &["matcha", "green tea", "black tea", "oolong", "herbal", "brewing", "teaware", "cold brew"],
};

#[rustfmt::skip]
const PAGES: &[Page] = &[
    page(Kind::Home, "/", "Kettle & Leaf: loose tea, sent fresh", 100),
    shelf("/shop", "All teas", &[], 40),
    shelf("/shop/green", "Green tea", &["green tea"], 24),
    shelf("/shop/black", "Black tea", &["black tea"], 20),
    shelf("/shop/oolong", "Oolong", &["oolong"], 14),
    shelf("/shop/herbal", "Herbal infusions", &["herbal"], 12),
    shelf("/shop/matcha", "Matcha", &["matcha"], 22),
    shelf("/shop/teaware", "Pots, cups and kettles", &["teaware"], 16),
    shelf("/shop/gifts", "Gifts", &[], 9),
    product("/shop/green/sencha-spring", "Sencha, first spring picking", &["green tea"], 1_890, 22),
    product("/shop/green/gyokuro-shade", "Gyokuro, twenty days of shade", &["green tea"], 3_450, 9),
    product("/shop/green/longjing", "Longjing, pan-fired", &["green tea"], 2_690, 12),
    product("/shop/green/genmaicha", "Genmaicha with toasted rice", &["green tea"], 1_250, 14),
    product("/shop/green/jasmine-pearls", "Jasmine pearls", &["green tea"], 1_990, 15),
    product("/shop/black/assam-breakfast", "Assam breakfast", &["black tea"], 1_150, 24),
    product("/shop/black/darjeeling-first-flush", "Darjeeling, first flush", &["black tea"], 2_250, 13),
    product("/shop/black/earl-grey", "Earl Grey with real bergamot", &["black tea"], 1_290, 25),
    product("/shop/black/lapsang", "Lapsang souchong, pine smoke", &["black tea"], 1_590, 7),
    product("/shop/black/ceylon-uva", "Ceylon Uva", &["black tea"], 1_190, 8),
    product("/shop/oolong/tieguanyin", "Tieguanyin", &["oolong"], 2_390, 10),
    product("/shop/oolong/da-hong-pao", "Da Hong Pao, rock oolong", &["oolong"], 3_190, 6),
    product("/shop/oolong/milk-oolong", "Milk oolong", &["oolong"], 1_890, 13),
    product("/shop/herbal/peppermint", "Peppermint", &["herbal"], 690, 11),
    product("/shop/herbal/rooibos-vanilla", "Rooibos with vanilla", &["herbal"], 890, 14),
    product("/shop/herbal/hibiscus", "Hibiscus and rose hip", &["herbal", "cold brew"], 790, 8),
    product("/shop/herbal/lemon-verbena", "Lemon verbena", &["herbal"], 850, 6),
    product("/shop/matcha/ceremonial", "Matcha for the bowl", &["matcha"], 2_990, 20),
    product("/shop/matcha/kitchen", "Matcha for the kitchen", &["matcha"], 1_490, 16),
    product("/shop/matcha/starter-set", "Matcha starter set", &["matcha", "teaware"], 5_900, 15),
    product("/shop/teaware/kyusu", "Kyusu, side handle", &["teaware"], 4_900, 7),
    product("/shop/teaware/glass-pot", "Glass pot with strainer", &["teaware"], 3_200, 11),
    product("/shop/teaware/gaiwan", "Gaiwan, porcelain", &["teaware"], 2_400, 8),
    product("/shop/teaware/kettle-gooseneck", "Gooseneck kettle, set to the degree", &["teaware", "brewing"], 8_900, 12),
    product("/shop/teaware/cold-brew-bottle", "Cold-brew bottle", &["teaware", "cold brew"], 2_100, 9),
    product("/shop/gifts/tasting-box", "Tasting box, twelve teas", &[], 2_900, 18),
    product("/shop/gifts/gift-card", "Gift card", &[], 5_000, 6),
    page(Kind::Other, "/about", "About us", 14),
    page(Kind::Other, "/about/growers", "The growers", 8),
    page(Kind::Other, "/help/shipping", "Shipping and returns", 16),
    page(Kind::Other, "/help/contact", "Contact", 10),
    page(Kind::Other, "/subscription", "Tea every month", 15),
    page(Kind::Other, "/account", "Your account", 12),
    page(Kind::Other, "/search", "Search", 14),
    post("/blog/how-hot-is-too-hot", "How hot is too hot?", &["brewing", "green tea"], 26),
    post("/blog/matcha-without-lumps", "Matcha without lumps", &["matcha", "brewing"], 22),
    post("/blog/what-ceremonial-means", "What “ceremonial” means, and what it does not", &["matcha"], 12),
    post("/blog/cold-brew-overnight", "Cold brew overnight", &["cold brew", "brewing"], 19),
    post("/blog/iced-oolong", "Iced oolong in ten minutes", &["cold brew", "oolong"], 9),
    post("/blog/gongfu-at-the-desk", "Gongfu at the desk", &["oolong", "teaware", "brewing"], 11),
    post("/blog/why-first-flush", "Why first flush?", &["black tea"], 10),
    post("/blog/milk-first", "Milk first, or tea?", &["black tea"], 21),
    post("/blog/caffeine-by-the-cup", "Caffeine by the cup", &["green tea", "black tea"], 30),
    post("/blog/evening-infusions", "Seven infusions for the evening", &["herbal"], 15),
    post("/blog/descale-your-kettle", "Descale your kettle without vinegar", &["teaware"], 24),
    post("/blog/which-pot-first", "Which pot first?", &["teaware"], 10),
    post("/blog/hard-water", "Hard water, soft tea", &["brewing"], 13),
    post("/blog/storing-tea", "Storing tea so that it stays tea", &["brewing"], 14),
    post("/blog/spring-picking-report", "From the garden: the spring picking", &["green tea"], 8),
    post("/blog/oolong-between", "Oolong, the tea in between", &["oolong"], 9),
    post("/blog/rooibos-is-no-tea", "Rooibos is no tea, and that is fine", &["herbal"], 9),
];

/// The pages of the way to the till; nobody lands on them.
pub(in crate::demo) const CART: Page = page(Kind::Other, "/cart", "Your cart", 0);
pub(in crate::demo) const CHECKOUT: Page = page(Kind::Other, "/checkout", "Checkout", 0);
pub(in crate::demo) const THANKS: Page = page(Kind::Other, "/checkout/thanks", "Thank you", 0);
