// The traffic chart: a line of steps, the compared range behind it, the step that is not over yet dotted, nothing after now.
//
// A canvas says nothing to a screen reader: arrow keys move along the steps and each is read out, and the table of numbers
// is one download away. Colours come from the page's custom properties, so that dark and light hold here too.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Point {
  label: string;
  tick: string;
  value: number | undefined;
  compared?: number | undefined;
  comparedLabel?: string;
  isUnfinished: boolean;
}

interface Props {
  points: Point[];
  /** A value as text, and as text on the axis. */
  show: (value: number | undefined) => string;
  tick: (value: number) => string;
  name: string;
  comparedName?: string | undefined;
  isBars?: boolean;
  height?: number;
}

type Data = (number | null)[][];

/** Columns of uPlot: place, finished steps, the piece to the unfinished one, compared. */
export function columns(points: Point[]): Data {
  const places = points.map((_, place) => place);
  const open = points.findIndex((point) => point.isUnfinished);
  const value = (place: number) => points[place]?.value ?? null;
  const solid = places.map((place) => (place === open ? null : value(place)));
  const dotted = places.map((place) => (open >= 0 && (place === open || place === open - 1) ? value(place) : null));
  return [places, solid, dotted, points.map((point) => point.compared ?? null)];
}

export function Chart({ points, show, tick, name, comparedName, isBars = false, height = 220 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [at, setAt] = useState<number | undefined>();
  const latest = useRef({ points, tick });
  latest.current = { points, tick };
  const look = useLook();

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const made = new uPlot(options(box, look, isBars, height, latest, setAt), columns(latest.current.points) as uPlot.AlignedData, box);
    plot.current = made;
    const sizes = new ResizeObserver(() => {
      if (box.clientWidth !== made.width && box.clientWidth > 0) made.setSize({ width: box.clientWidth, height });
    });
    sizes.observe(box);
    return () => {
      sizes.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [look, isBars, height]);

  useEffect(() => plot.current?.setData(columns(points) as uPlot.AlignedData), [points]);

  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length };
    const by = steps[event.key];
    if (by === undefined || !plot.current || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = Math.max(0, Math.min(points.length - 1, (at ?? (by > 0 ? -1 : points.length)) + by));
    plot.current.setCursor({ left: plot.current.valToPos(next, "x"), top: 0 });
    setAt(next);
  };
  const point = at === undefined ? undefined : points[at];
  return (
    <div class="chart" tabIndex={0} role="application" aria-roledescription="chart" aria-label={`${name}: chart of ${points.length} steps. Arrow keys move along it.`}
      onKeyDown={move} onBlur={() => setAt(undefined)}>
      <div class="chart-plot" ref={place} style={{ height: `${height}px` }} />
      <div class="chart-note" role="status">
        {point && (
          <>
            <strong>{point.label}</strong>
            <span><i class="key" /> {name}: <b>{show(point.value)}</b>{point.isUnfinished && " so far"}</span>
            {comparedName && point.comparedLabel && <span><i class="key is-compared" /> {point.comparedLabel}: <b>{show(point.compared)}</b></span>}
          </>
        )}
      </div>
    </div>
  );
}

interface Look {
  line: string;
  fill: string;
  compared: string;
  grid: string;
  text: string;
}

/** The colours of now; another theme makes another object. */
function useLook(): Look {
  const read = (): Look => {
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    return { line: of("--accent"), fill: of("--accent-wash"), compared: of("--compared"), grid: of("--line"), text: of("--muted") };
  };
  const [look, setLook] = useState(read);
  useEffect(() => {
    const renew = () => setLook((before) => (JSON.stringify(before) === JSON.stringify(read()) ? before : read()));
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const themes = new MutationObserver(renew);
    dark.addEventListener("change", renew);
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      dark.removeEventListener("change", renew);
      themes.disconnect();
    };
  }, []);
  return look;
}

function options(box: HTMLElement, look: Look, isBars: boolean, height: number, latest: { current: Pick<Props, "points" | "tick"> }, onMove: (at: number | undefined) => void): uPlot.Options {
  const font = "12px system-ui, sans-serif";
  const bars = isBars && uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.8, 40] }) } : {};
  const dots = { show: () => latest.current.points.length === 1, size: 8 };
  return {
    width: box.clientWidth || 600, height, padding: [12, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 8 }, drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, low, high) => (isBars ? [low - 0.6, high + 0.6] : low === high ? [low - 1, high + 1] : [low, high]) }, y: { range: (_, __, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { stroke: look.text, font, size: 30, grid: { show: false }, ticks: { stroke: look.grid, size: 4 }, space: 72, incrs: [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 20, 24, 30, 48, 60, 90, 120, 180, 360, 720], values: (_, places) => places.map((place) => latest.current.points[place]?.tick ?? "") },
      { stroke: look.text, font, grid: { stroke: look.grid, width: 1 }, ticks: { show: false }, size: 56, space: 44, values: (_, values) => values.map((value) => latest.current.tick(value)) },
    ],
    series: [
      {},
      { stroke: look.line, width: 2, fill: isBars ? look.line : look.fill, points: dots, ...bars },
      { stroke: look.line, width: 2, dash: isBars ? [] : [4, 5], fill: isBars ? look.fill : look.fill, points: { show: !isBars, size: 6 }, ...bars },
      { stroke: look.compared, width: 1.5, points: dots },
    ],
    hooks: { setCursor: [(plot) => onMove(plot.cursor.idx ?? undefined)] },
  };
}
