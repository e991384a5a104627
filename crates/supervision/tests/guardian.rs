//! What the guardian promises about actors that die.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use supervision::{
    Constructor, Env, Guard, Guardian, GuardianReport, Lifeline, Outlet, Restarted, Role, SystemClock,
    SystemEntropy, Tripwire, Workers,
};

#[derive(Message)]
#[rtype(result = "usize")]
struct Add(usize);

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

/// Adds up what it is told; dies where the tripwire says.
struct Adder {
    env: Env,
    lifeline: Lifeline,
    total: usize,
}

impl Actor for Adder {
    type Context = Context<Self>;
}

impl Handler<Add> for Adder {
    type Result = usize;

    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> usize {
        self.env.tripwire.step(self.lifeline.role());
        self.total += n;
        self.total
    }
}

impl Handler<Stop> for Adder {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Keeps the facts it was sent.
struct Witness<M>(Arc<Mutex<Vec<M>>>);

impl<M: Unpin + 'static> Actor for Witness<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Witness<M> {
    type Result = ();

    fn handle(&mut self, fact: M, _: &mut Self::Context) {
        self.0.lock().unwrap().push(fact);
    }
}

struct Bench {
    guardian: Addr<Guardian>,
    adds: Outlet<Add>,
    stops: Outlet<Stop>,
    births: Arc<AtomicUsize>,
    restarts: Arc<Mutex<Vec<Restarted>>>,
    reports: Arc<Mutex<Vec<GuardianReport>>>,
}

impl Bench {
    async fn start(tripwire: Tripwire) -> Self {
        let env = Env {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            workers: Workers::inline(),
            tripwire,
        };
        let (restarts, reports) = (Arc::default(), Arc::default());
        let told = Outlet::empty();
        told.fill(Witness::<Restarted>(Arc::clone(&restarts)).start().recipient());
        let reported = Outlet::empty();
        reported.fill(
            Witness::<GuardianReport>(Arc::clone(&reports))
                .start()
                .recipient(),
        );

        let guardian = Guardian::new(env.clone(), vec![told], reported).start();
        let (adds, stops) = (Outlet::empty(), Outlet::empty());
        let births = Arc::new(AtomicUsize::new(0));
        let constructor: Constructor = {
            let (adds, stops, births) = (adds.clone(), stops.clone(), Arc::clone(&births));
            Box::new(move |lifeline| {
                births.fetch_add(1, Ordering::Relaxed);
                let adder = Adder {
                    env: env.clone(),
                    lifeline,
                    total: 0,
                }
                .start();
                adds.fill(adder.clone().recipient());
                stops.fill(adder.recipient());
            })
        };
        guardian
            .send(Guard {
                role: Role::Uploader,
                constructor,
            })
            .await
            .unwrap();
        Self {
            guardian,
            adds,
            stops,
            births,
            restarts,
            reports,
        }
    }

    /// Lets the death notice and what follows from it be handled.
    async fn settle(&self) {
        actix::clock::sleep(Duration::from_secs(1)).await;
    }
}

fn simulate<F: Future<Output = ()>>(test: F) {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    });
    system.block_on(test);
}

#[test]
fn an_actor_that_panics_is_reached_again_through_the_same_outlet() {
    simulate(async {
        let bench = Bench::start(Tripwire::armed([(Role::Uploader, 2)])).await;
        assert_eq!(bench.adds.send(Add(5)).await.unwrap(), 5);
        assert!(
            bench.adds.send(Add(5)).await.is_err(),
            "it died while handling this"
        );
        bench.settle().await;

        assert_eq!(bench.adds.send(Add(7)).await.unwrap(), 7, "memory starts empty");
        assert_eq!(bench.births.load(Ordering::Relaxed), 2);
        let restarts = bench.restarts.lock().unwrap();
        assert!(matches!(restarts.as_slice(), [Restarted(Role::Uploader)]));
        assert!(bench.guardian.connected());
    });
}

#[test]
fn an_actor_that_stops_comes_back_too() {
    simulate(async {
        let bench = Bench::start(Tripwire::none()).await;
        bench.stops.send(Stop).await.unwrap();
        bench.settle().await;
        assert_eq!(bench.adds.send(Add(1)).await.unwrap(), 1);
    });
}

#[test]
fn five_deaths_in_a_minute_are_the_end_and_say_why() {
    simulate(async {
        let bench = Bench::start(Tripwire::none()).await;
        for _ in 0..5 {
            bench.stops.send(Stop).await.unwrap();
            bench.settle().await;
        }
        assert!(bench.adds.send(Add(1)).await.is_err());
        assert_eq!(bench.births.load(Ordering::Relaxed), 5);
        let reports = bench.reports.lock().unwrap();
        let Some(GuardianReport::Failed { role, reason }) = reports.last() else {
            panic!("the last report is the failure: {reports:?}");
        };
        assert_eq!(*role, Role::Uploader);
        assert!(reason.contains("5 times within a minute"), "{reason}");
    });
}

#[test]
fn deaths_far_apart_never_add_up() {
    simulate(async {
        let bench = Bench::start(Tripwire::none()).await;
        for _ in 0..12 {
            bench.stops.send(Stop).await.unwrap();
            actix::clock::sleep(Duration::from_secs(31)).await;
        }
        assert_eq!(bench.adds.send(Add(1)).await.unwrap(), 1);
    });
}
