-- Deletes pairs of equal rows with opposite signs. Every sum over signs stays as it is.
DELETE FROM visitor WHERE ctid IN (
  SELECT place FROM (
    SELECT ctid AS place,
           row_number() OVER (same_sign ORDER BY ctid) AS nth,
           count(*) FILTER (WHERE sign = 1) OVER same AS added,
           count(*) FILTER (WHERE sign = -1) OVER same AS retracted
    FROM visitor
    WHERE (site, visitor) IN (SELECT DISTINCT site, visitor FROM visitor WHERE sign = -1)
    WINDOW
      same AS (PARTITION BY site, visitor, key, first_us, first_day),
      same_sign AS (PARTITION BY site, visitor, key, first_us, first_day, sign)) AS versions
  WHERE nth <= least(added, retracted))
