//! Where a chunked body ends in a stream of bytes, as actix-http sees it: the same states, byte for byte, as
//! `ChunkedState` of its `h1/chunked.rs`, and a test that compares the two. A stricter or a laxer reader would see another
//! end, and the next request would begin elsewhere.

/// Looks for the end of one chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunksEnd {
    place: Place,
    /// The size of the chunk at hand, or how much of it is still to come.
    size: u64,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The first digit of a size.
    #[default]
    Size,
    /// A later digit of a size, or what is behind it.
    SizeRest,
    /// Space behind a size.
    Space,
    Extension,
    /// The LF behind a size.
    SizeLf,
    Data,
    /// The CR and the LF behind the data of a chunk.
    DataCr,
    DataLf,
    /// The first byte of a line behind the last chunk: a trailer, or the CR of the end.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    /// None: the body has ended, or is malformed.
    Over,
}

impl ChunksEnd {
    /// The number of these bytes that belong to the body, if it ends among them. A malformed body ends behind its first
    /// wrong byte: the parser then reports it, and the answer is the last of the connection.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while self.place != Place::Over {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            if self.place == Place::Data {
                let length = usize::try_from(self.size).map_or(rest.len(), |size| size.min(rest.len()));
                self.size -= length as u64;
                at += length;
                if self.size == 0 {
                    self.place = Place::DataCr;
                }
            } else {
                self.place = self.behind(rest[0]);
                at += 1;
            }
        }
        Some(at)
    }

    fn behind(&mut self, byte: u8) -> Place {
        match (self.place, byte) {
            (Place::Size, _) => self.digit(byte, 0),
            (Place::SizeRest | Place::Space, b'\t' | b' ') => Place::Space,
            (Place::SizeRest | Place::Space, b';') => Place::Extension,
            (Place::SizeRest | Place::Space | Place::Extension, b'\r') => Place::SizeLf,
            (Place::SizeRest, _) => self.digit(byte, self.size),
            (Place::Extension, 0x00..=0x08 | 0x0a..=0x1f | 0x7f) => Place::Over,
            (Place::Extension, _) => Place::Extension,
            (Place::SizeLf, b'\n') if self.size > 0 => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Size,
            (Place::SizeLf | Place::TrailerLf, b'\n') => Place::Line,
            (Place::Line, b'\r') => Place::EndLf,
            (Place::Trailer, b'\r') => Place::TrailerLf,
            // The parser takes anything for a trailer, but for its end.
            (Place::Line | Place::Trailer, _) => Place::Trailer,
            // The last byte of the body, or a wrong one.
            (
                Place::EndLf
                | Place::Space
                | Place::SizeLf
                | Place::Data
                | Place::DataCr
                | Place::DataLf
                | Place::TrailerLf
                | Place::Over,
                _,
            ) => Place::Over,
        }
    }

    /// Takes one digit of a size behind those before it.
    fn digit(&mut self, byte: u8, before: u64) -> Place {
        let digit = char::from(byte).to_digit(16);
        let Some((shifted, digit)) = before.checked_mul(16).zip(digit) else { return Place::Over };
        self.size = shifted | u64::from(digit);
        Place::SizeRest
    }
}

#[cfg(test)]
mod tests {
    use actix_http::h1::{Codec, Message};
    use actix_web::web::BytesMut;
    use proptest::prelude::*;
    use tokio_util::codec::Decoder;

    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// How many bytes of the body the parser takes before it sees the end or an error, if it does.
    fn end_for_parser(body: &[u8]) -> Option<usize> {
        // Its clock is a task, which never runs here.
        let tasks = tokio::task::LocalSet::new();
        let _entered = tasks.enter();
        let mut codec = Codec::default();
        let mut left = BytesMut::from(&[HEAD, body].concat()[..]);
        assert!(matches!(codec.decode(&mut left), Ok(Some(Message::Item(_)))));
        loop {
            match codec.decode(&mut left) {
                Ok(Some(Message::Chunk(Some(_)))) => {}
                Ok(Some(Message::Chunk(None))) | Err(_) => return Some(body.len() - left.len()),
                Ok(None) => {
                    assert!(left.is_empty(), "the parser waits with bytes at hand");
                    return None;
                }
                Ok(Some(Message::Item(_))) => panic!("a head within a body"),
            }
        }
    }

    #[test]
    fn a_chunked_body_ends_where_the_parser_ends_it() {
        for body in [
            "0\r\n\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
            "00002;a=\"b;c\";\td\r\n{}\r\n0 \t;x\r\n\r\n",
            "A\r\n0\r\n\r\n0\r\n\r\n\r\n000\r\n\r\n",
            "0\r\nX: y\r\nZ: \nz\r\n\r\n",
            "0\r\n\n\r\n\r\n",
            // Each ends with its first wrong byte.
            "x",
            "\r",
            "0\n",
            "0 1",
            "0\r\r",
            "0;\n",
            "2\r\n{}0",
            "2\r\n{}\r0",
            "0\r\n\r\r",
            "0\r\nX\rG",
            "fffffffffffffffff",
        ] {
            for behind in ["", "\r", "\n", "\r\n\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
                let bytes = [body, behind].concat();
                assert_eq!(end_for_parser(bytes.as_bytes()), Some(body.len()), "the parser on {body:?}");
                assert_eq!(ChunksEnd::default().end_in(bytes.as_bytes()), Some(body.len()), "{body:?}");
            }
        }
        for part in ["", "0", "0\r\n\r", "0\r\nX: y\r\n", "0;x", "2\r\n{", "2\r\n{}\r\n", "ffffffffffffffff\r\n{}"] {
            assert_eq!(end_for_parser(part.as_bytes()), None, "the parser on {part:?}");
            assert_eq!(ChunksEnd::default().end_in(part.as_bytes()), None, "{part:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_end_is_that_of_the_parser_however_the_bytes_are_cut(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    &b"0\r\n"[..], b"0\r\n", b"\r\n", b"\r\n", b"1\r\nx\r\n", b"3;e=\"v\"\r\n\r\n0\r\n", b"X: y\r\n", b"\r", b"\n", b"1", b"f", b"A",
                    b"0", b" ", b"\t", b";", b"x", b":", b"\x00", b"\x7f", b"\xff", b"ffffffffffffffff",
                ]),
                0..12,
            ),
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = parts.concat();
            let mut cuts: Vec<usize> =
                cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut chunks = ChunksEnd::default();

            let found = cuts.windows(2).find_map(|part| chunks.end_in(&bytes[part[0]..part[1]]).map(|end| part[0] + end));

            prop_assert_eq!(found, end_for_parser(&bytes));
        }
    }
}
