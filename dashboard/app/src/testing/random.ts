// Random numbers that are the same for the same seed (mulberry32), for tests.

export interface Random {
  /** 0 to below - 1. */
  (below: number): number;
  shuffled<T>(items: T[]): T[];
}

export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const dice = (below: number) => Math.floor(next() * below);
  const shuffled = <T>(items: T[]): T[] => {
    const left = [...items];
    return items.map(() => left.splice(dice(left.length), 1)[0] as T);
  };
  return Object.assign(dice, { shuffled });
}
