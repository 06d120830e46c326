//! Thousands of seeded histories: with every guard nothing goes wrong, without any one of them something does.

use testkit::simulation::{Guards, Profile, Verdict, Violation, run};

fn seeds() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long to search is the caller's choice"
    )]
    let wanted = std::env::var("STUDIO_SIM_SEEDS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(1000)
}

#[expect(clippy::print_stdout, reason = "the counts are the result")]
fn tell(line: &str) {
    println!("{line}");
}

#[test]
fn with_every_guard_nothing_is_billed_twice_and_nothing_is_lost() {
    let profile = Profile::everything();
    let mut all = Verdict::default();
    for seed in 0..seeds() {
        let verdict = run(seed, &profile, Guards::ALL);
        assert!(verdict.is_clean(), "seed {seed}: {:?}", verdict.violations);
        all.jobs += verdict.jobs;
        all.creations += verdict.creations;
        all.succeeded += verdict.succeeded;
        all.needs_attention += verdict.needs_attention;
        all.kills += verdict.kills;
        all.refused_writes += verdict.refused_writes;
        all.lost_answers += verdict.lost_answers;
        all.adopted += verdict.adopted;
    }
    tell(&format!(
        "simulation: {} seeds, {} jobs, {} kills, {} lost answers, {} refused writes, {} adopted, {} creations, \
         {} succeeded, {} need attention; 0 billed twice, 0 lost",
        seeds(),
        all.jobs,
        all.kills,
        all.lost_answers,
        all.refused_writes,
        all.adopted,
        all.creations,
        all.succeeded,
        all.needs_attention,
    ));
    for (what, count) in [
        ("kills", all.kills),
        ("lost answers", all.lost_answers),
        ("refused writes", all.refused_writes),
        ("adopted attempts", all.adopted),
        ("successes", all.succeeded),
        ("open questions", all.needs_attention),
    ] {
        assert!(count > 0, "no {what}: the storm did not blow");
    }
}

#[test]
fn without_any_one_guard_something_is_billed_twice() {
    let profile = Profile::everything();
    for (name, guards) in Guards::each_missing() {
        let twice = |seed: &u64| {
            run(*seed, &profile, guards)
                .violations
                .contains(&Violation::BilledTwice)
        };
        let found = (0..seeds()).find(twice);
        let seed = found.unwrap_or_else(|| panic!("nobody misses `{name}` in {} seeds", seeds()));
        tell(&format!(
            "simulation: without {name} seed {seed} bills something twice"
        ));
    }
}

#[test]
fn a_seed_is_a_history() {
    let profile = Profile::everything();
    let (a, b) = (run(5, &profile, Guards::ALL), run(5, &profile, Guards::ALL));
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    assert_ne!(format!("{a:?}"), format!("{:?}", run(6, &profile, Guards::ALL)));
}
