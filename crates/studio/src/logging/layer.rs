//! Collects the fields of an event and of the spans around it.

use std::io::Write;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::line::{Form, Line};
use super::{Clock, redact};

/// Where lines go and what they look like there.
pub(super) struct Output {
    pub(super) form: Form,
    pub(super) writer: NonBlocking,
}

/// Writes one line per event.
pub(super) struct LineLayer {
    clock: Clock,
    outputs: Vec<Output>,
}

impl LineLayer {
    pub(super) fn new(clock: Clock, outputs: Vec<Output>) -> Self {
        Self { clock, outputs }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer
                    .0
                    .iter()
                    .for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        event.record(&mut fields);
        let message = fields.take("message");
        let line = Line {
            time: (self.clock)(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: message
                .as_ref()
                .and_then(|value| value.as_str())
                .unwrap_or_default(),
            fields: &fields.0,
        };
        for output in &self.outputs {
            // A full queue is counted by the writer; nothing else can go wrong here.
            let _ = output
                .writer
                .clone()
                .write_all(line.render(output.form).as_bytes());
        }
    }
}

/// Names and values in the order in which they were first seen; a later value replaces an earlier one.
#[derive(Default)]
struct Fields(Vec<(&'static str, serde_json::Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: serde_json::Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<serde_json::Value> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.set(name, redact::text_field(name, text).into());
    }

    fn number(&mut self, name: &'static str, value: impl Into<serde_json::Value>) {
        self.set(name, redact::number_field(name, value.into()));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }
}
