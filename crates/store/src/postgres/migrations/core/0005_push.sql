-- Push (crates/store/src/campaigns.rs). The private key of a site, 32 bytes: who reads it can send in the site's name.
CREATE TABLE push_key (site integer PRIMARY KEY, private bytea NOT NULL, created_us bigint NOT NULL);

CREATE TABLE push_subscription (
  site integer NOT NULL, endpoint text COLLATE "C" NOT NULL, p256dh bytea NOT NULL, auth bytea NOT NULL, visitor uuid NOT NULL,
  time_zone text NOT NULL, created_us bigint NOT NULL, updated_us bigint NOT NULL, PRIMARY KEY (site, endpoint));
CREATE INDEX push_subscription_by_visitor ON push_subscription (site, visitor);

-- state: 1 draft, 2 scheduled, 3 running, 4 paused, 5 done, 6 cancelled. content: an encoded message.
CREATE TABLE campaign (
  site integer NOT NULL, id uuid NOT NULL, state smallint NOT NULL, version integer NOT NULL, content bytea NOT NULL, segment uuid,
  created_us bigint NOT NULL, updated_us bigint NOT NULL, started_us bigint, ended_us bigint, planned_us bigint, closes_us bigint,
  PRIMARY KEY (site, id));
CREATE INDEX campaign_under_way ON campaign (site) WHERE state IN (2, 3);

-- state: 0 waiting, 1 sending (the intent), 2 accepted, 3 failed, 4 uncertain, 5 not sent. reason: core::push. endpoint, sent_us: of
-- the last intent. removed: subscriptions that were gone.
CREATE TABLE push_message (
  site integer NOT NULL, campaign uuid NOT NULL, visitor uuid NOT NULL, state smallint NOT NULL, reason smallint,
  due_us bigint NOT NULL, attempts integer NOT NULL, endpoint text NOT NULL, sent_us bigint, ended_us bigint,
  removed integer NOT NULL, unsubscribed_us bigint, PRIMARY KEY (site, campaign, visitor)) WITH (fillfactor = 80);
CREATE INDEX push_message_waiting ON push_message (site, campaign, due_us, visitor) WHERE state = 0;
CREATE INDEX push_message_sending ON push_message (site) WHERE state = 1;
CREATE INDEX push_message_of_visitor ON push_message (site, visitor, sent_us);

-- Who sends for a site, until when by the server's clock. epoch counts its owners.
CREATE TABLE push_lease (
  site integer PRIMARY KEY, epoch bigint NOT NULL, owner uuid, owner_name text, held_until timestamptz) WITH (fillfactor = 50);
