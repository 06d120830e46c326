//! Markers that some engine between us and the picture would read as something else than words:
//! parameters, files to load, templates to fill.

use super::characters::Folded;
use super::{Kind, Match};

/// Tags of local engines that load files or set parameters from inside a prompt: stable-diffusion.cpp
/// (`<sd_cpp_extra_args>`, `<lora:`), WebUI and SwarmUI (`<hypernet:`, `<lyco:`, `<embedding:` …).
const ANGLE_TAGS: [&str; 9] = [
    "sd_cpp_extra_args",
    "lora:",
    "lyco:",
    "hypernet:",
    "embedding:",
    "wildcard:",
    "preset:",
    "param:",
    "setvar:",
];

/// Opening and closing marks of templates and of special tokens.
const PAIRS: [(&str, &str, &str); 6] = [
    ("{{", "}}", "template braces"),
    ("${", "}", "variable expansion"),
    ("{%", "%}", "template statement"),
    ("<%", "%>", "template statement"),
    ("[[", "]]", "double brackets"),
    ("<|", "|>", "special token of a text model"),
];

/// Farthest closing mark that is looked for, in characters.
const PAIR_SPAN: usize = 2_000;

/// Longest wildcard or option name, in characters.
const NAME_SPAN: usize = 64;

/// Option names of Midjourney, stable-diffusion.cpp and ComfyUI that are plain words. Names with a hyphen
/// inside, with `=`, or followed by a number need no list; a dash typed as `--` before a word is prose.
const OPTIONS: [&str; 44] = [
    "ar",
    "aspect",
    "batch",
    "cfg",
    "chaos",
    "cpu",
    "cref",
    "cw",
    "fast",
    "guidance",
    "hd",
    "height",
    "help",
    "highvram",
    "input",
    "iw",
    "listen",
    "lora",
    "lowvram",
    "model",
    "n",
    "negative",
    "niji",
    "no",
    "output",
    "profile",
    "quality",
    "raw",
    "relax",
    "repeat",
    "sampler",
    "scheduler",
    "seed",
    "sref",
    "steps",
    "stop",
    "strength",
    "style",
    "stylize",
    "tile",
    "turbo",
    "vae",
    "version",
    "width",
];

/// Finds markers, leftmost first, never inside one another.
pub(super) fn find(text: &[Folded]) -> Vec<Match> {
    let mut matches = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let found = angle_tag(text, at)
            .or_else(|| pair(text, at))
            .or_else(|| wildcard(text, at))
            .or_else(|| option(text, at));
        match found {
            Some((end, note)) => {
                matches.push(Match {
                    kind: Kind::Injection,
                    start: text[at].start,
                    end: text[end - 1].end,
                    note,
                });
                at = end;
            }
            None => at += 1,
        }
    }
    matches
}

fn at(text: &[Folded], index: usize) -> char {
    text.get(index).map_or('\0', |folded| folded.c)
}

/// Whether `word` (lower case) stands at `index`, in any case. Returns the index after it.
fn word(text: &[Folded], index: usize, word: &str) -> Option<usize> {
    let mut end = index;
    for c in word.chars() {
        if at(text, end).to_ascii_lowercase() != c {
            return None;
        }
        end += 1;
    }
    Some(end)
}

/// Index after the first `mark` that begins in `from..from + span`.
fn closing(text: &[Folded], from: usize, mark: &str, span: usize) -> Option<usize> {
    (from..text.len().min(from + span)).find_map(|index| word(text, index, mark))
}

/// A tag up to its `>`; for `<sd_cpp_extra_args>` everything up to the closing tag or the end of the
/// text, because what stands between is the parameters.
fn angle_tag(text: &[Folded], start: usize) -> Option<(usize, &'static str)> {
    if at(text, start) != '<' {
        return None;
    }
    let mut name = start + 1;
    while name < start + 8 && (at(text, name) == ' ' || at(text, name) == '/') {
        name += 1;
    }
    let (tag, after) = ANGLE_TAGS
        .into_iter()
        .find_map(|tag| word(text, name, tag).map(|after| (tag, after)))?;
    if tag == "sd_cpp_extra_args" {
        let end = closing(text, after, "</sd_cpp_extra_args>", text.len()).unwrap_or(text.len());
        return Some((end, "parameters of stable-diffusion.cpp"));
    }
    let end = closing(text, after, ">", PAIR_SPAN).unwrap_or(after);
    Some((end, "tag that loads files or sets parameters"))
}

fn pair(text: &[Folded], start: usize) -> Option<(usize, &'static str)> {
    let (after, close, note) = PAIRS
        .into_iter()
        .find_map(|(open, close, note)| word(text, start, open).map(|after| (after, close, note)))?;
    let end = closing(text, after, close, PAIR_SPAN);
    if close == "]]" && end.is_some_and(|end| is_own_marker(&text[start + 1..end - 1])) {
        return None;
    }
    Some((end.unwrap_or(after), note))
}

/// A redaction marker that stood in brackets, `[[CPF]]`, is ours and not a template.
fn is_own_marker(text: &[Folded]) -> bool {
    let text: String = text.iter().map(|folded| folded.c).collect();
    Kind::ALL.iter().any(|kind| kind.marker() == text)
}

/// `__name__` of dynamic-prompt extensions, which reads a file of that name.
fn wildcard(text: &[Folded], start: usize) -> Option<(usize, &'static str)> {
    let name = word(text, start, "__")?;
    let end = (name..text.len().min(name + NAME_SPAN)).find(|&index| word(text, index, "__").is_some())?;
    let named = text[name..end]
        .iter()
        .all(|folded| folded.c.is_alphanumeric() || "_-/*. ".contains(folded.c))
        && text[name..end].iter().any(|folded| folded.c.is_alphanumeric());
    named.then_some((end + 2, "wildcard that reads a file"))
}

/// `--name`, `--name=value`, `--name 50`.
fn option(text: &[Folded], start: usize) -> Option<(usize, &'static str)> {
    let name = word(text, start, "--")?;
    let preceded = start == 0 || at(text, start - 1).is_whitespace();
    if !preceded || !at(text, name).is_ascii_alphabetic() {
        return None;
    }
    let mut end = name;
    while end < name + NAME_SPAN
        && (at(text, end).is_ascii_alphanumeric() || matches!(at(text, end), '-' | '_'))
    {
        end += 1;
    }
    let written: String = text[name..end]
        .iter()
        .map(|folded| folded.c.to_ascii_lowercase())
        .collect();
    let assigned = at(text, end) == '=';
    let value = end + 1;
    let numbered = at(text, end) == ' ' && at(text, value).is_ascii_digit();
    let certain = OPTIONS.contains(&written.as_str())
        || (written.contains('-') && !written.ends_with('-'))
        || assigned
        || numbered;
    if !certain || at(text, end).is_alphanumeric() {
        return None;
    }
    if assigned || numbered {
        end = value;
        while end < text.len() && !at(text, end).is_whitespace() {
            end += 1;
        }
    }
    Some((end, "command-line option of an engine"))
}
