-- Dirty days, newest first, with their newest marks.
SELECT site, day, max(commit_no) FROM sheet_dirty GROUP BY site, day ORDER BY day DESC, site
