//! Whatever happens, in whatever order, the store is what the fleet in memory is.

use crate::support::Folder;
use fieldwatch_domain::SHELVES;
use fieldwatch_event_store::{
    ShelfSnapshot,
    conformance::{Fleet, Opened, save_all},
    verify,
};
use proptest::{collection::vec, prelude::*};
use std::{fs, path::PathBuf};

const DEVICES: u64 = 12;

/// What happens to a store.
#[derive(Clone, Debug)]
enum Step {
    /// Batches of this many things each.
    Append(u64, u64),
    /// Some shelves are saved: all whose number leaves this remainder by four.
    Save(usize),
    /// The process ends and another begins.
    StartAgain,
    /// The machine stops, and of the newest segment this many thousandths are left.
    Crash(u64),
    Tidy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u64, 1..10_u64).prop_map(|(batches, things)| Step::Append(batches, things)),
        2 => (0..4_usize).prop_map(Step::Save),
        1 => Just(Step::StartAgain),
        2 => (0..=1000_u64).prop_map(Step::Crash),
        1 => Just(Step::Tidy),
    ]
}

/// The newest segment: its file, the address of its first byte, and of its end.
fn newest_segment(folder: &Folder) -> (PathBuf, u64, u64) {
    let files = fs::read_dir(folder.path().join("events")).expect("list").map(|entry| entry.expect("list").path());
    let newest = files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).max().expect("a segment");
    let base: u64 = newest.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("a base");
    let length = fs::metadata(&newest).expect("metadata").len();
    (newest, base, base + length)
}

struct Run {
    folder: Folder,
    opened: Option<Opened>,
    fleet: Fleet,
    /// The fleet after each batch, by the end of the log then.
    past: Vec<(u64, Fleet)>,
}

impl Run {
    fn begin(seed: u64) -> Self {
        let folder = Folder::with_segments(4 << 10);
        let opened = folder.open_now();
        let fleet = Fleet::new(&opened.numbers, seed);
        let past = vec![(newest_segment(&folder).2, fleet.clone())];
        Self { folder, opened: Some(opened), fleet, past }
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("the store is open between steps")
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Append(batches, things) => {
                for _ in 0..*batches {
                    let batch = self.fleet.batch_of_anything(DEVICES, *things);
                    self.opened().store.append(batch).await.expect("append");
                    self.past.push((newest_segment(&self.folder).2, self.fleet.clone()));
                }
            }
            Step::Save(remainder) => {
                for shelf in (0..SHELVES).filter(|shelf| shelf % 4 == *remainder) {
                    let all = self.fleet.states().iter().map(|(id, state)| (self.opened().numbers.number(id), state.clone()));
                    let devices = all.filter(|(device, _)| device.shelf() == shelf).collect();
                    self.opened().store.save_snapshot(ShelfSnapshot { shelf, devices }).await.expect("save");
                }
            }
            Step::StartAgain => self.start_again().await,
            Step::Crash(thousandths) => {
                self.opened = None;
                let (file, base, end) = newest_segment(&self.folder);
                // The header is durable before the segment has its name.
                let least = base + 64;
                let cut = least + (end - least) * thousandths / 1000;
                fs::File::options().write(true).open(file).and_then(|file| file.set_len(cut - base)).expect("cut");
                self.past.retain(|(end, _)| *end <= cut);
                self.fleet = self.past.last().expect("segments before the newest stay").1.clone();
                self.start_again().await;
            }
            Step::Tidy => {
                self.opened().store.tidy().await.expect("tidy");
                // It may have begun a new segment, with nothing in it.
                self.past.push((newest_segment(&self.folder).2, self.fleet.clone()));
            }
        }
    }

    async fn start_again(&mut self) {
        self.opened = None;
        let opened = self.folder.open_now();
        self.fleet.move_to(&opened.numbers);
        for (_, fleet) in &mut self.past {
            fleet.move_to(&opened.numbers);
        }
        let (devices, _) = opened.recover().await;
        assert_eq!(&devices, self.fleet.states());
        self.opened = Some(opened);
    }

    async fn everything_agrees(&self) {
        for (id, state) in self.fleet.states() {
            let device = self.opened().numbers.number(id);
            assert_eq!(&self.opened().store.load(device).await.expect("load"), state, "{id}");
            let versions: Vec<u64> = self
                .opened()
                .all_events(0, 50)
                .await
                .iter()
                .filter(|event| event.device == device)
                .map(|event| event.version)
                .collect();
            assert_eq!(versions.last().copied().unwrap_or(0), state.device.version(), "{id}");
        }
        let report = verify(self.folder.path(), None).expect("verify");
        assert!(report.problems.iter().all(|problem| problem.contains("but the log ends at")), "{:?}", report.problems);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_the_fold_of_whole_batches_whatever_happens(seed: u64, steps in vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut run = Run::begin(seed);
            for step in &steps {
                run.step(step).await;
            }
            run.everything_agrees().await;
            run.start_again().await;
            run.everything_agrees().await;
            save_all(run.opened(), &run.fleet).await;
            run.start_again().await;
            run.everything_agrees().await;
        });
    }
}
