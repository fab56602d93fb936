ALTER TABLE city.sta_datastream ADD COLUMN result_first TIMESTAMP WITH TIME ZONE;
ALTER TABLE city.sta_datastream ADD COLUMN result_last TIMESTAMP WITH TIME ZONE;
COMMENT ON COLUMN city.sta_datastream.result_first IS 'first result time said of its readings';
COMMENT ON COLUMN city.sta_datastream.result_last IS 'last of them';

-- What was sent before: where clients' features are, and the times they said.
UPDATE city.sta_datastream x SET result_first = n.first, result_last = n.last, area = n.area
FROM (SELECT r.datastream_id, min(r.result_time) AS first, max(r.result_time) AS last,
        (SELECT ST_Envelope(ST_Collect(f.geom)) FROM city.sta_feature f
            WHERE f.id = ANY (array_agg(DISTINCT r.feature >> 3)
                FILTER (WHERE r.feature & 7 = 0))) AS area
    FROM city.sta_observation r JOIN city.datastream d ON d.id = r.datastream_id
    WHERE d.device_id IS NULL GROUP BY r.datastream_id) n
WHERE x.datastream_id = n.datastream_id;

-- Who may not see homes is asked of every stream whether its device has left one: few have.
CREATE INDEX ix_device_binding_home ON city.device_binding (device_id, valid_to)
    WHERE bind_type = 'unit' AND valid_to IS NOT NULL;
