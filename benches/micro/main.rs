//! What a request takes in the core: its head, its place in a queue, the headers of its response. `make micro` runs it.
#![allow(missing_docs, reason = "criterion's macros make functions")]

use std::hint::black_box;

use asgi_node_core::{HeaderBlock, Inbox, RequestHead, Version, Waker};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Numbers of header fields: none, a browser's, and far more than any client sends.
const FIELDS: [usize; 3] = [0, 10, 100];
/// Messages that a consumer finds at once: one request alone, and full connections.
const BURSTS: [usize; 2] = [1, 64];

struct Nobody;

impl Waker for Nobody {
    fn wake(&self) {}
}

/// A head as JavaScript writes it (npm/asgi-node/lib/incoming/head.js).
fn head(fields: usize) -> Vec<u8> {
    let start = "GET\0/items/42?page=2\x001.1\0http\x00127.0.0.1\x0050000\x00127.0.0.1\x003000\0\x000";
    let fields = (0..fields).map(|i| format!("\0X-Field-{i}\0value of field {i}"));
    std::iter::once(start.to_owned())
        .chain(fields)
        .collect::<String>()
        .into_bytes()
}

fn request_head(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse a request head");
    for fields in FIELDS {
        let bytes = head(fields);
        assert!(RequestHead::parse(bytes.clone()).is_ok_and(|head| head.headers().count() == fields));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(fields), &bytes, |b, bytes| {
            b.iter_batched(
                || bytes.clone(),
                |bytes| black_box(RequestHead::parse(bytes)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn response_headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("check the headers of a response");
    for fields in FIELDS {
        let fields: Vec<_> = (0..fields)
            .map(|i| {
                (
                    format!("x-field-{i}").into_bytes(),
                    format!("value of field {i}").into_bytes(),
                )
            })
            .collect();
        group.bench_with_input(BenchmarkId::from_parameter(fields.len()), &fields, |b, fields| {
            b.iter(|| {
                let mut block = HeaderBlock::with_capacity(fields.len());
                for (name, value) in fields {
                    let added = block.add(name, value, Version::Http11);
                    assert!(added.is_ok());
                }
                block.fit(200, Version::Http11);
                black_box(block.into_flat())
            });
        });
    }
    group.finish();
}

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("messages through an inbox");
    for burst in BURSTS {
        let inbox = Inbox::new(1024, Box::new(Nobody));
        let mut batch = Vec::new();
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_with_input(BenchmarkId::from_parameter(burst), &burst, |b, &burst| {
            b.iter(|| {
                for message in 0..burst {
                    assert!(inbox.post(message).is_ok());
                }
                inbox.take(&mut batch);
                assert_eq!(batch.len(), burst);
                batch.clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, request_head, response_headers, queue);
criterion_main!(benches);
