//! A stream of frames: a snapshot, then what has changed, at most once a tick.

use crate::{
    Hub, StreamRequest,
    columns::{Columns, Kind, write_values},
    device_set::DeviceSet,
    filter::Filter,
    message,
    numbering::Numbering,
    outlet::{End, Outlet},
    tick::Tick,
};
use fieldwatch_directory::DeviceRow;
use fieldwatch_domain::{DeviceNumber, SHELVES};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, sleep_until},
};

/// Devices in one message of the snapshot.
const SNAPSHOT_DEVICES: usize = 5_000;
/// Devices in one frame of a stream that is behind; the rest waits for the next, and the position with it.
const FRAME_DEVICES: usize = 50_000;
/// A client may leave its channel full for so long; what changes meanwhile is merged.
const PATIENCE: Duration = Duration::from_secs(10);
/// A snapshot may be large and the network slow, but something has to go within this time.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(30);
/// A position that came without anything to tell is told after so long without a message, so that a page which asks where
/// the log is does not take its stream for dead.
const POSITION_AFTER: Duration = Duration::from_secs(2);

/// One stream of frames.
pub(crate) struct FrameStream {
    hub: Arc<Hub>,
    filter: Filter,
    outlet: Outlet,
    ticks: broadcast::Receiver<Arc<Tick>>,
    _joined: Joined,
    /// Ticks up to this number are older than the snapshot.
    joined_after: u64,
    numbering: Numbering,
    /// What has changed and could not be told yet.
    behind: DeviceSet,
    /// Where the stream stands once nothing is behind.
    reached: u64,
    framed_at: Instant,
    stuck_since: Option<Instant>,
}

/// While it lives changes are noted.
struct Joined(Arc<Hub>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.noted().leave();
    }
}

impl FrameStream {
    /// A stream that begins now.
    pub(crate) fn new(hub: &Arc<Hub>, request: &StreamRequest, outlet: Outlet) -> Self {
        let ticks = hub.ticks().subscribe();
        let joined_after = hub.noted().join();
        Self {
            filter: Filter::new(request, hub.directory(), hub.numbers()),
            outlet,
            ticks,
            _joined: Joined(Arc::clone(hub)),
            joined_after,
            numbering: Numbering::default(),
            behind: DeviceSet::default(),
            // What changes from here on is noted, and the snapshot below is read later: nothing falls in between.
            reached: hub.directory().position(),
            framed_at: Instant::now(),
            stuck_since: None,
            hub: Arc::clone(hub),
        }
    }

    /// Tells until the client is gone or too slow.
    pub(crate) async fn run(mut self) -> End {
        let Err(end) = self.tell_all().await;
        if end == End::TooSlow {
            self.outlet.overrun();
        }
        end
    }

    async fn tell_all(&mut self) -> Result<Infallible, End> {
        let hello = message::hello(self.reached, self.hub.store().log_id(), self.reached);
        self.outlet.send(hello, self.reached, PATIENCE).await?;
        self.tell_snapshot().await?;
        loop {
            let wakes_at = self.wakes_at();
            tokio::select! {
                tick = self.ticks.recv() => self.tell_tick(&*heard(tick)?)?,
                () = sleep_until(wakes_at) => self.tell_late()?,
            }
        }
    }

    async fn tell_snapshot(&mut self) -> Result<(), End> {
        let position = self.reached;
        let mut part: Vec<(DeviceNumber, DeviceRow)> = Vec::new();
        if let Some(devices) = self.filter.named_devices() {
            part.extend(devices.into_iter().filter_map(|device| Some((device, self.hub.directory().row(device)?))));
            part.retain(|(_, row)| self.filter.wants_place(row.location));
        } else {
            for shelf in 0..SHELVES {
                let shelf = self.hub.directory().shelf(shelf);
                part.extend(shelf.into_iter().filter(|(_, row)| self.filter.wants_place(row.location)));
                // More than one message is there for sure, so none of these is the last.
                while part.len() > SNAPSHOT_DEVICES {
                    let rest = part.split_off(SNAPSHOT_DEVICES);
                    self.send_part(&part, position, false).await?;
                    part = rest;
                }
            }
        }
        self.send_part(&part, position, true).await
    }

    /// Sends a part of the snapshot; ticks that come meanwhile are merged.
    async fn send_part(&mut self, devices: &[(DeviceNumber, DeviceRow)], position: u64, last: bool) -> Result<(), End> {
        let mut columns = Columns::default();
        let mut rows = Vec::with_capacity(devices.len());
        for (device, row) in devices {
            self.put(&mut columns, *device);
            rows.push(*row);
        }
        let text = columns.message(Kind::Snapshot { last }, position, &write_values(&rows)).into();
        let deadline = Instant::now() + SNAPSHOT_PATIENCE;
        loop {
            tokio::select! {
                biased;
                tick = self.ticks.recv() => {
                    let tick = heard(tick)?;
                    self.merge(&tick);
                }
                room = self.outlet.room() => {
                    room?;
                    break;
                }
                () = sleep_until(deadline) => return Err(End::TooSlow),
            }
        }
        self.framed_at = Instant::now();
        if self.outlet.send_now(text, position) { Ok(()) } else { Err(End::Over) }
    }

    fn merge(&mut self, tick: &Tick) {
        if tick.number > self.joined_after {
            tick.present.iter().chain(&tick.absent).for_each(|device| self.behind.insert(*device));
            self.reached = self.reached.max(tick.position);
        }
    }

    /// Tells a tick, or merges it with what is behind.
    fn tell_tick(&mut self, tick: &Tick) -> Result<(), End> {
        if tick.number <= self.joined_after {
            return Ok(());
        }
        if !self.outlet.has_room() {
            self.merge(tick);
            return self.check_patience();
        }
        if !self.behind.is_empty() {
            self.merge(tick);
            return self.tell_behind();
        }
        self.reached = self.reached.max(tick.position);
        let mut columns = Columns::default();
        if self.filter.wants_all_devices() {
            tick.present.iter().for_each(|device| self.put(&mut columns, *device));
            self.remove(&mut columns, &tick.absent);
            self.send_frame(&columns, tick.values())
        } else {
            let rows = self.put_wanted(&mut columns, tick.present.iter().copied().zip(tick.rows.iter().copied()));
            self.remove(&mut columns, &tick.absent);
            self.send_frame(&columns, &write_values(&rows))
        }
    }

    /// When there is something to do even if no tick comes.
    fn wakes_at(&self) -> Instant {
        if !self.behind.is_empty() {
            // Mostly the next tick is sooner. Never in the past, or a client that takes nothing would keep a core busy.
            let interval = self.hub.options().frame_interval;
            (self.framed_at + interval * 3 / 2).max(Instant::now() + interval / 4)
        } else if self.reached > self.outlet.told() {
            self.outlet.sent_at() + POSITION_AFTER
        } else {
            self.outlet.keep_alive_at()
        }
    }

    /// Tells what is behind, or that there is nothing to tell.
    fn tell_late(&mut self) -> Result<(), End> {
        if !self.outlet.has_room() {
            return self.check_patience();
        }
        if !self.behind.is_empty() {
            return self.tell_behind();
        }
        if self.reached > self.outlet.told() {
            return self.send(Columns::default().message(Kind::Frame, self.reached, &write_values(&[])), self.reached);
        }
        self.send(message::keep_alive(self.reached), self.reached)
    }

    fn tell_behind(&mut self) -> Result<(), End> {
        let mut columns = Columns::default();
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for device in self.behind.take(FRAME_DEVICES) {
            match self.hub.directory().row(device) {
                Some(row) => present.push((device, row)),
                None => absent.push(device),
            }
        }
        let rows = self.put_wanted(&mut columns, present.into_iter());
        self.remove(&mut columns, &absent);
        self.send_frame(&columns, &write_values(&rows))
    }

    /// A device whose values are told, numbered if it is new.
    fn put(&mut self, columns: &mut Columns, device: DeviceNumber) {
        let number = self.numbering.get(device).unwrap_or_else(|| {
            self.hub.numbers().with_id(device, |id| columns.push_id(id));
            self.numbering.give(device)
        });
        columns.push_number(number);
    }

    /// Those of the devices that the client wants, and the values of these. One that has left the box is gone.
    fn put_wanted(&mut self, columns: &mut Columns, devices: impl Iterator<Item = (DeviceNumber, DeviceRow)>) -> Vec<DeviceRow> {
        let mut rows = Vec::new();
        for (device, row) in devices {
            if !self.filter.wants_device(device) {
                continue;
            }
            if self.filter.wants_place(row.location) {
                self.put(columns, device);
                rows.push(row);
            } else {
                self.remove(columns, &[device]);
            }
        }
        rows
    }

    fn remove(&mut self, columns: &mut Columns, devices: &[DeviceNumber]) {
        devices.iter().filter_map(|device| self.numbering.remove(*device)).for_each(|number| columns.push_gone(number));
    }

    fn send_frame(&mut self, columns: &Columns, values: &str) -> Result<(), End> {
        if columns.is_empty() {
            return Ok(());
        }
        self.framed_at = Instant::now();
        let position = if self.behind.is_empty() { self.reached } else { self.outlet.told() };
        self.send(columns.message(Kind::Frame, position, values), position)
    }

    /// Sends where room was seen before; only this stream sends, so the room is still there.
    fn send(&mut self, text: impl Into<bytes::Bytes>, position: u64) -> Result<(), End> {
        self.stuck_since = None;
        if self.outlet.send_now(text.into(), position) { Ok(()) } else { Err(End::Over) }
    }

    fn check_patience(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.outlet.has_room() {
            self.stuck_since = None;
        } else if now - *self.stuck_since.get_or_insert(now) > PATIENCE {
            return Err(End::TooSlow);
        }
        Ok(())
    }
}

/// A tick, unless the stream slept through too many.
fn heard(tick: Result<Arc<Tick>, RecvError>) -> Result<Arc<Tick>, End> {
    match tick {
        Ok(tick) => Ok(tick),
        // What has changed is lost, so only a new snapshot helps.
        Err(RecvError::Lagged(_)) => Err(End::TooSlow),
        Err(RecvError::Closed) => Err(End::Over),
    }
}
