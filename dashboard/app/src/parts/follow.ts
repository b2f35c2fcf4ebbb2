// A link that changes the state of the page: opened in another tab it is an address, clicked it is a step.

export function follow(event: MouseEvent, step: () => void): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  step();
}
