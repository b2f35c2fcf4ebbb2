// What a person likes, in this browser: kept in local storage, no part of the address.

import { Store } from "./store.js";

export type Theme = "system" | "light" | "dark";

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It then lasts as long as the page.
  }
}

const kept = read("pistats.theme");
export const theme = new Store<Theme>(kept === "light" || kept === "dark" ? kept : "system");

function paint(value: Theme): void {
  if (value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
}

paint(theme.get());
theme.on((value) => {
  paint(value);
  write("pistats.theme", value);
});

export function nextTheme(): void {
  const order: Theme[] = ["system", "light", "dark"];
  theme.set(order[(order.indexOf(theme.get()) + 1) % 3] ?? "system");
}
