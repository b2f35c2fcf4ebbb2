//! The process's log lines: which ones, in which form, to standard error.
//!
//! Standard output belongs to a command's answer and is never written to here. Call [`init`] once, in `main`'s wake; what is
//! logged earlier is lost. Not responsible for metrics or traces across services.
//!
//! A misspelt level (`inof`) would be a legal filter: the name of a target that nobody has, and the process would go silent.
//! So a filter is read more strictly here than the filter's own parser does.

use std::str::FromStr;
use tracing::Dispatch;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Form of a log line: the setting `telemetry.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors of logs.
    Json,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format, Error> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(Error::Format { format: text.to_owned() }),
        }
    }
}

/// Why there are no log lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "telemetry.log: {filter:?} is no filter ({reason}); use a level such as info, or info,pistats_ingest=debug"
    )]
    Filter { filter: String, reason: String },
    #[error("telemetry.format: {format:?} is no format; use text or json")]
    Format { format: String },
    #[error("log lines were set up already in this process; do it once")]
    Twice,
}

/// Sends log lines to standard error from now on, for the whole process.
///
/// `filter` is a list by commas: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) for everything, `TARGET=LEVEL` for
/// a part, where a target is a module's path such as `pistats_ingest`.
///
/// # Errors
/// [`Error::Filter`] names the setting; [`Error::Twice`] when the process has log lines already. Neither changes anything.
pub fn init(filter: &str, format: Format) -> Result<(), Error> {
    use std::io::IsTerminal as _;
    let colours = std::io::stderr().is_terminal();
    dispatch(filter, format, colours, std::io::stderr)?.try_init().map_err(|_| Error::Twice)
}

fn dispatch<W>(filter: &str, format: Format, colours: bool, writer: W) -> Result<Dispatch, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(parse(filter)?).with_ansi(colours).with_writer(writer);
    Ok(match format {
        Format::Text => Dispatch::new(lines.finish()),
        Format::Json => Dispatch::new(lines.json().flatten_event(true).finish()),
    })
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let wrong = |reason: String| Error::Filter { filter: filter.to_owned(), reason };
    let directives: Vec<&str> = filter.split(',').map(str::trim).collect();
    for directive in &directives {
        // A directive with brackets or `=` is judged by the parser below.
        if !directive.contains(['=', '[']) && LevelFilter::from_str(directive).is_err() || directive.is_empty() {
            return Err(wrong(format!("{directive:?} is no level")));
        }
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let dispatch = dispatch(filter, format, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_filter_lets_through_its_level_and_not_the_one_below() {
        let both = || {
            tracing::info!("heard");
            tracing::debug!("not heard");
        };
        let lines = logged("info", Format::Text, both);
        assert!(lines.contains("heard") && lines.lines().count() == 1, "{lines}");
        assert_eq!(logged("warn,elsewhere=trace", Format::Text, both), "");
        assert_eq!(logged("warn,pistats_telemetry=debug", Format::Text, both).lines().count(), 2);
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_on_top() {
        let lines = logged("info", Format::Json, || tracing::info!(lag = 7, "folded"));
        assert!(lines.starts_with('{') && lines.ends_with("}\n") && lines.lines().count() == 1, "{lines}");
        assert!(lines.contains(r#""lag":7"#) && lines.contains(r#""message":"folded""#), "{lines}");
    }

    #[test]
    fn a_bad_filter_names_its_setting() {
        for filter in ["inof", "", "info,", "pistats_ingest=loud", "info,[", "in fo"] {
            let error = parse(filter).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("telemetry.log: "), "{filter}: {error}");
        }
        for filter in ["info", "INFO", "off", "info,pistats_ingest=debug", "warn, h2=error"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_bad_format_names_its_setting() {
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
        assert_eq!("text".parse::<Format>().unwrap(), Format::Text);
        assert!("xml".parse::<Format>().unwrap_err().to_string().starts_with("telemetry.format: "));
    }

    #[test]
    fn log_lines_are_set_up_once_and_a_bad_filter_sets_up_nothing() {
        assert!(matches!(init("inof", Format::Text), Err(Error::Filter { .. })));
        init("off", Format::Text).unwrap();
        assert!(matches!(init("off", Format::Text), Err(Error::Twice)));
    }
}
