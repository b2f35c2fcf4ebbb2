// How the site did in the range: its numbers, their chart, and a list for every dimension.

import type { Context } from "../context.js";
import { Card } from "./card.js";
import { CARDS } from "./cards.js";
import { List } from "./list.js";
import { Traffic } from "./traffic.js";

export function Overview({ context }: { context: Context }) {
  if (context.state.list) return <List list={context.state.list} context={context} />;
  return (
    <>
      <Traffic context={context} />
      <div class="cards">{CARDS.map((card) => <Card key={card.id} card={card} context={context} />)}</div>
    </>
  );
}
