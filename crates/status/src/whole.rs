//! Relays with everything that is known of them: what [`RelayStatus`] serializes by itself is its line in `status --json`.

use event_index::Basis;
use reconciler::messages::PassReport;
use relay_link::{RelayUrl, Traffic};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{RelayState, RelayStatus, Speed};

#[derive(Serialize, Deserialize)]
#[serde(remote = "RelayStatus")]
struct Whole {
    url: RelayUrl,
    state: RelayState,
    pass: u64,
    report: Option<PassReport>,
    agreed_at: Option<u64>,
    basis: Option<Basis>,
    traffic: Traffic,
    speed: Option<Speed>,
    unproven: u64,
    parked: u64,
    trouble: Option<String>,
}

#[derive(Serialize)]
struct Lent<'a>(#[serde(with = "Whole")] &'a RelayStatus);

#[derive(Deserialize)]
struct Owned(#[serde(with = "Whole")] RelayStatus);

pub(crate) fn serialize<S: Serializer>(relays: &[RelayStatus], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(relays.iter().map(Lent))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RelayStatus>, D::Error> {
    let relays: Vec<Owned> = Deserialize::deserialize(deserializer)?;
    Ok(relays.into_iter().map(|Owned(relay)| relay).collect())
}
