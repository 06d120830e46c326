//! `studio models list`, `studio provider list|test`.

use std::io::Write;

use app::catalogue::Catalogue;
use clap::Subcommand;
use providers::Probe;

use super::{Surroundings, runtime, written};
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio models …`
#[derive(Debug, Subcommand)]
pub(super) enum Models {
    /// Lists every model with what it can do, its price and where the data goes.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `studio provider …`
#[derive(Debug, Subcommand)]
pub(super) enum Providers {
    /// Lists every provider and whether it can be called.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Asks a provider whether it answers and takes the key; free calls only.
    Test {
        /// Its name; all that can be called if absent.
        name: Option<String>,
    },
}

fn catalogue(around: &Surroundings) -> Result<Catalogue, Failure> {
    let loaded = around.configuration()?;
    wiring::catalogue(&loaded.config, &wiring::media_worker()?)
}

pub(super) fn models(command: &Models, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let Models::List { json } = command;
    runtime()?.block_on(async {
        let catalogue = catalogue(around)?;
        for offer in catalogue.offers() {
            let body = server::api::ModelBody::from(offer);
            let value = serde_json::to_value(&body).unwrap_or_default();
            if *json {
                written(writeln!(out, "{value}"))?;
                continue;
            }
            written(writeln!(out, "{}", line_of(&value)))?;
        }
        Ok(())
    })
}

fn line_of(model: &serde_json::Value) -> String {
    let text = |key: &str| model[key].as_str().unwrap_or("").to_owned();
    let words = |key: &str| {
        let all = model[key].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .filter_map(|v| v.as_str())
            .collect::<Vec<_>>()
            .join(",")
    };
    let price = model["price"]["micros"]
        .as_i64()
        .map_or("free".to_owned(), |micros| {
            let unit = model["price"]["unit"].as_str().unwrap_or("output");
            format!(
                "from {}.{:04} USD per {unit}",
                micros / 1_000_000,
                (micros % 1_000_000) / 100
            )
        });
    let state = if model["available"] == true {
        "available".to_owned()
    } else {
        format!("not available: {}", text("unavailable_reason"))
    };
    let demo = if model["demo"] == true {
        "  demonstration"
    } else {
        ""
    };
    let country = model["data"]["country"].as_str().unwrap_or("unknown");
    format!(
        "{:18} {:20} {:12} {:40} {price}, data: {country}, {state}{demo}",
        text("id"),
        text("provider"),
        words("kinds"),
        words("operations")
    )
}

pub(super) fn providers(
    command: &Providers,
    around: &Surroundings,
    out: &mut impl Write,
) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let catalogue = catalogue(around)?;
        match command {
            Providers::List { json } => list(&catalogue, *json, out),
            Providers::Test { name } => test(&catalogue, name.as_deref(), out).await,
        }
    })
}

fn list(catalogue: &Catalogue, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let ready = catalogue
        .providers()
        .iter()
        .map(|provider| (provider.card(), None));
    let missing = catalogue
        .unavailable()
        .iter()
        .map(|entry| (&entry.card, Some(entry.reason.as_str())));
    for (card, reason) in ready.chain(missing) {
        if json {
            let line = serde_json::json!({"name": card.name, "title": card.title, "available": reason.is_none(),
                "reason": reason, "data": card.handling});
            written(writeln!(out, "{line}"))?;
        } else {
            let state = reason.map_or("available".to_owned(), |reason| {
                format!("not available: {reason}")
            });
            written(writeln!(
                out,
                "{:20} {:28} data: {:8} {state}",
                card.name.0, card.title, card.handling.country
            ))?;
        }
    }
    Ok(())
}

async fn test(catalogue: &Catalogue, name: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(entry) = name.and_then(|name| catalogue.unavailable().iter().find(|e| e.card.name.0 == name))
    {
        let key = entry.card.name.0.to_uppercase().replace('-', "_");
        return Err(Failure::new(
            Exit::NotConfigured,
            "provider.not_configured",
            entry.reason.clone(),
            format!("set STUDIO__PROVIDERS__{key}__API_KEY_FILE"),
        ));
    }
    let mut asked = 0;
    let mut failed = 0;
    for provider in catalogue
        .providers()
        .iter()
        .filter(|p| name.is_none_or(|n| p.card().name.0 == n))
    {
        asked += 1;
        let line = match provider.probe().await {
            Probe::Ok { balance: None } => "ok".to_owned(),
            Probe::Ok { balance: Some(left) } => {
                format!(
                    "ok, {}.{:02} {} left",
                    left.micros / 1_000_000,
                    (left.micros % 1_000_000) / 10_000,
                    left.currency.code()
                )
            }
            Probe::Fault(fault) => {
                failed += 1;
                format!("{} [{}]", fault.detail, fault.code)
            }
        };
        written(writeln!(out, "{:20} {line}", provider.card().name.0))?;
    }
    if asked == 0 {
        let what = format!("there is no provider `{}`", name.unwrap_or(""));
        return Err(Failure::new(
            Exit::Usage,
            "provider.unknown",
            what,
            "see `studio provider list`",
        ));
    }
    if failed > 0 {
        let what = format!("{failed} of {asked} did not pass");
        return Err(Failure::new(
            Exit::No,
            "provider.failed",
            what,
            "mend what each line says",
        ));
    }
    Ok(())
}
