//! One writer per folder.

use fieldwatch_segment_log::{DirectoryLock, LockError};

use crate::support::folder;

#[test]
fn a_second_holder_is_refused_with_the_note_of_the_first() {
    let dir = folder();
    assert_eq!(DirectoryLock::holder(dir.path()).expect("ask"), None);
    let first = DirectoryLock::acquire(dir.path(), "process 17 on 127.0.0.1:8080").expect("lock");
    let second = DirectoryLock::acquire(dir.path(), "me");
    assert!(matches!(&second, Err(LockError::Locked { note, .. }) if note == "process 17 on 127.0.0.1:8080"));
    assert_eq!(DirectoryLock::holder(dir.path()).expect("ask").as_deref(), Some("process 17 on 127.0.0.1:8080"));
    drop(first);
    assert_eq!(DirectoryLock::holder(dir.path()).expect("ask"), None);
    let _third = DirectoryLock::acquire(dir.path(), "short").expect("lock again");
    assert_eq!(DirectoryLock::holder(dir.path()).expect("ask").as_deref(), Some("short"));
}

#[test]
fn asking_for_the_holder_never_keeps_one_out() {
    let dir = folder();
    std::thread::scope(|scope| {
        let (stop, asked) = std::sync::mpsc::channel::<()>();
        let path = dir.path();
        scope.spawn(move || {
            while asked.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                DirectoryLock::holder(path).expect("ask");
            }
        });
        for _ in 0..200 {
            DirectoryLock::acquire(dir.path(), "me").expect("lock");
        }
        drop(stop);
    });
}
