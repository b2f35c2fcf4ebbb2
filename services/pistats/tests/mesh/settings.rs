//! Every set of roles with every log and store, as a table that people can check.

use pistats::config::{Config, Overrides};
use pistats::roles::Role;

fn load(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    Config::load(Some(file.path()), &Overrides::default()).map_err(|error| error.to_string())
}

/// The key that a refusal names, or `ok`.
fn verdict(text: &str) -> String {
    match load(text) {
        Ok(_) => "ok".to_owned(),
        Err(said) => {
            let (key, fix) = said.strip_prefix("configuration: ").and_then(|said| said.split_once(": ")).expect(&said);
            assert!(fix.len() > 15, "{key} without what to do: {said}");
            key.to_owned()
        }
    }
}

const NAMED: &str = "mesh.ingest = [\"http://i:1\"]\nmesh.aggregate = [\"http://a:1\", \"http://b:1\"]\n";

/// Roles by their first letters: ingest, aggregate, query, admin and segment (d). The other processes are named where roles are
/// apart; the columns are log.url by store.url (duckdb, postgres).
///
/// Read it so: a process that folds and does not collect cannot read file://; one that collects cannot append to ingest://; and
/// duckdb:// is for all roles in one process.
const TABLE: &str = "
         file             fluvio           ingest
roles    duckdb  postgres duckdb  postgres duckdb  postgres
i---     store   ok       store   ok       store   log
-a--     store   log      store   ok       store   ok
--q-     store   ok       store   ok       store   ok
---d     store   ok       store   ok       store   ok
ia--     store   ok       store   ok       store   log
i-q-     store   ok       store   ok       store   log
i--d     store   ok       store   ok       store   log
-aq-     store   log      store   ok       store   ok
-a-d     store   log      store   ok       store   ok
--qd     store   ok       store   ok       store   ok
iaq-     store   ok       store   ok       store   log
ia-d     store   ok       store   ok       store   log
i-qd     store   ok       store   ok       store   log
-aqd     store   log      store   ok       store   ok
iaqd     ok      ok       ok      mesh     log     log
";

#[test]
fn every_set_of_roles_goes_with_the_logs_and_stores_of_the_table_and_no_other() {
    let logs = ["file://log", "fluvio://sc:9003/events", "ingest://i:1"];
    let stores = ["duckdb://w", "postgres://me@host/db"];
    let mut cells = 0;
    for line in TABLE.lines().filter(|line| line.starts_with(['i', '-'])) {
        let (letters, expected) = line.split_once(' ').expect(line);
        let roles: Vec<&str> = letters
            .chars()
            .flat_map(|letter| match letter {
                'i' => vec!["ingest"],
                'a' => vec!["aggregate"],
                'q' => vec!["query"],
                'd' => vec!["admin", "segment"],
                _ => vec![],
            })
            .collect();
        let others = if roles.len() < Role::ALL.len() { NAMED } else { "" };
        let columns = logs.iter().flat_map(|log| stores.map(|store| (*log, store)));
        for ((log, store), expected) in columns.zip(expected.split_whitespace()) {
            let text = format!("roles = {roles:?}\nlog.url = \"{log}\"\nstore.url = \"{store}\"\n{others}");
            let expected = match expected {
                "store" => "store.url",
                "log" => "log.url",
                "mesh" => "mesh.aggregate",
                other => other,
            };
            assert_eq!(verdict(&text), expected, "{text}");
            cells += 1;
        }
    }
    assert_eq!(cells, 15 * 6, "the whole table was read");
}

#[test]
fn who_needs_another_process_has_to_know_its_address() {
    let postgres = "store.url = \"postgres://host/db\"\n";
    let (i, a) = ("mesh.ingest = [\"http://i:1\"]\n", "mesh.aggregate = [\"http://a:1\"]\n");
    let cases = [
        ("[\"ingest\"]", "", "ok"),
        ("[\"ingest\", \"aggregate\"]", "", "ok"),
        ("[\"query\"]", "", "mesh.aggregate"),
        ("[\"query\"]", i, "mesh.aggregate"),
        ("[\"query\"]", a, "ok"),
        ("[\"admin\"]", "", "mesh.ingest"),
        ("[\"admin\"]", a, "mesh.ingest"),
        ("[\"admin\"]", i, "ok"),
        ("[\"segment\"]", "", "mesh.aggregate"),
        ("[\"segment\"]", a, "ok"),
        ("[\"ingest\", \"query\", \"admin\"]", "", "mesh.aggregate"),
        ("[\"ingest\", \"aggregate\", \"query\"]", "", "ok"),
        ("[\"aggregate\", \"query\"]", "log.url = \"ingest://i:1\"\n", "mesh.aggregate"),
        ("[]", "", "roles"),
        ("[\"ingest\", \"aggregate\", \"query\", \"admin\"]", "", "ok"),
    ];
    for (roles, more, expected) in cases {
        let text = format!("roles = {roles}\n{postgres}{more}");
        assert_eq!(verdict(&text), expected, "{text}");
    }
    assert_eq!(verdict(a), "store.url", "an Aggregate elsewhere cannot share DuckDB's file");
}

#[test]
fn certificates_come_with_their_keys_and_addresses_say_what_is_spoken() {
    let query = |mesh: &str| format!("roles = [\"query\"]\nstore.url = \"postgres://host/db\"\n{mesh}");
    let (cert, key) = ("cert = \"c.pem\"\n", "key = \"k.pem\"\n");
    let server = |lines: &str| format!("[server.tls]\n{lines}");
    let plain = "mesh.aggregate = [\"http://a:1\"]\n";
    let encrypted = "mesh.aggregate = [\"https://a:1\"]\n";
    let ca = "mesh.tls.ca = \"ca.pem\"\n";
    let cases = [
        (server(&format!("{cert}{key}")), "ok"),
        (server(&format!("{cert}{key}client_ca = \"ca.pem\"")), "ok"),
        (server(cert), "server.tls.cert"),
        (server(key), "server.tls.cert"),
        (server("client_ca = \"ca.pem\""), "server.tls.client_ca"),
        (query(plain), "ok"),
        (query(encrypted), "mesh.tls.ca"),
        (query(&format!("{encrypted}{ca}")), "ok"),
        (query(&format!("{plain}{ca}")), "mesh.tls.ca"),
        (query(&format!("mesh.aggregate = [\"https://a:1\", \"http://b:1\"]\n{ca}")), "mesh.tls.ca"),
        (query(&format!("{encrypted}{ca}mesh.tls.cert = \"c.pem\"\nmesh.tls.key = \"k.pem\"")), "ok"),
        (query(&format!("{encrypted}{ca}mesh.tls.cert = \"c.pem\"")), "mesh.tls.cert"),
        (query(&format!("{encrypted}{ca}mesh.tls.key = \"k.pem\"")), "mesh.tls.cert"),
        ("mesh.tls.cert = \"c.pem\"\nmesh.tls.key = \"k.pem\"".to_owned(), "mesh.tls.ca"),
    ];
    for (text, expected) in cases {
        assert_eq!(verdict(&text), expected, "{text}");
    }
}

#[test]
fn an_address_or_an_engine_that_is_none_is_refused_before_anything_waits_for_it() {
    let cases = [
        ("log.url = \"kafka://b\"", "log.url"),
        ("log.url = \"log\"", "log.url"),
        ("log.url = \"file://\"", "log.url"),
        ("log.url = \"fluvio://sc\"", "log.url"),
        ("log.url = \"fluvio://sc:9003/Not.A.Topic\"", "log.url"),
        ("log.url = \"fluvio://sc:9003\"", "ok"),
        ("log.url = \"memory://\"", "ok"),
        ("store.url = \"oracle://h\"", "store.url"),
        ("store.url = \"warehouse\"", "store.url"),
        ("store.url = \"postgresql://h/db\"", "ok"),
        ("store.url = \"duckdb://\"", "ok"),
        ("secrets.visitor_secret = \"0a\"", "secrets.visitor_secret"),
        ("secrets.instance_key = \"a b\"", "secrets.instance_key"),
        ("telemetry.prometheus = \"127.0.0.1:8080\"", "telemetry.prometheus"),
    ];
    for (text, expected) in cases {
        assert_eq!(verdict(text), expected, "{text}");
    }
    let aggregate =
        |log: &str| format!("roles = [\"aggregate\"]\nstore.url = \"postgres://h/db\"\nlog.url = \"ingest://{log}\"");
    for right in ["i:1", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(verdict(&aggregate(right)), "ok", "{right}");
    }
    for wrong in ["", "i", "i:", "i:0", "i:port", "i:1/log", "http://i:1"] {
        assert_eq!(verdict(&aggregate(wrong)), "log.url", "{wrong}");
    }
    for wrong in ["a:1", "http://a", "grpc://a:1", "http://a:1/path", "http://", ""] {
        let text = format!("roles = [\"query\"]\nstore.url = \"postgres://h/db\"\nmesh.aggregate = [\"{wrong}\"]");
        assert_eq!(verdict(&text), "mesh.aggregate", "{wrong}");
    }
}

#[test]
fn a_role_that_is_none_is_named() {
    assert!(load("roles = [\"ingress\"]").expect_err("no role").contains("ingress"));
}
