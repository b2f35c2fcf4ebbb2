// CSV and JSON of what is shown. The table is made when it is asked for; rows beyond the screen are fetched then.

import { useState } from "preact/hooks";
import { sentence } from "../calls/failure.js";
import type { Table } from "../show/csv.js";
import { download, type FileKind } from "../show/download.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";

export function Downloads({ name, table, what }: { name: string[]; table: () => Table | Promise<Table>; what: string }) {
  const [problem, setProblem] = useState("");
  const give = async (kind: FileKind) => {
    try {
      setProblem("");
      download(await table(), name, kind);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <Menu label={<Icon name="download" />} name={`Download ${what}`} class="downloads" isEnd>
      {(close) => (
        <>
          {(["csv", "json"] as const).map((kind) => (
            <button key={kind} type="button" class="item" onClick={() => void give(kind).then(close)}>{kind.toUpperCase()} of all rows</button>
          ))}
          {problem && <p class="problem">{problem}</p>}
        </>
      )}
    </Menu>
  );
}
