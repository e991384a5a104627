use super::*;

/// Relays that answer in a scripted way, driven second by second.
struct Search {
    core: Discovery<&'static str>,
    start: Instant,
    asked: BTreeMap<&'static str, Vec<u64>>,
    dialled: Vec<(&'static str, u64)>,
    created_at: Option<u64>,
    second: u64,
}

impl Search {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as a start")]
    fn among(relays: &[&'static str]) -> Self {
        let start = Instant::now();
        let core = Discovery::new(relays.iter().copied().collect(), start);
        Self {
            core,
            start,
            asked: BTreeMap::new(),
            dialled: Vec::new(),
            created_at: None,
            second: 0,
        }
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    fn now(&self) -> Instant {
        self.at(self.second)
    }

    fn connect(mut self, relays: &[&'static str]) -> Self {
        for relay in relays {
            self.core.connected(relay, self.now());
        }
        self
    }

    /// Runs to `second`. `answer(relay, seconds since it was asked, how often it was asked)` is heard every second.
    fn run(
        &mut self,
        second: u64,
        mut answer: impl FnMut(&'static str, u64, usize) -> Option<SearchAnswer>,
    ) -> Option<u64> {
        while self.second <= second {
            let now = self.now();
            if self.core.poll_timeout().is_some_and(|at| at <= now) {
                self.core.handle_timeout(now);
            }
            for (relay, times) in &self.asked {
                let since = self.second - times.last().copied().unwrap_or_default();
                if let Some(answer) = answer(relay, since, times.len()) {
                    self.core.answered(relay, answer, now);
                }
            }
            while let Some(output) = self.core.poll_output() {
                match output {
                    SearchOutput::Ask(relay) => self.asked.entry(relay).or_default().push(self.second),
                    SearchOutput::Dial(relay) => self.dialled.push((relay, self.second)),
                    SearchOutput::Create => {
                        assert_eq!(self.created_at, None, "one creation at a time");
                        self.created_at = Some(self.second);
                    }
                }
            }
            self.second += 1;
        }
        self.created_at
    }
}

/// Answers every question one second after it.
fn quickly(since: u64) -> Option<SearchAnswer> {
    (since == 1).then_some(SearchAnswer::Empty)
}

#[test]
fn one_relay_is_believed_after_a_second_answer_two_seconds_later() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    assert_eq!(
        search.run(60, |_, since, _| quickly(since)),
        Some(4),
        "asked at 0 and 3, answered at 1 and 4"
    );
    assert_eq!(search.asked["a"], [0, 3]);
}

#[test]
fn two_answers_within_two_seconds_are_one() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    search.run(0, |_, _, _| None);
    search.core.answered(&"a", SearchAnswer::Empty, search.at(1));
    search.core.answered(&"a", SearchAnswer::Empty, search.at(2));
    assert_eq!(search.core.poll_output(), None);
}

#[test]
fn f42_only_slow_relay_holds_the_keyring() {
    let mut search = Search::among(&["a", "b", "slow"]).connect(&["a", "b", "slow"]);
    let created = search.run(3600, |relay, since, _| match relay {
        "slow" => (since == 8).then_some(SearchAnswer::Found),
        _ => quickly(since),
    });
    assert_eq!(created, None);
    assert!(search.core.is_settled());
}

#[test]
fn f42_even_when_it_also_connects_late() {
    let mut search = Search::among(&["a", "b", "slow"]).connect(&["a", "b"]);
    search.run(6, |_, since, _| quickly(since));
    let mut search = search.connect(&["slow"]);
    let created = search.run(3600, |relay, since, _| match relay {
        "slow" => (since == 8).then_some(SearchAnswer::Found),
        _ => quickly(since),
    });
    assert_eq!(
        created, None,
        "ten seconds are over at 10, the slow relay may look until 22"
    );
}

#[test]
fn two_of_three_relays_suffice_after_ten_seconds() {
    let mut search = Search::among(&["a", "b", "away"]).connect(&["a", "b"]);
    assert_eq!(search.run(60, |_, since, _| quickly(since)), Some(10));
}

#[test]
fn ten_seconds_begin_when_the_first_relay_is_asked() {
    let mut search = Search::among(&["a", "b", "away"]);
    search.run(99, |_, _, _| None);
    let mut search = search.connect(&["a", "b"]);
    assert_eq!(search.run(200, |_, since, _| quickly(since)), Some(110));
}

#[test]
fn a_silent_relay_holds_up_the_others_once() {
    let mut search = Search::among(&["a", "b", "silent"]).connect(&["a", "b", "silent"]);
    let created = search.run(
        60,
        |relay, since, _| if relay == "silent" { None } else { quickly(since) },
    );
    assert_eq!(created, Some(15));
}

#[test]
fn a_silent_relay_alone_never_leads_to_a_keyring() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    assert_eq!(search.run(7200, |_, _, _| None), None);
    let pauses: Vec<u64> = search.asked["a"]
        .windows(2)
        .map(|pair| pair[1] - pair[0] - 15)
        .collect();
    assert_eq!(
        pauses,
        [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900, 900]
    );
}

#[test]
fn one_relay_of_two_takes_three_answers_over_ten_minutes_and_a_last_dial_of_the_other() {
    let third = 4 + 304 + 304;
    let mut search = Search::among(&["a", "away"]).connect(&["a"]);
    assert_eq!(search.run(third, |_, since, _| quickly(since)), None);
    assert_eq!(search.asked["a"].len(), 6);
    assert_eq!(search.dialled, [("away", third)], "it waited for its next try");
    assert_eq!(
        search.run(third + 60, |_, since, _| quickly(since)),
        Some(third + 30)
    );

    let mut search = Search::among(&["a", "away"]).connect(&["a"]);
    search.run(third, |_, since, _| quickly(since));
    search.core.unreachable(&"away", search.now());
    let created = search.run(third + 60, |_, since, _| quickly(since));
    assert_eq!(
        created,
        Some(third + 1),
        "it is known sooner that there is nobody"
    );
}

#[test]
fn a_relay_that_answers_the_last_dial_is_heard_out() {
    let third = 4 + 304 + 304;
    for holds in [false, true] {
        let mut search = Search::among(&["a", "back"]).connect(&["a"]);
        search.run(third, |_, since, _| quickly(since));
        search.run(third + 8, |_, since, _| quickly(since));
        let mut search = search.connect(&["back"]);
        let created = search.run(third + 600, |relay, since, _| match relay {
            "back" if holds => (since == 8).then_some(SearchAnswer::Found),
            "back" => (since == 8).then_some(SearchAnswer::Empty),
            _ => quickly(since),
        });
        assert_eq!(
            created,
            (!holds).then_some(third + 9 + 18),
            "both have answered twice"
        );
    }
}

#[test]
fn a_witness_that_holds_the_keyring_is_waited_for() {
    let mut search = Search::among(&["other"]);
    search.core = search.core.with_witnesses(["saved"]);
    let mut search = search.connect(&["other"]);
    assert_eq!(
        search.run(14, |_, since, _| quickly(since)),
        None,
        "it may be slow to connect"
    );
    let mut search = search.connect(&["saved"]);
    let created = search.run(3_600, |relay, since, _| match relay {
        "saved" => (since == 4).then_some(SearchAnswer::Found),
        _ => quickly(since),
    });
    assert_eq!(created, None);
    assert!(search.core.is_settled());
}

#[test]
fn a_witness_that_holds_none_counts_for_nothing_else() {
    let mut search = Search::among(&["other", "away"]);
    search.core = search.core.with_witnesses(["saved", "other"]);
    let mut search = search.connect(&["other", "saved"]);
    assert_eq!(search.core.progress().configured, 2);
    assert_eq!(
        search.run(300, |_, since, _| quickly(since)),
        None,
        "one of two relays has answered"
    );
    let mut search = search.connect(&["away"]);
    assert_eq!(search.run(600, |_, since, _| quickly(since)), Some(305));
}

#[test]
fn a_witness_that_is_away_or_says_nothing_is_not_waited_for_for_ever() {
    let among = || {
        let mut search = Search::among(&["other"]);
        search.core = search.core.with_witnesses(["saved"]);
        search.connect(&["other"])
    };
    assert_eq!(
        among().run(60, |_, since, _| quickly(since)),
        Some(20),
        "nothing is heard of it"
    );
    let mut search = among();
    search.run(6, |_, since, _| quickly(since));
    search.core.unreachable(&"saved", search.now());
    assert_eq!(
        search.run(60, |_, since, _| quickly(since)),
        Some(7),
        "nobody is there"
    );
    let mut search = among().connect(&["saved"]);
    let created = search.run(60, |relay, since, _| match relay {
        "saved" => (since == 1).then_some(SearchAnswer::NoAnswer),
        _ => quickly(since),
    });
    assert_eq!(created, Some(4), "it does not say");
}

#[test]
fn no_answer_between_two_empty_ones_starts_over() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    let created = search.run(60, |_, since, times| {
        let answer = if times == 2 {
            SearchAnswer::NoAnswer
        } else {
            SearchAnswer::Empty
        };
        (since == 1).then_some(answer)
    });
    assert_eq!(
        search.asked["a"],
        [0, 3, 6, 9],
        "the third is a first answer again"
    );
    assert_eq!(created, Some(10));
}

#[test]
fn refusals_never_lead_to_a_keyring() {
    let mut search = Search::among(&["a", "b"]).connect(&["a", "b"]);
    assert_eq!(
        search.run(7200, |_, since, _| (since == 1).then_some(SearchAnswer::NoAnswer)),
        None
    );
}

#[test]
fn one_keyring_anywhere_ends_the_search_for_good() {
    let mut search = Search::among(&["a", "b"]).connect(&["a", "b"]);
    let created = search.run(7200, |relay, since, _| match relay {
        "b" => (since == 1).then_some(SearchAnswer::Found),
        _ => quickly(since),
    });
    assert_eq!(created, None);
    assert_eq!(
        search.asked["b"],
        [0],
        "an answered question stays open as a live subscription"
    );
}

#[test]
fn a_relay_is_asked_after_the_search_until_it_answers() {
    let mut search = Search::among(&["a", "b"]).connect(&["a", "b"]);
    search.core.found();
    search.run(100, |relay, since, times| match (relay, times) {
        ("b", 1 | 2) => (since == 1).then_some(SearchAnswer::NoAnswer),
        _ => quickly(since),
    });
    assert_eq!(search.asked["a"], [0]);
    assert_eq!(search.asked["b"], [0, 3, 8]);
}

#[test]
fn a_late_answer_is_an_answer() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    search.run(16, |_, _, _| None);
    search.core.answered(&"a", SearchAnswer::Found, search.at(16));
    assert!(search.core.is_settled());
}

#[test]
fn without_relays_nothing_is_created() {
    let mut search = Search::among(&[]);
    assert_eq!(search.run(7200, |_, _, _| None), None);
}

#[test]
fn a_relay_that_was_removed_does_not_count() {
    let mut search = Search::among(&["a", "b"]).connect(&["a"]);
    search.run(60, |_, since, _| quickly(since));
    search.core.set_relays(BTreeSet::from(["b"]), search.now());
    assert_eq!(search.run(7200, |_, _, _| None), None);
}

#[test]
fn a_failed_creation_begins_a_new_search_when_told() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    assert_eq!(search.run(5, |_, since, _| quickly(since)), Some(4));
    search.core.creation_failed();
    search.created_at = None;
    assert_eq!(search.run(599, |_, since, _| quickly(since)), None, "paused");
    search.core.resume(search.now());
    assert_eq!(
        search.run(660, |_, since, _| quickly(since)),
        Some(604),
        "both answers are asked for again"
    );
}

#[test]
fn a_keyring_that_turns_up_during_creation_wins() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    search.run(5, |_, since, _| quickly(since));
    assert!(search.core.is_creating());
    search.core.answered(&"a", SearchAnswer::Found, search.at(6));
    assert!(!search.core.is_creating() && search.core.is_settled());
    search.core.creation_failed();
    assert!(
        search.core.is_settled(),
        "the failure of a creation that was given up changes nothing"
    );
}

#[test]
fn a_reconnection_asks_at_once_and_keeps_what_was_answered() {
    let mut search = Search::among(&["a", "b"]).connect(&["a", "b"]);
    search.run(
        5,
        |relay, since, _| if relay == "a" { quickly(since) } else { None },
    );
    search.core.disconnected(&"a", search.at(6));
    search.core.connected(&"a", search.at(6));
    search.run(6, |_, _, _| None);
    assert_eq!(search.asked["a"], [0, 3, 6]);
    assert_eq!(
        search.core.progress(),
        SearchProgress {
            configured: 2,
            connected: 2,
            empty: 1
        }
    );
}

#[test]
fn a_relay_that_closes_after_eose_has_answered_and_is_asked_every_minute() {
    let mut search = Search::among(&["a"]).connect(&["a"]);
    search.run(1, |_, since, _| quickly(since));
    search.core.lapsed(&"a", search.at(2));
    assert_eq!(
        search.run(4, |_, since, _| quickly(since)),
        Some(4),
        "both answers count"
    );
    search.core.found();
    for _ in 0..3 {
        search.core.lapsed(&"a", search.now());
        let second = search.second + 61;
        search.run(second, |_, since, _| quickly(since));
    }
    assert_eq!(search.asked["a"].len(), 5);
}
