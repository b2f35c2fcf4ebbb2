-- Segments: the newest version, and every version of the tree (an encoded message).
CREATE TABLE segment (
  site integer NOT NULL, id uuid NOT NULL, name text NOT NULL, description text NOT NULL, version integer NOT NULL,
  tree bytea NOT NULL, created_us bigint NOT NULL, updated_us bigint NOT NULL, PRIMARY KEY (site, id));
CREATE TABLE segment_version (
  site integer NOT NULL, id uuid NOT NULL, version integer NOT NULL, tree bytea NOT NULL, updated_us bigint NOT NULL,
  PRIMARY KEY (site, id, version), FOREIGN KEY (site, id) REFERENCES segment ON DELETE CASCADE);
