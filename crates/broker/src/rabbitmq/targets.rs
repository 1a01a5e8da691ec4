//! Which process is to own which partition: computed by everybody alike from who is there, so that nobody has to agree.
//!
//! Rendezvous hashing: each process has a score for each partition, and the highest one is its target, unless that has its
//! share already. When a process comes or goes, few other partitions change their target.

use fieldwatch_domain::fnv1a_64;

/// For each partition, the place in `members` of the process that is to own it. Nobody has more than one partition more than
/// anybody else. Empty when nobody is there.
pub(super) fn targets(members: &[String], partitions: u16) -> Vec<usize> {
    if members.is_empty() {
        return Vec::new();
    }
    let partitions = usize::from(partitions);
    let least = partitions / members.len();
    // So many have one more than the others.
    let mut larger = partitions % members.len();
    let mut owned = vec![0; members.len()];
    let mut targets = Vec::with_capacity(partitions);
    for partition in 0..partitions {
        let mut best = None;
        for (at, member) in members.iter().enumerate() {
            let has_room = owned[at] < least || (owned[at] == least && larger > 0);
            let score = score(member, partition);
            if has_room && best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, at));
            }
        }
        let (_, at) = best.expect("the shares add up to the number of partitions");
        if owned[at] == least {
            larger -= 1;
        }
        owned[at] += 1;
        targets.push(at);
    }
    targets
}

fn score(member: &str, partition: usize) -> u64 {
    let mut bits = fnv1a_64(member.as_bytes()) ^ (partition as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // FNV alone leaves the upper bits of similar names alike.
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("node-{at}")).collect()
    }

    #[test]
    fn nobody_means_no_targets() {
        assert_eq!(targets(&[], 16), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn every_partition_has_a_target_and_shares_differ_by_one_at_most(
            members in proptest::collection::btree_set("[a-z0-9:.-]{1,12}", 1..10),
            partitions in 1u16..65,
        ) {
            let members: Vec<String> = members.into_iter().collect();
            let targets = targets(&members, partitions);
            prop_assert_eq!(targets.len(), usize::from(partitions));
            let owned: Vec<usize> = (0..members.len()).map(|at| targets.iter().filter(|target| **target == at).count()).collect();
            prop_assert!(owned.iter().max().unwrap_or(&0) - owned.iter().min().unwrap_or(&0) <= 1, "{:?}", owned);
        }
    }

    #[test]
    fn a_newcomer_moves_little_more_than_its_share_on_average() {
        const FLEETS: usize = 200;
        for count in 1..9 {
            for partitions in [8, 16, 32, 64] {
                let moved = |fleet: usize| {
                    let before: Vec<String> = (0..count).map(|at| format!("node-{fleet}-{at}")).collect();
                    let mut after = before.clone();
                    after.push(format!("node-{fleet}-new"));
                    let (old, new) = (targets(&before, partitions), targets(&after, partitions));
                    old.iter().zip(&new).filter(|(old, new)| before[**old] != after[**new]).count()
                };
                let average = (0..FLEETS).map(moved).sum::<usize>() as f64 / FLEETS as f64;
                let share = f64::from(partitions) / (count + 1) as f64;
                // Shares that are full push some partitions on to others.
                assert!(average <= 2.0 * share + 1.0, "{average} of {partitions} moved, from {count} members to one more");
                assert!(average >= share - 1.0, "the newcomer has to get its share");
            }
        }
    }

    #[test]
    fn the_order_of_names_does_not_matter_to_who_scores_highest() {
        let members = names(3);
        let owned = targets(&members, 16);
        assert_eq!(
            owned.iter().filter(|target| **target == 0).count().abs_diff(5),
            usize::from(owned.iter().filter(|t| **t == 0).count() != 5)
        );
    }
}
