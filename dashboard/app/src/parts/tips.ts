// Puts the definition that is being shown beside its word, inside the window: a list that scrolls would cut it off otherwise.
// When it is shown is a matter of the style sheet (hover and focus).

const GAP = 6;

function place(event: Event): void {
  const word = event.target instanceof Element ? event.target.closest(".term, .total, .term-of-button") : null;
  const tip = word?.querySelector<HTMLElement>(".tip");
  if (!word || !tip) return;
  const at = word.getBoundingClientRect();
  // It has no size while it is hidden; by the next frame the style sheet shows it.
  requestAnimationFrame(() => {
    const { width, height } = tip.getBoundingClientRect();
    const below = at.bottom + GAP;
    tip.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`;
    tip.style.top = `${below + height > innerHeight && at.top > height + GAP ? at.top - height - GAP : below}px`;
  });
}

export function placeTips(): void {
  document.addEventListener("pointerover", place);
  document.addEventListener("focusin", place);
}
