// Gives a table to the reader as a file.

import { toCsv, toJson, type Table } from "./csv.js";

export type FileKind = "csv" | "json";

export function fileName(parts: string[], kind: FileKind): string {
  const text = parts.filter(Boolean).join("-").replace(/[^\p{L}\p{N}.-]+/gu, "_").slice(0, 120);
  return `${text}.${kind}`;
}

export function download(table: Table, parts: string[], kind: FileKind): void {
  const text = kind === "csv" ? toCsv(table) : toJson(table);
  const blob = new Blob([text], { type: kind === "csv" ? "text/csv;charset=utf-8" : "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName(parts, kind);
  link.click();
  // The browser has read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
