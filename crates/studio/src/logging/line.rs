//! What a line looks like: JSON for machines, coloured text for people.

use std::fmt::Write;

use domain::time::Time;
use serde_json::Value;
use tracing::Level;

/// Fields that tell what a line belongs to. They come first, in this order.
const CONTEXT: [&str; 8] = [
    "request_id",
    "user_ref",
    "job_id",
    "attempt_id",
    "provider",
    "route",
    "status",
    "dur_ms",
];
/// Names that every line has; a field of that name gets a prefix.
const TAKEN: [&str; 4] = ["ts", "level", "target", "msg"];

/// Form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    Json,
    /// For people.
    Pretty {
        /// With terminal colours.
        colour: bool,
    },
}

/// One event, ready to be written.
pub(super) struct Line<'a> {
    pub(super) time: Time,
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a [(&'static str, Value)],
}

impl Line<'_> {
    /// The line with its end.
    pub(super) fn render(&self, form: Form) -> String {
        let mut text = String::with_capacity(256);
        match form {
            Form::Json => self.json(&mut text),
            Form::Pretty { colour } => self.pretty(&mut text, colour),
        }
        text.push('\n');
        text
    }

    fn in_order(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        let first = CONTEXT
            .iter()
            .filter_map(|name| self.fields.iter().find(|(known, _)| known == name));
        first.chain(self.fields.iter().filter(|(name, _)| !CONTEXT.contains(name)))
    }

    fn json(&self, text: &mut String) {
        let level = self.level.as_str().to_lowercase();
        let _ = write!(text, "{{\"ts\":\"{}\",\"level\":\"{level}\"", self.time);
        let _ = write!(
            text,
            ",\"target\":{},\"msg\":{}",
            quoted(self.target),
            quoted(self.message)
        );
        for (name, value) in self.in_order() {
            let prefix = if TAKEN.contains(name) { "field_" } else { "" };
            let _ = write!(text, ",{}:{value}", quoted(&format!("{prefix}{name}")));
        }
        text.push('}');
    }

    fn pretty(&self, text: &mut String, colour: bool) {
        let (on, dim, off) = if colour {
            (tint(self.level), "\x1b[2m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let _ = write!(
            text,
            "{dim}{}{off} {on}{:5}{off} ",
            self.time,
            self.level.as_str()
        );
        let _ = write!(text, "{dim}{}:{off} {}", self.target, visible(self.message));
        for (name, value) in self.in_order() {
            let shown = match value {
                Value::String(word) if is_plain(word) => word.clone(),
                other => other.to_string(),
            };
            let _ = write!(text, " {dim}{name}={off}{}", visible(&shown));
        }
    }
}

const fn tint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '='))
}

/// Text in which nothing can move the cursor, start a new line or change the direction of reading.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(message: &'a str, fields: &'a [(&'static str, Value)]) -> Line<'a> {
        let time = Time::from_micros(1_795_000_000_123_456);
        Line {
            time,
            level: Level::INFO,
            target: "app::jobs",
            message,
            fields,
        }
    }

    #[test]
    fn json_has_the_context_first_and_keeps_its_own_names() {
        let fields = [
            ("size", 3.into()),
            ("level", "mine".into()),
            ("status", 200.into()),
            ("job_id", "gen_1".into()),
        ];
        assert_eq!(
            line("sent \"it\"\n", &fields).render(Form::Json),
            "{\"ts\":\"2026-11-18T11:06:40.123456Z\",\"level\":\"info\",\"target\":\"app::jobs\",\
             \"msg\":\"sent \\\"it\\\"\\n\",\"job_id\":\"gen_1\",\"status\":200,\"size\":3,\"field_level\":\"mine\"}\n"
        );
    }

    #[test]
    fn pretty_is_one_line_that_cannot_move_the_cursor() {
        let fields = [("route", "/api/v1".into()), ("note", "two words".into())];
        let text = line("a\nb\x1b[2J\u{202e}", &fields).render(Form::Pretty { colour: false });
        assert_eq!(
            text,
            "2026-11-18T11:06:40.123456Z INFO  app::jobs: a\\u{a}b\\u{1b}[2J\\u{202e} \
             route=/api/v1 note=\"two words\"\n"
        );
        assert!(
            line("x", &[])
                .render(Form::Pretty { colour: true })
                .contains("\x1b[32m")
        );
    }
}
