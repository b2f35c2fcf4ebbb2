// All rows of a list, for a download: page after page of the contract's greatest size, each a call of its own.

import { calls } from "../../calls/clients.js";
import type { Row } from "../../gen/pistats/query/v1/query_pb.js";
import { breakdown, daysRange, type Rows } from "../../state/questions.js";
import type { Context } from "../context.js";

const PAGE = 10_000;

export async function allRows({ state, key, days }: Context, rows: Omit<Rows, "limit" | "offset">): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const answer = await calls(key).query.breakdown(breakdown(state, daysRange(days), { ...rows, limit: PAGE, offset: all.length }));
    all.push(...answer.rows);
    if (answer.rows.length < PAGE || BigInt(all.length) >= answer.totalRows) return all;
  }
}
