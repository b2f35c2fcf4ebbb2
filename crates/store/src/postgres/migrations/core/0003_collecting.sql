-- How a site collects; a site without a row as one that was never told. origins: rules, separated by blanks.
CREATE TABLE site_collecting (
  site integer PRIMARY KEY, origins text NOT NULL, cookieless boolean NOT NULL, cookieless_until_us bigint);

-- Secrets of local days (docs/adr/0024). From until_us on a row must not be here.
CREATE TABLE day_salt (
  zone text COLLATE "C" NOT NULL, day integer NOT NULL, until_us bigint NOT NULL, secret bytea NOT NULL, PRIMARY KEY (zone, day));
