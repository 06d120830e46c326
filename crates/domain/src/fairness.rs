//! Fairness between workspaces: start-time fair queueing. Each job gets a virtual finish time when it
//! is queued; jobs of one priority are taken in that order, so a workspace that queues a thousand jobs
//! waits behind itself and not in front of the others.

/// Virtual time that one job of weight 1 takes.
pub const UNIT: i64 = 1_000_000;

/// The virtual finish time of a new job: after this workspace's last one, and never before what the
/// queue already serves (`served`: the smallest virtual time still waiting, or the last taken).
#[must_use]
pub fn virtual_finish(last_of_workspace: i64, served: i64, weight: u32) -> i64 {
    last_of_workspace
        .max(served)
        .saturating_add(UNIT / i64::from(weight.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_does_not_delay_another() {
        let mut queue = Vec::new();
        let mut last = 0;
        for n in 0..1000 {
            last = virtual_finish(last, 0, 1);
            queue.push((last, "flood", n));
        }
        queue.push((virtual_finish(0, 0, 1), "small", 0));
        queue.sort_unstable();
        let place = queue.iter().position(|(_, who, _)| *who == "small").unwrap();
        assert!(place <= 1, "served at place {place}");
    }
}
