// How often a change may be painted: the first one at once, then at most so many times a second, and always the newest.

export interface Pace<T> {
  push(value: T): void;
  stop(): void;
}

export function pace<T>(perSecond: number, paint: (value: T) => void): Pace<T> {
  const gap = 1000 / perSecond;
  let last = -Infinity;
  let waiting: { value: T } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    if (!waiting) return;
    const { value } = waiting;
    waiting = undefined;
    last = Date.now();
    paint(value);
  };
  return {
    push(value) {
      waiting = { value };
      if (timer !== undefined) return;
      const wait = last + gap - Date.now();
      if (wait <= 0) flush();
      else timer = setTimeout(flush, wait);
    },
    stop() {
      clearTimeout(timer);
      waiting = undefined;
    },
  };
}
