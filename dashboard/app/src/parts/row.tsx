// One row of a list: a value with a bar, its number, and what one can do with it. The row is a filter.

import type { ComponentChildren } from "preact";
import { valueName } from "../show/names.js";
import { percent } from "../show/numbers.js";
import { CountryCode } from "./country.js";
import { Icon } from "./icons.js";

interface Props {
  by: string;
  value: string;
  /** Part of the greatest row, 0 to 1: the bar. */
  part: number;
  share?: number | undefined;
  onPick?: (() => void) | undefined;
  onExclude?: (() => void) | undefined;
  link?: string | undefined;
  children: ComponentChildren;
}

export function ListRow({ by, value, part, share, onPick, onExclude, link, children }: Props) {
  const name = valueName(by, value);
  const shown = (
    <>
      {by === "country" && <CountryCode country={value} />}
      <bdi class={value === "" ? "value is-none" : "value"}>{name}</bdi>
    </>
  );
  return (
    <li class="row">
      <span class="bar" style={{ inlineSize: `${Math.max(0, Math.min(1, part)) * 100}%` }} />
      {onPick ? <button type="button" class="row-main" title={name === value ? value : `${name} (${value})`} onClick={onPick}>{shown}</button>
        : <span class="row-main" title={value || name}>{shown}</span>}
      <span class="row-tools">
        {link && <a href={link} target="_blank" rel="noreferrer noopener" class="tool" aria-label={`Open ${name}`} title="Open the page"><Icon name="open" /></a>}
        {onExclude && <button type="button" class="tool" aria-label={`Exclude ${name}`} title="Exclude: is not" onClick={onExclude}><Icon name="not" /></button>}
      </span>
      <span class="row-numbers">
        {children}
        {share !== undefined && <span class="share">{percent(share)}</span>}
      </span>
    </li>
  );
}
