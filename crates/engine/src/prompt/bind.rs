//! Which noun a colour or a place belongs to.
//!
//! Clauses are separated by punctuation (strongly) and by words such as "and" (weakly). Inside a clause a Portuguese
//! colour belongs to the noun before it and an English one to the noun after it; a place belongs to the nearest noun
//! before it that has none yet, else to the next one after it. A clause that holds nothing but a colour or a place
//! speaks of the noun of the clause before it, or after it when that one is taken.

use std::collections::BTreeSet;
use std::ops::Range;

use super::dictionary::Topic;
use super::items::{Item, Kind};

/// What a colour or a place may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// The object named by the item.
    Object(usize),
    /// The sun or moon, named by the item.
    Light(usize),
    /// Something that is drawn but whose colour and place are fixed, named by the item.
    Fixed(usize),
    /// Something that is not drawn.
    Foreign,
}

/// A clause: its items and whether punctuation stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    items: Range<usize>,
    strong: bool,
}

/// The bindings of a prompt's colours and places.
#[derive(Debug)]
pub(super) struct Bindings<'i> {
    items: &'i [Item],
    clauses: Vec<Clause>,
    holders: Vec<Option<Holder>>,
    /// For every item, whether a negation speaks of it.
    pub(super) negated: Vec<Option<usize>>,
}

/// A place bound: the item of the place, what it belongs to, and what it is beside ("left of the house").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoundPlace {
    pub(super) place: usize,
    pub(super) holder: Option<Holder>,
    pub(super) beside: Option<Holder>,
}

impl<'i> Bindings<'i> {
    pub(super) fn new(items: &'i [Item]) -> Self {
        let clauses = clauses(items);
        let holders = (0..items.len()).map(|index| holder(items, index)).collect();
        let mut bindings = Self {
            items,
            clauses,
            holders,
            negated: vec![None; items.len()],
        };
        for (index, item) in items.iter().enumerate() {
            if item.kind == Kind::Not
                && let Some(target) = bindings.negation_target(index)
            {
                bindings.negated[target] = Some(index);
            }
        }
        bindings
    }

    /// What the item names, if colours and places may belong to it.
    pub(super) fn holder(&self, index: usize) -> Option<Holder> {
        self.holders.get(index).copied().flatten()
    }

    /// The first noun after a negation, through adjectives; a lone colour when no noun follows.
    fn negation_target(&self, negation: usize) -> Option<usize> {
        let mut colour = None;
        for index in negation + 1..self.clause_of(negation).items.end {
            let item = &self.items[index];
            match item.kind {
                Kind::Says(_) if item.speaks_of(Topic::Colour) => colour = colour.or(Some(index)),
                Kind::Says(_) => return Some(index),
                Kind::Unknown | Kind::Undrawable => {}
                Kind::Article | Kind::Other
                    if index == negation + 1 || self.only_grammar(negation + 1..index) => {}
                _ => break,
            }
        }
        colour
    }

    fn only_grammar(&self, range: Range<usize>) -> bool {
        self.items[range]
            .iter()
            .all(|item| matches!(item.kind, Kind::Article | Kind::Other))
    }

    fn clause_of(&self, index: usize) -> Clause {
        let found = self.clauses.iter().find(|clause| clause.items.contains(&index));
        found.cloned().unwrap_or(Clause {
            items: index..index + 1,
            strong: true,
        })
    }

    /// Every colour and what it belongs to.
    pub(super) fn colours(&self) -> Vec<(usize, Option<Holder>)> {
        let colours = (0..self.items.len()).filter(|&index| self.items[index].speaks_of(Topic::Colour));
        colours
            .map(|index| (index, self.holder_of_colour(index)))
            .collect()
    }

    fn holder_of_colour(&self, colour: usize) -> Option<Holder> {
        let clause = self.clause_of(colour);
        let english = self.items[colour].english && !self.items[colour].portuguese;
        let before = || {
            (clause.items.start..colour)
                .rev()
                .find_map(|index| self.holder(index))
        };
        // A noun after a preposition or an article begins a thought of its own.
        let near = (colour + 1..clause.items.end).take_while(|&index| {
            !matches!(
                self.items[index].kind,
                Kind::Article | Kind::Of | Kind::Other | Kind::Not
            )
        });
        let after = || {
            let near: Vec<usize> = near.collect();
            let known = near.iter().find_map(|&index| self.holder(index));
            let adjective = || near.iter().any(|&index| self.items[index].kind == Kind::Unknown);
            known.or_else(|| adjective().then_some(Holder::Foreign))
        };
        let here = if english {
            after().or_else(before)
        } else {
            before().or_else(after)
        };
        here.or_else(|| self.holder_nearby(colour, &clause, english, |_| true))
    }

    /// The holder in the clauses around one that has none.
    fn holder_nearby(
        &self,
        index: usize,
        clause: &Clause,
        forward: bool,
        accepts: impl Fn(Holder) -> bool,
    ) -> Option<Holder> {
        let acceptable = |index| self.holder(index).filter(|holder| accepts(*holder));
        let before = || (0..index).rev().find_map(&acceptable);
        let after = || (index + 1..self.items.len()).find_map(&acceptable);
        let weak_follows = self
            .clauses
            .iter()
            .any(|next| next.items.start == clause.items.end + 1 && !next.strong);
        if forward && weak_follows {
            after().or_else(before)
        } else {
            before().or_else(after)
        }
    }

    /// Every place and what it belongs to; nothing gets two places.
    pub(super) fn places(&self) -> Vec<BoundPlace> {
        let (mut taken, mut bound) = (BTreeSet::new(), Vec::new());
        for place in (0..self.items.len()).filter(|&index| self.items[index].speaks_of(Topic::Place)) {
            let (beside_item, beside) = self.beside(place).unzip();
            let free = |index: usize| {
                let holder = self
                    .holder(index)
                    .filter(|_| Some(index) != beside_item && !taken.contains(&index));
                holder.filter(|holder| !matches!(holder, Holder::Fixed(_)))
            };
            let clause = self.clause_of(place);
            let before = (clause.items.start..place)
                .rev()
                .find(|&index| free(index).is_some());
            let here = before.or_else(|| (place + 1..clause.items.end).find(|&index| free(index).is_some()));
            let chosen = here.or_else(|| {
                let mut nouns = clause.items.clone().filter(|&index| Some(index) != beside_item);
                if nouns.any(|index| self.holder(index).is_some()) {
                    return None;
                }
                let before = (0..clause.items.start).rev().find(|&index| free(index).is_some());
                before.or_else(|| (clause.items.end..self.items.len()).find(|&index| free(index).is_some()))
            });
            let holder = chosen.and_then(&free);
            taken.extend(chosen);
            bound.push(BoundPlace {
                place,
                holder,
                beside: beside.filter(|_| holder.is_some()),
            });
        }
        bound
    }

    /// The noun in "left of the house".
    fn beside(&self, place: usize) -> Option<(usize, Holder)> {
        if self.items.get(place + 1)?.kind != Kind::Of {
            return None;
        }
        let rest = place + 2..self.clause_of(place).items.end;
        let noun = rest.clone().find(|&index| {
            !matches!(self.items[index].kind, Kind::Article) && !self.items[index].speaks_of(Topic::Colour)
        })?;
        Some((noun, self.holder(noun)?))
    }
}

fn clauses(items: &[Item]) -> Vec<Clause> {
    let (mut clauses, mut start, mut strong) = (Vec::new(), 0, true);
    for (index, item) in items.iter().enumerate() {
        if matches!(item.kind, Kind::Break | Kind::Join) {
            clauses.push(Clause {
                items: start..index,
                strong,
            });
            (start, strong) = (index + 1, item.kind == Kind::Break);
        }
    }
    clauses.push(Clause {
        items: start..items.len(),
        strong,
    });
    clauses
}

fn holder(items: &[Item], index: usize) -> Option<Holder> {
    let item = &items[index];
    match item.kind {
        Kind::Says(entry) => match item.means() {
            _ if entry.anchors_light => Some(Holder::Light(index)),
            Some((Topic::Object, "none")) => None,
            Some((Topic::Object, _)) => Some(Holder::Object(index)),
            Some((Topic::Light, _)) => Some(Holder::Light(index)),
            Some((Topic::Time | Topic::Ground, _)) => Some(Holder::Fixed(index)),
            Some((Topic::Colour | Topic::Place, _)) | None => None,
        },
        Kind::Sky => Some(Holder::Fixed(index)),
        Kind::Unknown if is_noun(items, index) => Some(Holder::Foreign),
        _ => None,
    }
}

/// An unknown word counts as a noun after an article, a preposition of belonging or at the start of a clause, unless
/// a noun follows, which makes it an adjective.
fn is_noun(items: &[Item], index: usize) -> bool {
    let after = items[index + 1..].iter().find(|item| {
        !matches!(item.kind, Kind::Unknown | Kind::Undrawable) && !item.speaks_of(Topic::Colour)
    });
    let adjective = after
        .is_some_and(|item| matches!(item.kind, Kind::Says(_) | Kind::Sky) && !item.speaks_of(Topic::Place));
    let before = index.checked_sub(1).map(|before| items[before].kind);
    let begins = before.is_none_or(|kind| {
        matches!(
            kind,
            Kind::Article | Kind::Of | Kind::Not | Kind::Join | Kind::Break | Kind::Other | Kind::Undrawable
        )
    });
    begins && !adjective
}
