// The two letters of a country, as a small mark. No flags: half of the systems have no pictures for them.

export function CountryCode({ country }: { country: string }) {
  return /^[A-Z]{2}$/.test(country) ? <span class="country" aria-hidden="true">{country}</span> : null;
}
