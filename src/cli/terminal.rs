//! The terminal, where there is one: how wide it is, which characters it may be sent, and what is typed unseen.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    os::fd::AsFd,
    time::Duration,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use zeroize::Zeroizing;

use super::Failure;
use crate::clock::{Clock, SystemClock, Timestamp};

/// The terminal that stdout is, as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// How many columns it has.
    pub(super) width: u16,
    /// The moment that times are told from.
    pub(super) now: Timestamp,
}

impl Screen {
    /// The screen; `None` where stdout is a file or a pipe.
    pub(super) fn of_stdout() -> Option<Self> {
        const USUAL: u16 = 80;
        if !stdout().is_terminal() {
            return None;
        }
        let width = tcgetwinsize(stdout()).ok().map(|size| size.ws_col).filter(|width| *width > 0);
        Some(Self { width: width.unwrap_or(USUAL), now: SystemClock.now() })
    }

    /// How long ago a moment was: "2 days ago".
    pub(super) fn ago(self, moment: Timestamp) -> String {
        let micros = self.now.as_micros().saturating_sub(moment.as_micros());
        let span = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let mut formatter = timeago::Formatter::new();
        formatter.too_low("just now").min_unit(timeago::TimeUnit::Seconds);
        if span < Duration::from_secs(1) { "just now".to_owned() } else { formatter.convert(span) }
    }
}

/// A text as a person may see it: characters that control the terminal, turn the direction of the text or show nothing
/// are written as `\u{202e}`.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The same, of a text with several lines.
pub(super) fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character == '\n')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_hidden = |character: char| !is_kept(character) && is_hidden(character);
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _infallible = write!(escaped, "{}", character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn is_hidden(character: char) -> bool {
    /// Letters, marks and symbols that show nothing.
    const BLANK: [char; 6] = ['\u{34f}', '\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || BLANK.contains(&character)
}

/// Asks for one line on the terminal that stdin is, and does not show what is typed. An interrupt shows it again.
pub(super) async fn ask_unseen(question: &str, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (mut interrupt, mut terminate) = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
        .map_err(|error| Failure::Refused(format!("cannot wait for signals: {error}")))?;
    let unseen = Unseen::start().map_err(|error| Failure::Refused(format!("cannot turn the echo off: {error}")))?;
    let mut asking = stderr();
    let _gone = write!(asking, "{question}").and_then(|()| asking.flush());
    // A thread of its own: it may read for ever, and ends with the process.
    let (sender, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(read_line(most)));
    let line = tokio::select! {
        line = line => line.unwrap_or_else(|_| Ok(Zeroizing::default())),
        _ = interrupt.recv() => Err(std::io::ErrorKind::Interrupted.into()),
        _ = terminate.recv() => Err(std::io::ErrorKind::Interrupted.into()),
    };
    drop(unseen);
    let _gone = writeln!(asking);
    line.map_err(|error| Failure::Refused(format!("stdin cannot be read: {error}")))
}

/// Past the buffer of `stdin()`, which would keep a copy.
fn read_line(most: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(most));
    let mut bytes = Zeroizing::new([0; 256]);
    while line.len() < most && !line.ends_with(b"\n") {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(stdin().as_fd(), &mut bytes[..]))?;
        if count == 0 {
            break;
        }
        let room = most - line.len();
        line.extend_from_slice(&bytes[..count.min(room)]);
    }
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen(Termios);

impl Unseen {
    fn start() -> rustix::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _gone = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_or_hides_text_is_written_out() {
        for (text, seen) in [
            ("John Doe's Töken 🔑", "John Doe's Töken 🔑"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{200b}\u{feff}\u{ad}", "\\u{200b}\\u{feff}\\u{ad}"),
            ("\u{1b}[2J\u{9b}\n", "\\u{1b}[2J\\u{9b}\\u{a}"),
            ("\u{3164}\u{2800}", "\\u{3164}\\u{2800}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(visible(text), seen, "{text:?}");
        }
        assert_eq!(visible_lines("a\nb\u{202e}"), "a\nb\\u{202e}");
    }

    #[test]
    fn a_moment_is_told_from_now() {
        let now = 1_795_494_884_000_000;
        let screen = Screen { width: 80, now: Timestamp::from_micros(now) };
        let ago = |seconds: i64| screen.ago(Timestamp::from_micros(now - seconds * 1_000_000));

        for (seconds, said) in [
            (-5, "just now"),
            (0, "just now"),
            (1, "1 second ago"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (7200, "2 hours ago"),
            (2 * 86_400, "2 days ago"),
            (365 * 86_400 + 86_400, "1 year ago"),
        ] {
            assert_eq!(ago(seconds), said, "{seconds}");
        }
        assert!(screen.ago(Timestamp::from_micros(i64::MIN)).contains("year"));
    }
}
