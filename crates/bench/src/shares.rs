//! Who owns which partition, as nodes say it in `/api/v1/status`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::server::Server;

/// The default of `queue.rabbitmq.partitions`.
pub(crate) const PARTITIONS: u16 = 16;
/// How often nodes are asked, which is also how exact the answer is.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The partition of a device: FNV-1a 64 of its id.
pub(crate) fn partition_of(id: &str) -> u16 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash % u64::from(PARTITIONS)) as u16
}

/// A partition, as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) owner: Option<String>,
    pub(crate) ours: bool,
}

/// By number.
pub(crate) fn seen_by(node: &Server) -> anyhow::Result<Vec<Seen>> {
    let status = node.json("/api/v1/status")?;
    let partitions = status["partitions"].as_array().context("find partitions in the status")?;
    Ok(partitions.iter().map(|one| Seen { owner: one["owner"].as_str().map(str::to_owned), ours: one["ours"] == true }).collect())
}

/// How many each of the nodes owns, when they agree on it and all have an owner among them.
fn shares(nodes: &[&Server]) -> anyhow::Result<Option<Vec<usize>>> {
    let all: Vec<Vec<Seen>> = nodes.iter().map(|node| seen_by(node)).collect::<anyhow::Result<_>>()?;
    Ok(shares_in(&all))
}

fn shares_in(all: &[Vec<Seen>]) -> Option<Vec<usize>> {
    let owners = |seen: &Vec<Seen>| seen.iter().map(|one| one.owner.clone()).collect::<Option<Vec<_>>>();
    let first = owners(all.first()?)?;
    let agreed = all.iter().all(|seen| owners(seen).as_ref() == Some(&first));
    let owned: Vec<usize> = all.iter().map(|seen| seen.iter().filter(|one| one.ours).count()).collect();
    (agreed && owned.iter().sum::<usize>() == usize::from(PARTITIONS)).then_some(owned)
}

/// Waits until all partitions have an owner among the nodes, whoever that is; says when. `None` when it took longer.
pub(crate) fn wait_until_owned(nodes: &[&Server], at_most: Duration) -> anyhow::Result<Option<Instant>> {
    wait_for(nodes, at_most, |_| true)
}

/// Waits until no node has more than one partition over its share; says when. `None` when it took longer.
pub(crate) fn wait_until_even(nodes: &[&Server], at_most: Duration) -> anyhow::Result<Option<Instant>> {
    let most = f64::from(PARTITIONS) / nodes.len() as f64 + 1.0;
    wait_for(nodes, at_most, |owned| owned.iter().all(|&owned| owned as f64 <= most))
}

fn wait_for(nodes: &[&Server], at_most: Duration, enough: impl Fn(&[usize]) -> bool) -> anyhow::Result<Option<Instant>> {
    let end = Instant::now() + at_most;
    while Instant::now() < end {
        if shares(nodes)?.is_some_and(|owned| enough(&owned)) {
            return Ok(Some(Instant::now()));
        }
        sleep(ASK_EVERY);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_authors() {
        // FNV-1a 64 of "foobar" is 0x85944171f73967e8.
        assert_eq!(partition_of("foobar"), 8);
    }

    #[test]
    fn shares_are_known_once_all_nodes_agree_and_all_have_an_owner() {
        let seen = |owner: Option<&str>, ours| vec![Seen { owner: owner.map(str::to_owned), ours }; 8];
        let [by_a, by_b] =
            [[true, false], [false, true]].map(|[first, second]| [seen(Some("a"), first), seen(Some("b"), second)].concat());
        assert_eq!(shares_in(&[by_a.clone(), by_b.clone()]), Some(vec![8, 8]));
        assert_eq!(shares_in(std::slice::from_ref(&by_a)), None, "half are a third's");
        let nobody = [seen(Some("a"), false), seen(None, false)].concat();
        assert_eq!(shares_in(&[by_a, nobody]), None);
    }
}
