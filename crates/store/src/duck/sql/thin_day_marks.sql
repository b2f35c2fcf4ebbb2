-- A day needs its newest mark only.
DELETE FROM sheet_dirty USING (SELECT site, day, max(commit_no) AS newest FROM sheet_dirty GROUP BY site, day) m
WHERE sheet_dirty.site = m.site AND sheet_dirty.day = m.day AND sheet_dirty.commit_no < m.newest
