//! Where the head of a request ends in a stream of bytes, as httparse sees it: at an empty line. A line ends with LF or
//! CR LF; empty lines before the first one are skipped.

/// Looks for the end of one head after the other.
#[derive(Debug, Default)]
pub(super) struct HeadEnd(Place);

/// Where in a head the last byte was.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// Before the request line.
    #[default]
    Before,
    /// Within a line.
    Line,
    /// Behind the end of a line.
    LineEnd,
    /// Behind a CR at the beginning of a line.
    Cr,
}

impl HeadEnd {
    /// The number of these bytes that belong to the head, where it ends among them.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            self.0 = match self.0 {
                Place::Before => {
                    at += bytes[at..].iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
                    Place::Line
                }
                Place::Line => {
                    at += bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
                    Place::LineEnd
                }
                Place::LineEnd | Place::Cr => {
                    let byte = bytes.get(at)?;
                    let is_after_cr = matches!(self.0, Place::Cr);
                    match byte {
                        b'\n' => {
                            self.0 = Place::Before;
                            return Some(at + 1);
                        }
                        b'\r' if !is_after_cr => {
                            at += 1;
                            Place::Cr
                        }
                        _ => Place::Line,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_behind_its_empty_line() {
        for (bytes, end) in [
            (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest"[..], Some(27)),
            (b"GET / HTTP/1.1\nHost: h\n\nrest", Some(24)),
            (b"GET / HTTP/1.1\nHost: h\n\r\nrest", Some(25)),
            (b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", Some(23)),
            (b"GET / HTTP/1.1\r\nHost: h\r\n", None),
            (b"GET / HTTP/1.1\r\nX: \r\r\nHost: h\r\n", None),
            (b"\r\n\r\n", None),
            (b"", None),
        ] {
            assert_eq!(HeadEnd::default().end_in(bytes), end, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_next_head_is_looked_for_behind_the_last() {
        let mut head = HeadEnd::default();
        let bytes = b"GET /a HTTP/1.1\r\n\r\nGET /bb HTTP/1.1\r\n\r\n";

        let first = head.end_in(bytes).unwrap();

        assert_eq!((first, head.end_in(&bytes[first..])), (19, Some(20)));
    }

    proptest! {
        #[test]
        fn the_end_is_the_same_however_the_bytes_are_cut(bytes in "[\r\na]{0,30}", cuts in proptest::collection::vec(0usize..30, 0..6)) {
            let whole = HeadEnd::default().end_in(bytes.as_bytes());

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut head = HeadEnd::default();
            let found = cuts.windows(2).find_map(|part| head.end_in(&bytes.as_bytes()[part[0]..part[1]]).map(|end| part[0] + end));

            prop_assert_eq!(found, whole);
        }
    }
}
