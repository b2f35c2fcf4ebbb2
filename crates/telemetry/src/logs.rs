//! Log lines: which ones, in which form, to standard error; a line written during a traced request carries its ids.
//!
//! Standard output belongs to a command's answer and is never written to here.
//!
//! A misspelt level (`inof`) would be a legal filter: the name of a target that nobody has, and the process would go silent.
//! So a filter is read more strictly here than the filter's own parser does.

use crate::{Error, trace};
use std::fmt;
use std::str::FromStr;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

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

/// The layer that writes lines.
pub(crate) fn layer<W>(
    filter: &str,
    format: Format,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Spans of traces are no log lines: were they let through here, each would be made for the lines' sake alone, even
    // with tracing off.
    let filter = parse(filter)?.and(filter_fn(|metadata| metadata.target() != trace::TARGET));
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(writer);
    Ok(match format {
        Format::Text => lines.event_format(TextLine(format::format().with_ansi(colours))).with_filter(filter).boxed(),
        Format::Json => {
            let json = format::format().json().flatten_event(true);
            lines.fmt_fields(JsonFields::new()).event_format(JsonLine(json)).with_filter(filter).boxed()
        }
    })
}

pub(crate) fn parse(filter: &str) -> Result<EnvFilter, Error> {
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

/// A line for people; the ids stand at its end.
struct TextLine(format::Format);

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(at) = trace::current_any() else { return self.0.format_event(ctx, writer, event) };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        writeln!(writer, "{} trace_id={} span_id={}", line.trim_end_matches('\n'), at.trace_id(), at.span_id())
    }
}

/// A JSON object; the ids stand on top, beside its other fields.
struct JsonLine(format::Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    format::Format<Json>: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(at) = trace::current_any() else { return self.0.format_event(ctx, writer, event) };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        let ids = format!(r#"{{"trace_id":"{}","span_id":"{}","#, at.trace_id(), at.span_id());
        match line.strip_prefix('{') {
            Some(rest) => writer.write_str(&ids).and_then(|()| writer.write_str(rest)),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing::Dispatch;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

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
        let layer = layer(filter, format, false, move || writer.clone()).unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        tracing::dispatcher::with_default(&dispatch, log);
        lines.text()
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
        assert!(!lines.contains("trace_id"), "outside a trace there is no id: {lines}");
    }

    #[test]
    fn spans_of_traces_are_not_made_for_the_sake_of_lines() {
        let lines = logged("trace", Format::Text, || {
            let span = crate::span!("append", records = 3);
            assert!(span.is_disabled());
            span.in_scope(|| tracing::info!("written"));
        });
        assert!(lines.contains("written") && !lines.contains("append"), "{lines}");
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
}
