-- Deletes pairs of equal rows with opposite signs. Every sum over signs stays as it is.
DELETE FROM session WHERE ctid IN (
  SELECT place FROM (
    SELECT ctid AS place,
           row_number() OVER (same_sign ORDER BY ctid) AS nth,
           count(*) FILTER (WHERE sign = 1) OVER same AS added,
           count(*) FILTER (WHERE sign = -1) OVER same AS retracted
    FROM session
    WHERE (site, visitor) IN (SELECT DISTINCT site, visitor FROM session WHERE sign = -1)
    WINDOW
      same AS (PARTITION BY site, visitor, day, first_us, first_id, last_us, last_id, events, page_views, bot_events,
               entry_page, exit_page),
      same_sign AS (PARTITION BY site, visitor, day, first_us, first_id, last_us, last_id, events, page_views, bot_events,
               entry_page, exit_page, sign)) AS versions
  WHERE nth <= least(added, retracted))
