//! A connection while it lives, and what may be asked of it: everything under a deadline.

use super::broken::Broken;
use lapin::{Channel, Connection, options::ConfirmSelectOptions};
use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// One connection, from its handshake to its loss.
pub(crate) struct Live {
    pub(super) connection: Connection,
    /// Which one it is in the life of its link.
    pub(crate) number: u64,
    call: Duration,
    /// Why it is lost.
    lost: watch::Sender<Option<String>>,
    /// Why the broker takes nothing.
    blocked: Mutex<Option<String>>,
}

impl Live {
    pub(super) fn new(connection: Connection, number: u64, call: Duration) -> Self {
        Self { connection, number, call, lost: watch::Sender::new(None), blocked: Mutex::default() }
    }

    /// A channel of one's own.
    pub(crate) async fn channel(&self) -> Result<Channel, Broken> {
        self.ask("open a channel", self.connection.create_channel()).await
    }

    /// A channel on which every message is confirmed.
    pub(crate) async fn confirming_channel(&self) -> Result<Channel, Broken> {
        let channel = self.channel().await?;
        self.ask("confirm messages", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Waits for an answer as long as one may take. After that the connection counts as lost: nothing else shows that whatever
    /// is between here and the broker swallows everything.
    pub(crate) async fn ask<T>(&self, what: &str, answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Broken> {
        if let Ok(answer) = timeout(self.call, answer).await {
            if !self.connection.status().connected() {
                self.lose("the connection has ended");
            }
            return answer.map_err(Broken::from);
        }
        let why = format!("the broker did not {what} within {:?}", self.call);
        // A blocked connection is not read by the broker, and needs no new one.
        if self.blocked().is_none() {
            self.lose(&why);
        }
        Err(Broken::new(why))
    }

    /// Gives the connection up; its link makes another one.
    pub(crate) fn lose(&self, why: &str) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert_with(|| why.into());
            first
        });
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Waits until it is lost, and says why. Cancel-safe.
    pub(crate) async fn until_lost(&self) -> String {
        let mut lost = self.lost.subscribe();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_default()
    }

    pub(super) fn set_blocked(&self, why: Option<String>) {
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the broker takes nothing on this connection just now.
    pub(crate) fn blocked(&self) -> Option<String> {
        let why = self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.connection.status().blocked() { Some(why.unwrap_or_else(|| "it does not say why".into())) } else { None }
    }
}
