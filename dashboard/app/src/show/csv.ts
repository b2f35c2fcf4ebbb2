// Tables as files. CSV after RFC 4180 (CRLF, quotes doubled), with a mark of UTF-8 in front, which spreadsheets want.
//
// A text that a spreadsheet would take for a formula gets an apostrophe in front: anybody can send a page's title to a site.

export type Cell = string | number | bigint | boolean | undefined;

export interface Table {
  columns: string[];
  rows: Cell[][];
}

function csvCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell !== "string") return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

export function toCsv({ columns, rows }: Table): string {
  return `\ufeff${[columns, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;
}

/** An array of objects; whole numbers beyond what a double holds become text. */
export function toJson({ columns, rows }: Table): string {
  const plain = (cell: Cell) => (typeof cell === "bigint" ? (BigInt(Number(cell)) === cell ? Number(cell) : String(cell)) : (cell ?? null));
  const objects = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, plain(row[at])])));
  return `${JSON.stringify(objects, null, 1)}\n`;
}
