//! Which replica of each cluster is elected.
//!
//! Decided series by series in record order and by record time alone, so it makes no difference how what is received is cut into
//! requests. The first replica that is heard is elected, and stays so while it is heard.

use std::collections::BTreeMap;

use crate::ha::{ClusterName, HaPairs};

/// All clusters with their elected replicas.
#[derive(Debug, Default, Clone)]
pub(super) struct Clusters {
    numbers: BTreeMap<ClusterName, u32>,
    /// By number. Those of clusters that were forgotten are in `free` until they are given out again.
    all: Vec<Cluster>,
    free: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Cluster {
    elected: Box<str>,
    /// Record time at which the elected replica was heard last.
    heard_ms: i64,
    /// How often another one was elected under this number. No part of the state: whoever remembers it is not saved either.
    term: u32,
}

/// Where a replica stands. Holds for as long as the `term` is that of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) cluster: u32,
    pub(super) term: u32,
    pub(super) is_elected: bool,
}

/// What is saved of a cluster: its name, the elected replica, and when it was heard last.
pub(super) type Elected = (ClusterName, Box<str>, i64);

impl Clusters {
    /// Takes note that `replica` of the cluster `name` speaks at `now_ms` of record time, which may elect it. Says where it
    /// stands and whether it has taken the place of another one; `None` if there are too many clusters, of its tenant if
    /// there are tenants.
    pub(super) fn hear(
        &mut self,
        name: ClusterName,
        replica: &str,
        now_ms: i64,
        ha: &HaPairs,
    ) -> Option<(Standing, bool)> {
        let Some(&number) = self.numbers.get(&name) else {
            if self.count_beside(&name, ha) >= ha.clusters_max {
                return None;
            }
            let (number, term) = self.add((name, replica.into(), now_ms));
            return Some((Standing { cluster: number, term, is_elected: true }, false));
        };
        let cluster = self.all.get_mut(number as usize)?;
        let takes_over = *cluster.elected != *replica && cluster.is_silent(now_ms, ha.failover_ms);
        if takes_over {
            cluster.elected = replica.into();
            cluster.term += 1;
        }
        let is_elected = *cluster.elected == *replica;
        if is_elected {
            cluster.heard_ms = now_ms;
        }
        Some((Standing { cluster: number, term: cluster.term, is_elected }, takes_over))
    }

    /// How many clusters there are, of the same tenant as `name` if that says one.
    fn count_beside(&self, name: &ClusterName, ha: &HaPairs) -> usize {
        if name.len() <= ha.cluster_labels.len() {
            return self.numbers.len();
        }
        self.numbers.keys().filter(|known| known.last() == name.last()).count()
    }

    /// As [`Clusters::hear`] for a replica that stood so when it was last heard, without a look at its name. `None` if that
    /// may have changed: it must be heard by name.
    #[inline]
    pub(super) fn hear_again(
        &mut self,
        standing: Standing,
        now_ms: i64,
        failover_ms: i64,
    ) -> Option<bool> {
        let cluster = self.all.get_mut(standing.cluster as usize)?;
        if cluster.term != standing.term {
            return None;
        }
        if standing.is_elected {
            cluster.heard_ms = now_ms;
        } else if cluster.is_silent(now_ms, failover_ms) {
            return None;
        }
        Some(standing.is_elected)
    }

    /// Forgets clusters of which nobody was heard since `oldest_ms`. No [`Standing`] in one of them holds any more; all others do.
    pub(super) fn forget_idle(&mut self, oldest_ms: i64) {
        let Self { numbers, all, free } = self;
        numbers.retain(|_, &mut number| {
            let Some(cluster) = all.get_mut(number as usize) else { return false };
            let is_kept = cluster.heard_ms >= oldest_ms;
            if !is_kept {
                cluster.term = cluster.term.wrapping_add(1);
                cluster.elected = Box::default();
                free.push(number);
            }
            is_kept
        });
    }

    /// What is saved, in the order of names.
    pub(super) fn elected(&self) -> Vec<Elected> {
        let saved = |(name, &number): (&ClusterName, &u32)| {
            let cluster = self.all.get(number as usize)?;
            Some((name.clone(), cluster.elected.clone(), cluster.heard_ms))
        };
        self.numbers.iter().filter_map(saved).collect()
    }

    /// The clusters that were saved; `None` if one is there twice.
    pub(super) fn restored(saved: Vec<Elected>) -> Option<Self> {
        let mut clusters = Self::default();
        for elected in saved {
            if clusters.numbers.contains_key(&elected.0) {
                return None;
            }
            clusters.add(elected);
        }
        Some(clusters)
    }

    /// Its number, and its first term.
    fn add(&mut self, (name, elected, heard_ms): Elected) -> (u32, u32) {
        let number = self.free.pop().unwrap_or(self.all.len() as u32);
        self.numbers.insert(name, number);
        if let Some(forgotten) = self.all.get_mut(number as usize) {
            *forgotten = Cluster { elected, heard_ms, term: forgotten.term };
            return (number, forgotten.term);
        }
        self.all.push(Cluster { elected, heard_ms, term: 0 });
        (number, 0)
    }
}

impl Cluster {
    /// Whether the elected replica has been silent for too long.
    fn is_silent(&self, now_ms: i64, failover_ms: i64) -> bool {
        now_ms - self.heard_ms > failover_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(cluster: &str) -> ClusterName {
        Box::new([cluster.into()])
    }

    fn hear(clusters: &mut Clusters, replica: &str, now_ms: i64) -> (bool, bool) {
        let heard = clusters.hear(name("eu"), replica, now_ms, &HaPairs::default());
        let (standing, takes_over) = heard.unwrap();
        (standing.is_elected, takes_over)
    }

    #[test]
    fn the_first_is_elected_and_another_one_after_more_than_half_a_minute_of_silence() {
        let mut clusters = Clusters::default();
        assert_eq!(hear(&mut clusters, "a", 0), (true, false));
        assert_eq!(hear(&mut clusters, "b", 0), (false, false));
        assert_eq!(hear(&mut clusters, "a", 10_000), (true, false));
        assert_eq!(hear(&mut clusters, "b", 40_000), (false, false), "silent, but not longer");
        assert_eq!(hear(&mut clusters, "b", 40_001), (true, true));
        assert_eq!(hear(&mut clusters, "a", 40_001), (false, false));
        assert_eq!(hear(&mut clusters, "b", 99_000), (true, false), "nobody else was heard");
    }

    #[test]
    fn clusters_are_bounded_and_forgotten_when_nobody_of_them_is_heard() {
        let ha = HaPairs { clusters_max: 2, ..HaPairs::default() };
        let mut clusters = Clusters::default();
        let hear = |clusters: &mut Clusters, cluster, now_ms| {
            clusters.hear(name(cluster), "a", now_ms, &ha).is_some()
        };
        assert!(hear(&mut clusters, "eu", 0) && hear(&mut clusters, "us", 5));
        assert!(!hear(&mut clusters, "ap", 6) && hear(&mut clusters, "eu", 7));
        clusters.forget_idle(5);
        assert!(!hear(&mut clusters, "ap", 7));
        clusters.forget_idle(6);
        assert!(hear(&mut clusters, "ap", 8) && !hear(&mut clusters, "us", 9));
        assert_eq!(clusters.all.len(), 2, "numbers are given out again");
    }

    #[test]
    fn where_a_replica_stands_holds_until_its_cluster_is_forgotten_and_not_for_the_next_one() {
        let ha = HaPairs::default();
        let mut clusters = Clusters::default();
        let stands = |clusters: &mut Clusters, cluster: &str, now_ms| {
            clusters.hear(name(cluster), "a", now_ms, &ha).unwrap().0
        };
        let (eu, us) = (stands(&mut clusters, "eu", 0), stands(&mut clusters, "us", 9));
        clusters.forget_idle(9);
        let ap = stands(&mut clusters, "ap", 10);
        assert_eq!((ap.cluster, clusters.hear_again(eu, 11, ha.failover_ms)), (eu.cluster, None));
        for standing in [us, ap] {
            assert_eq!(clusters.hear_again(standing, 11, ha.failover_ms), Some(true));
        }
    }

    #[test]
    fn the_clusters_of_one_tenant_take_no_place_from_another() {
        let ha = HaPairs { clusters_max: 1, ..HaPairs::default() };
        let mut clusters = Clusters::default();
        let mut hear = |cluster: &str, tenant: &str| {
            let name = Box::new([cluster.into(), "".into(), tenant.into()]);
            clusters.hear(name, "a", 0, &ha).is_some()
        };
        assert!(hear("eu", "shop") && !hear("us", "shop"));
        assert!(hear("us", "bank") && !hear("eu", "bank") && hear("eu", "shop"));
    }

    #[test]
    fn a_cluster_that_was_saved_twice_is_none() {
        let eu = || (name("eu"), Box::from("a"), 5);
        assert_eq!(Clusters::restored(vec![eu()]).unwrap().elected(), [eu()]);
        assert!(Clusters::restored(vec![eu(), eu()]).is_none());
    }

    proptest! {
        /// Against the rule as it is told: whoever is elected, and since when it is silent.
        #[test]
        fn remembered_standings_tell_what_names_tell(
            heard in proptest::collection::vec((0..3_usize, 0..3_usize, 0..20_000_i64), 1..200),
            restarts in proptest::collection::vec(any::<bool>(), 200),
        ) {
            let ha = HaPairs::default();
            let (mut clusters, mut now_ms) = (Clusters::default(), 0);
            let mut elected: [Option<(usize, i64)>; 3] = [None; 3];
            let mut standings = [[None; 3]; 3];
            for (&(cluster, replica, step_ms), &restart) in heard.iter().zip(&restarts) {
                now_ms += step_ms;
                let (who, heard_ms) = elected[cluster].get_or_insert((replica, now_ms));
                if now_ms - *heard_ms > 30_000 {
                    *who = replica;
                }
                if *who == replica {
                    *heard_ms = now_ms;
                }
                let expected = *who == replica;
                let remembered = standings[cluster][replica]
                    .and_then(|standing| clusters.hear_again(standing, now_ms, ha.failover_ms));
                let is_elected = remembered.unwrap_or_else(|| {
                    let name = name(&cluster.to_string());
                    let (standing, _) =
                        clusters.hear(name, &replica.to_string(), now_ms, &ha).unwrap();
                    standings[cluster][replica] = Some(standing);
                    standing.is_elected
                });
                prop_assert_eq!(is_elected, expected);
                if restart && step_ms < 2000 {
                    clusters = Clusters::restored(clusters.elected()).unwrap();
                    standings = [[None; 3]; 3];
                }
            }
        }
    }
}
