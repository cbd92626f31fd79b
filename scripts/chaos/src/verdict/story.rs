//! The events sorted into what the rules ask for: sends by id, subscribers by name and room, views by room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::findings::{Findings, Reason};
use crate::event::{Event, Item, What};

/// A message from its sender's side.
pub struct Sent<'a> {
    pub t: f64,
    pub c: &'a str,
    pub room: &'a str,
    pub cid: &'a str,
    pub h: &'a str,
    /// When it was first acknowledged, and with which number.
    pub ack: Option<(f64, u64)>,
    /// The code with which it was refused for good.
    pub nack: Option<&'a str>,
    /// Its first number in the room's history.
    pub stored: Option<u64>,
}

/// A message from a subscriber's side.
pub struct Given<'a> {
    pub t: f64,
    pub seq: u64,
    pub cid: &'a str,
    pub h: &'a str,
}

/// A subscriber in a room, over all its connections.
#[derive(Default)]
pub struct Reader<'a> {
    /// What it wanted begins above this; `None` when it was never said.
    pub after: Option<u64>,
    pub given: Vec<Given<'a>>,
    pub gaps: Vec<(u64, u64)>,
    /// When it wanted no more.
    pub left: Option<f64>,
}

/// A room's whole history, read in one way.
pub struct View<'a> {
    pub t: f64,
    pub node: &'a str,
    pub items: &'a [Item],
    pub first: Option<u64>,
}

/// Everything that happened.
#[derive(Default)]
pub struct Story<'a> {
    /// In the order of their times.
    pub sends: Vec<Sent<'a>>,
    pub by_cid: HashMap<&'a str, usize>,
    pub readers: BTreeMap<(&'a str, &'a str), Reader<'a>>,
    /// By room; the first one counts as the room's history.
    pub views: BTreeMap<&'a str, Vec<View<'a>>>,
    /// In the order of their times.
    pub faults: Vec<(f64, &'a str)>,
    pub heals: Vec<f64>,
    pub died: Vec<(f64, &'a str)>,
    pub ended: bool,
    retries: usize,
}

impl<'a> Story<'a> {
    /// Sorts the events. What contradicts itself at once is found here.
    pub fn gather(events: &'a [Event], findings: &mut Findings) -> Self {
        let mut story = Self::default();
        let mut epochs: HashMap<&str, &str> = HashMap::new();
        // An answer may only be understood when the sends are known; the file's order has them before it.
        for Event { t, what } in events {
            let t = *t;
            match what {
                What::Send { c, room, cid, h, .. } => {
                    let sent = Sent { t, c, room, cid, h, ack: None, nack: None, stored: None };
                    story.by_cid.entry(cid).or_insert(story.sends.len());
                    story.sends.push(sent);
                }
                What::Ack { cid, seq, epoch } => {
                    let Some(sent) = story.sent_mut(cid) else {
                        findings
                            .add(Reason::Phantom, t, || format!("{cid} was acknowledged and never sent, at {t:.3} s"));
                        continue;
                    };
                    match sent.ack {
                        Some((_, before)) if before != *seq => findings.add(Reason::OkDisagrees, t, || {
                            format!("{cid} was acknowledged as {before}, then as {seq} at {t:.3} s")
                        }),
                        Some(_) => {}
                        None => sent.ack = Some((t, *seq)),
                    }
                    let room = sent.room;
                    if let Some(epoch) = epoch {
                        let before = *epochs.entry(room).or_insert(epoch);
                        if before != epoch {
                            findings.add(Reason::EpochChanged, t, || {
                                format!(
                                    "{cid} was acknowledged in epoch {epoch} of {room}, others in {before}, at {t:.3} s"
                                )
                            });
                        }
                    }
                }
                What::Nack { cid, code } => {
                    if let Some(sent) = story.sent_mut(cid) {
                        sent.nack = Some(code);
                    }
                }
                What::Sub { c, room, after } => _ = story.reader(c, room).after.get_or_insert(*after),
                What::Recv { c, room, seq, cid, h } => {
                    story.reader(c, room).given.push(Given { t, seq: *seq, cid, h });
                }
                What::Gap { c, room, from, to, .. } => story.reader(c, room).gaps.push((*from, *to)),
                What::Unsub { c, room } => story.reader(c, room).left = Some(t),
                What::Epoch { c, room, from, to } => findings
                    .add(Reason::EpochChanged, t, || format!("{c} had {from} of {room} and met {to} at {t:.3} s")),
                What::Fault { what } => story.faults.push((t, what)),
                What::Heal { .. } => story.heals.push(t),
                What::Died { what } => story.died.push((t, what)),
                What::Admitted { what } => findings.add(Reason::TwoWriters, t, || format!("{what} at {t:.3} s")),
                What::Hist { node, room, items, first } => {
                    story.views.entry(room).or_default().push(View { t, node, items, first: *first });
                }
                What::End {} => story.ended = true,
                What::Retry { .. } => story.retries += 1,
                What::Other => {}
            }
        }
        story.sends.sort_by(|a, b| a.t.total_cmp(&b.t));
        story.by_cid = story.sends.iter().enumerate().rev().map(|(at, sent)| (sent.cid, at)).collect();
        story.find_places();
        story
    }

    /// The message with this id.
    pub fn sent(&self, cid: &str) -> Option<&Sent<'a>> {
        self.by_cid.get(cid).and_then(|at| self.sends.get(*at))
    }

    /// Every room that was written to.
    pub fn rooms(&self) -> BTreeSet<&'a str> {
        self.sends.iter().map(|sent| sent.room).collect()
    }

    /// A room's history, as the first view has it.
    pub fn log(&self, room: &str) -> Option<&'a [Item]> {
        self.views.get(room).and_then(|views| views.first()).map(|view| view.items)
    }

    fn sent_mut(&mut self, cid: &str) -> Option<&mut Sent<'a>> {
        self.by_cid.get(cid).and_then(|at| self.sends.get_mut(*at))
    }

    fn reader(&mut self, c: &'a str, room: &'a str) -> &mut Reader<'a> {
        self.readers.entry((c, room)).or_default()
    }

    fn find_places(&mut self) {
        let Self { sends, by_cid, views, .. } = self;
        for (room, views) in views {
            for (seq, cid, _) in views.first().map_or(&[][..], |view| view.items) {
                if let Some(sent) = by_cid.get(cid.as_str()).and_then(|at| sends.get_mut(*at))
                    && sent.room == *room
                {
                    sent.stored.get_or_insert(*seq);
                }
            }
        }
    }

    /// What the history contains, for people.
    pub fn statistics(&self) -> Vec<(&'static str, String)> {
        let count = |which: fn(&Sent) -> bool| self.sends.iter().filter(|sent| which(sent)).count().to_string();
        let given = self.readers.values().map(|reader| reader.given.len());
        let gaps = self.readers.values().flat_map(|reader| &reader.gaps);
        let mut statistics = vec![
            ("sent", self.sends.len().to_string()),
            ("acknowledged", count(|sent| sent.ack.is_some())),
            ("refused", count(|sent| sent.nack.is_some())),
            ("unanswered", count(|sent| sent.ack.is_none() && sent.nack.is_none())),
            ("of those stored", count(|sent| sent.ack.is_none() && sent.nack.is_none() && sent.stored.is_some())),
            ("retries", self.retries.to_string()),
            ("stored", count(|sent| sent.stored.is_some())),
            ("delivered", given.sum::<usize>().to_string()),
            ("told as gaps", gaps.map(|(from, to)| (to + 1).saturating_sub(*from)).sum::<u64>().to_string()),
            ("subscribers", self.readers.len().to_string()),
            ("faults", self.faults.len().to_string()),
        ];
        let delays = self.delays();
        if let (Some(half), Some(most), Some(max)) =
            (delays.get(delays.len() / 2), delays.get(delays.len() * 99 / 100), delays.last())
        {
            statistics.push(("s from ok to delivery (p50/p99/max)", format!("{half:.3}/{most:.3}/{max:.3}")));
        }
        statistics
    }

    /// Seconds from each acknowledgement to each delivery, ascending.
    fn delays(&self) -> Vec<f64> {
        let given = self.readers.values().flat_map(|reader| &reader.given);
        let mut delays: Vec<f64> = given.filter_map(|given| Some(given.t - self.sent(given.cid)?.ack?.0)).collect();
        delays.sort_by(f64::total_cmp);
        delays
    }
}
