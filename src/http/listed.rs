//! A page of a list as JSON, written a slice at a time. Its rows are kept as they are until their turn comes: their JSON is up
//! to eight times as long, and whoever reads slowly must not hold all of it.

use std::{convert::Infallible, io, vec::IntoIter};

use actix_web::{
    HttpResponse,
    body::{MessageBody, SizedStream},
    http::header::ContentType,
    web::Bytes,
};
use futures_util::stream;
use serde::Serialize;

/// How much is handed over at once, but for the end of a row.
const SLICE: usize = 16 * 1024;

/// Answers a page. It comes without its rows, whose list is its last field.
pub(super) fn listed<R: 'static, B: Serialize>(
    page: &impl Serialize,
    rows: Vec<R>,
    body_of: impl Fn(&R) -> B + 'static,
) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(body(page, rows, body_of))
}

fn body<R: 'static, B: Serialize>(
    page: &impl Serialize,
    rows: Vec<R>,
    body_of: impl Fn(&R) -> B + 'static,
) -> impl MessageBody<Error = Infallible> + 'static {
    const END: &str = "]}";
    let whole = json(Vec::new(), page);
    let beginning =
        whole.strip_suffix(END.as_bytes()).expect("the list, which is empty, is the page's last field").to_vec();
    let commas = rows.len().saturating_sub(1);
    let length =
        rows.iter().fold(beginning.len() + commas + END.len(), |length, row| length + json(Length(0), &body_of(row)).0);
    let mut slices = Slices { next: Some(beginning), rows: rows.into_iter(), body_of, end: END };
    SizedStream::new(length as u64, stream::iter(std::iter::from_fn(move || slices.next().map(Ok::<_, Infallible>))))
}

/// What is still to be written of a page.
struct Slices<R, F> {
    /// The beginning of the next slice; `None` once the end has been written.
    next: Option<Vec<u8>>,
    rows: IntoIter<R>,
    body_of: F,
    end: &'static str,
}

impl<R, B: Serialize, F: Fn(&R) -> B> Slices<R, F> {
    fn next(&mut self) -> Option<Bytes> {
        let mut slice = self.next.take()?;
        while slice.len() < SLICE {
            let Some(row) = self.rows.next() else {
                slice.extend_from_slice(self.end.as_bytes());
                return Some(slice.into());
            };
            slice = json(slice, &(self.body_of)(&row));
            if self.rows.len() > 0 {
                slice.push(b',');
            }
        }
        self.next = Some(Vec::with_capacity(SLICE + SLICE / 8));
        Some(slice.into())
    }
}

fn json<W: io::Write>(mut to: W, value: &impl Serialize) -> W {
    serde_json::to_writer(&mut to, value).expect("texts, numbers and lists, to memory");
    to
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use actix_web::body::BodySize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Page {
        links: &'static str,
        data: Vec<String>,
    }

    fn slices(rows: Vec<String>) -> (BodySize, Vec<Bytes>) {
        let body = body(&Page { links: "[]}", data: Vec::new() }, rows, |row| format!("<{row}\">"));
        let (size, mut body, mut slices) = (body.size(), pin!(body), Vec::new());
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(slice)) = body.as_mut().poll_next(&mut context) {
            slices.push(slice.unwrap());
        }
        (size, slices)
    }

    #[test]
    fn a_page_in_slices_is_the_page() {
        for count in [0, 1, 2, 70, 1000] {
            for length in [0, 100, 40_000] {
                let rows: Vec<String> = (0..count.min(4_000_000 / (length + 1)))
                    .map(|i| format!("{i}{}", "é".repeat(length / 2)))
                    .collect();
                let whole =
                    json!({ "links": "[]}", "data": rows.iter().map(|row| format!("<{row}\">")).collect::<Vec<_>>() });

                let (size, slices) = slices(rows);

                let written = slices.concat();
                assert_eq!(size, BodySize::Sized(written.len() as u64));
                assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).unwrap(), whole);
                assert!(
                    slices.iter().all(|slice| slice.len() < SLICE + length + 100),
                    "a slice is one row too long at most"
                );
            }
        }
    }

    /// A reader that takes nothing holds the rows, and one slice of their JSON.
    #[test]
    fn a_row_becomes_json_when_its_turn_comes() {
        let (made, rows) = (std::rc::Rc::new(std::cell::Cell::new(0)), vec![(); 1000]);
        let body = body(&Page { links: "", data: Vec::new() }, rows, {
            let made = made.clone();
            move |()| {
                made.set(made.get() + 1);
                "x".repeat(1000)
            }
        });
        assert_eq!(made.replace(0), 1000, "counted, and dropped");

        let mut body = pin!(body);
        let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) else {
            panic!("there is a slice");
        };

        assert_eq!(made.get(), 17);
    }
}
