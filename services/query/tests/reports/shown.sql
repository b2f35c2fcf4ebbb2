WITH leaf0 AS (
SELECT e.visitor FROM event e WHERE e.site = $1 AND NOT e.bot AND e.day BETWEEN $2 AND $3 AND e.time_us >= $4 AND e.time_us < $5 AND ((e.name) IN ($6)) AND (e.value > $7) GROUP BY e.visitor HAVING count(*) >= $8),
leaf1 AS (
SELECT e.visitor FROM event e WHERE e.site = $1 AND NOT e.bot GROUP BY e.visitor HAVING count(DISTINCT e.day) >= $9),
latest AS (
SELECT e.visitor, max(e.time_us) AS time_us FROM event e WHERE e.site = $1 AND NOT e.bot GROUP BY e.visitor),
leaf2 AS (
SELECT x.visitor FROM (SELECT DISTINCT ON (e.visitor) e.visitor, ((e.country) IN ($10)) AS holds FROM event e JOIN latest l ON l.visitor = e.visitor AND l.time_us = e.time_us WHERE e.site = $1 AND NOT e.bot ORDER BY e.visitor, e.id DESC) x WHERE x.holds),
leaf3newcomers AS (
SELECT v.visitor FROM visitor v WHERE v.site = $1 AND v.first_day BETWEEN $11 AND $12 AND v.first_us >= $13 AND v.first_us < $14 GROUP BY v.visitor, v.first_us, v.first_day HAVING sum(v.sign) > 0),
leaf3 AS (
SELECT visitor FROM leaf3newcomers),
leaf4step0 AS (
SELECT e.visitor, e.time_us, e.id, (((e.path) IN ($16))) AS m0, (true) AS m1, (((e.name) IN ($6))) AS m2 FROM event e WHERE e.site = $1 AND NOT e.bot AND e.day BETWEEN $3 AND $3 AND e.time_us >= $15 AND e.time_us < $5 AND ((((e.path) IN ($16))) OR (true) OR (((e.name) IN ($6))))),
leaf4step1 AS (
SELECT visitor, time_us, id, m1, m2, max(CASE WHEN m0 THEN time_us END) OVER (PARTITION BY visitor ORDER BY time_us, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS r FROM leaf4step0),
leaf4step2 AS (
SELECT visitor, time_us, id, m2, max(CASE WHEN m1 THEN r END) OVER (PARTITION BY visitor ORDER BY time_us, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS r FROM leaf4step1),
leaf4 AS (
SELECT DISTINCT visitor FROM leaf4step2 WHERE m2 AND r IS NOT NULL AND time_us - r <= $17),
leaf5 AS (
SELECT DISTINCT e.visitor FROM event e WHERE e.site = $1 AND NOT e.bot AND e.day BETWEEN $3 AND $3 AND e.time_us >= $15 AND e.time_us < $5 AND ((e.name) IN ($6))),
set0 AS (
SELECT visitor FROM leaf3 UNION SELECT visitor FROM leaf4),
set1 AS (
SELECT a0.visitor FROM leaf0 a0 JOIN leaf1 a1 ON a1.visitor = a0.visitor JOIN leaf2 a2 ON a2.visitor = a0.visitor JOIN set0 a3 ON a3.visitor = a0.visitor LEFT JOIN leaf5 b0 ON b0.visitor = a0.visitor WHERE b0.visitor IS NULL)
SELECT m.visitor FROM set1 m
-- $1: Int(7)
-- $2: Int(71)
-- $3: Int(100)
-- $4: Int(6048000000000)
-- $5: Int(8812800000000)
-- $6: Text("purchase")
-- $7: Int(20000000)
-- $8: Int(2)
-- $9: Int(3)
-- $10: Text("'; DROP TABLE event; --")
-- $11: Int(-1000000)
-- $12: Int(93)
-- $13: Int(-86400086400000000)
-- $14: Int(8208000000000)
-- $15: Int(8553600000000)
-- $16: Text("/a")
-- $17: Int(3600000000)
