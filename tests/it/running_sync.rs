//! Comparisons of an engine that runs: with something left out, and from nothing.

use std::sync::Arc;

use chat_sync::{Config, Engine, Handle, Switches, SyncOptions};
use reconciler::Method;
use relay_lab::{Fault, MemoryRelay, Quirk};

use crate::bench::{Device, simulate, simulated, write};
use crate::fault_lab::{BAD, Lab, report, sealed, seconds, shown, spread};
use crate::keyring_lab::{network, until};

async fn start(device: &Device, relay: &MemoryRelay, seed: u64) -> Handle {
    let config = Config {
        relays: vec![BAD.parse().unwrap()],
        ..device.config()
    };
    let env = simulated(seed, Arc::new(network(&[(BAD, relay)])));
    Engine::start_on_current(&config, env).await.unwrap()
}

const SYNC_OFF: Switches = Switches {
    sync: false,
    ..Switches::ON
};
const NO_UPLOADS: Switches = Switches {
    uploads: false,
    ..Switches::ON
};
const NO_DOWNLOADS: Switches = Switches {
    downloads: false,
    ..Switches::ON
};

/// A device that is level with a relay of 20, then away: two were written here meanwhile, and three there. The relay is out
/// of reach.
async fn apart(lab: &Lab, device: &Device, seed: u64) -> Handle {
    let engine = start(device, &lab.bad, seed).await;
    until(&engine, "compared", |status| status.complete).await;
    engine.set_switches(SYNC_OFF);
    seconds(1).await;
    let other = lab.fresh(&[BAD]).await;
    write(&other, "from there", 3).await;
    until(&other, "sent", |status| status.complete).await;
    other.shutdown().await;
    write(&engine, "from here", 2).await;
    lab.bad.down();
    engine.set_switches(Switches::ON);
    seconds(1).await;
    engine
}

#[test]
fn a_running_engine_only_looks_or_moves_one_way_for_one_comparison() {
    simulate(async {
        for (seed, most, moved) in [
            (31, NO_UPLOADS.and(NO_DOWNLOADS), (0, 0)),
            (32, NO_DOWNLOADS, (2, 0)),
            (33, NO_UPLOADS, (0, 3)),
            (34, Switches::ON, (2, 3)),
        ] {
            let lab = Lab::holding(seed, spread(20)).await;
            let device = Device::new(&[BAD]);
            let engine = apart(&lab, &device, seed).await;
            let options = SyncOptions { most, afresh: false };
            // The relay can be reached once the comparison was asked for.
            let (looked, ()) = tokio::join!(engine.sync_with(options), async { lab.bad.up() });
            let looked = looked.unwrap();
            let relay = &looked.relays[0];
            assert_eq!((relay.sent, relay.received), moved, "{most:?}: {relay:?}");
            assert_eq!((relay.need, relay.error.as_deref()), (3, None), "{relay:?}");
            assert_eq!(engine.switches(), Switches::ON, "nobody turned one");

            // The rest follows by itself.
            until(&engine, "level", |status| {
                status.complete && status.counts.messages == 25
            })
            .await;
            assert_eq!(engine.status().switches, Switches::ON);
            assert_eq!((sealed(&lab.bad).len(), shown(&engine).await), (25, 25));
            engine.shutdown().await;
        }
    });
}

#[test]
fn nothing_is_left_out_for_somebody_who_has_gone() {
    simulate(async {
        let lab = Lab::holding(36, spread(20)).await;
        let device = Device::new(&[BAD]);
        let engine = start(&device, &lab.bad, 36).await;
        until(&engine, "compared", |status| status.complete).await;
        // A relay that does not answer is waited for.
        lab.bad.set_fault(Fault::IgnoresNeg);
        let options = SyncOptions {
            most: NO_UPLOADS,
            afresh: false,
        };
        tokio::select! {
            biased;
            () = until(&engine, "left out", |status| !status.switches.uploads) => {}
            report = engine.sync_with(options) => panic!("it was over: {report:?}"),
        }
        seconds(1).await;
        assert_eq!(engine.status().switches, Switches::ON);
        engine.shutdown().await;
    });
}

#[test]
fn what_a_relay_was_found_to_do_is_forgotten_when_everything_is_proven_again() {
    simulate(async {
        let lab = Lab::holding(35, spread(20)).await;
        lab.bad
            .add_quirk(Quirk::NegErr("blocked: Negentropy sync is disabled"));
        let device = Device::new(&[BAD]);
        let engine = start(&device, &lab.bad, 35).await;
        until(&engine, "compared", |status| status.complete).await;
        // It is not tried again for a day.
        lab.bad.heal();
        let plain = engine.sync().await.unwrap();
        assert_eq!(plain.relays[0].method, Some(Method::Paging), "{plain:?}");
        let afresh = SyncOptions {
            afresh: true,
            ..SyncOptions::default()
        };
        let proven = engine.sync_with(afresh).await.unwrap();
        assert!(proven.complete, "{proven:?}");
        assert_eq!(proven.relays[0].method, Some(Method::Negentropy));
        assert_eq!(
            report(&engine.status(), BAD).basis,
            event_index::Basis::Fingerprint
        );
        engine.shutdown().await;
    });
}
