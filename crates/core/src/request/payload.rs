//! A client's WebSocket message on its way out of the socket's packets: the mask comes off while its bytes are copied, once.

use super::unmask::unmask;

/// Few enough that they are still in the processor's first cache when the mask is taken off them.
const STEP: usize = 16 * 1024;

/// Room that is made ahead of what has come. A client can announce much and send nothing.
const AHEAD: usize = 256 * 1024;

/// The payload of one frame, of which a part may still be under way.
#[derive(Debug, Default)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Adds the next bytes, which are masked; so many more follow behind them. The whole payload, when none do.
    pub fn add(&mut self, masked: &[u8], mut key: [u8; 4], follow: usize) -> Option<Vec<u8>> {
        let Self(plain) = self;
        let ahead = follow.min(plain.len().max(AHEAD));
        if plain.capacity() - plain.len() < masked.len() {
            plain.reserve_exact(masked.len() + ahead);
        }
        key.rotate_left(plain.len() % 4);
        for step in masked.chunks(STEP) {
            let at = plain.len();
            plain.extend_from_slice(step);
            unmask(&mut plain[at..], key);
        }
        (follow == 0).then(|| std::mem::take(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, Payload};

    const KEY: [u8; 4] = [1, 0x80, 0xff, 7];

    fn masked(plain: &[u8]) -> Vec<u8> {
        plain.iter().enumerate().map(|(at, byte)| byte ^ KEY[at % 4]).collect()
    }

    #[test]
    fn a_payload_is_the_same_however_it_is_cut() {
        for length in [0, 1, 5, 1024, 65_536, 3 * AHEAD] {
            let plain: Vec<u8> = (0..length)
                .map(|at| u8::try_from(at % 251).unwrap_or_default())
                .collect();
            let bytes = masked(&plain);
            for cut in [0, 1, 2, 3, 14, length / 2, length].map(|cut| cut.min(length)) {
                let mut payload = Payload::default();
                let follow = length - cut;
                if follow > 0 {
                    assert_eq!(
                        payload.add(&bytes[..cut], KEY, follow),
                        None,
                        "{length} bytes, cut at {cut}"
                    );
                }
                let rest = if follow > 0 { &bytes[cut..] } else { &bytes[..] };
                assert_eq!(
                    payload.add(rest, KEY, 0).as_ref(),
                    Some(&plain),
                    "{length} bytes, cut at {cut}"
                );
                // It takes the next one.
                assert_eq!(payload.add(&masked(b"next"), KEY, 0), Some(b"next".to_vec()));
            }
        }
    }

    #[test]
    fn what_a_client_only_announces_costs_little() {
        let mut payload = Payload::default();
        assert_eq!(payload.add(&masked(b"x"), KEY, 1 << 40), None);
        assert!(payload.0.capacity() <= 1 + AHEAD);
        for _ in 0..64 {
            payload.add(&[0; AHEAD / 16], KEY, 1 << 40);
            assert!(payload.0.capacity() <= 2 * payload.0.len().max(AHEAD));
        }
    }
}
