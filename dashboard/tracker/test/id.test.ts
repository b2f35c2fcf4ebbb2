import { afterEach, expect, test, vi } from "vitest";

const shape = /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/;

afterEach(() => vi.unstubAllGlobals());

/** The counter lives in the module: each test takes a new one. */
const fresh = async () => {
  vi.resetModules();
  return (await import("../src/id.js")).newId;
};

test("an id is a UUID of version 7 that begins with its time", async () => {
  const newId = await fresh();
  const id = newId(0x0190163d87f0);
  expect(id).toMatch(shape);
  expect(id.slice(0, 12)).toBe("0190163d87f0");
});

test("twenty thousand ids of one moment ascend and are all different", async () => {
  const newId = await fresh();
  const ids = Array.from({ length: 20_000 }, () => newId(1718000000000));
  expect(ids.every((id) => shape.test(id))).toBe(true);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test("a clock that goes back makes no smaller id", async () => {
  const newId = await fresh();
  const before = newId(1718000000000);
  expect(newId(1717000000000) > before).toBe(true);
});

test("without crypto ids are made by chance all the same", async () => {
  const newId = await fresh();
  vi.stubGlobal("crypto", undefined);
  const ids = Array.from({ length: 1000 }, () => newId());
  expect(ids.every((id) => shape.test(id))).toBe(true);
  expect(new Set(ids.map((id) => id.slice(16))).size).toBeGreaterThan(990);
});
