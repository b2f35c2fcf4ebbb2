//! The magazine: nothing to buy, something to read.

use super::{Kind, Page, Place, page, post};

pub(in crate::demo) const PLACE: Place = Place {
    origin: "https://slow-kitchen.example",
    pages: PAGES,
    terms: &["sourdough", "ferment", "broth", "beans", "pickles", "knife", "iron pan", "rice"],
    topics: &["bread", "ferments", "vegetables", "tools", "coffee", "season"],
};

#[rustfmt::skip]
const PAGES: &[Page] = &[
    page(Kind::Home, "/", "Slow Kitchen: cooking that takes its time", 100),
    post("/sourdough-in-a-cold-kitchen", "Sourdough in a cold kitchen", &["bread", "season"], 30),
    post("/rye-in-three-days", "Rye in three days", &["bread"], 14),
    post("/flatbread-tonight", "Flatbread, tonight after all", &["bread"], 19),
    post("/sauerkraut-by-weight", "Sauerkraut by weight, not by feeling", &["ferments", "vegetables"], 22),
    post("/kombucha-without-fear", "Kombucha without fear", &["ferments"], 17),
    post("/miso-for-next-year", "Miso for next year", &["ferments"], 9),
    post("/beans-deserve-better", "Beans deserve better", &["vegetables"], 24),
    post("/a-soup-for-each-month", "A soup for each month", &["vegetables", "season"], 26),
    post("/what-to-do-with-celeriac", "What to do with celeriac", &["vegetables", "season"], 12),
    post("/one-knife", "One knife is enough", &["tools"], 28),
    post("/iron-pans-forgive", "Iron pans forgive", &["tools"], 21),
    post("/scales-before-thermometers", "Scales before thermometers", &["tools", "bread"], 10),
    post("/cold-brew", "Cold brew: coffee, and the other one", &["coffee", "season"], 18),
    post("/moka-is-not-espresso", "Moka is not espresso", &["coffee", "tools"], 20),
    post("/grind-finer", "Grind finer, then coarser again", &["coffee"], 13),
    page(Kind::Other, "/about", "Who cooks here", 12),
    page(Kind::Other, "/archive", "Everything, by month", 22),
    page(Kind::Other, "/search", "Search", 16),
    page(Kind::Other, "/letter", "The Sunday letter", 18),
];
