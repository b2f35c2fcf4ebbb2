// UUIDs of version 7 (RFC 9562, section 5.7), as 32 hexadecimal digits, ascending within a page.
//
// Events are ordered by (time, id): what a page does within one millisecond keeps its order, because the 12 bits after the
// version count on (RFC 9562, section 6.2, method 1).

let lastMs = 0;
let count = 0;

export const newId = (now: number = Date.now()): string => {
  let random: bigint;
  try {
    random = crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
  } catch {
    random = BigInt(Math.random() * 2 ** 62); // A page without `crypto`: an integer all the same, of fewer bits.
  }
  if (now > lastMs) {
    lastMs = now;
    count = Number(random & 2047n); // Half of the room is for counting on.
  } else if (++count > 4095) {
    lastMs++;
    count = 0;
  }
  return (
    lastMs.toString(16).padStart(12, "0") +
    (0x7000 + count).toString(16) +
    // The variant's two bits, and 62 of chance.
    (BigInt.asUintN(62, random) + 2n ** 63n).toString(16)
  );
};
