//! The payload of a client's WebSocket frame, without its mask (RFC 6455, 5.3).

/// Changes the bytes at once, many at a time: the compiler makes vectors of the inner loop.
pub fn unmask(bytes: &mut [u8], key: [u8; 4]) {
    const WIDTH: usize = 64;
    let mut wide = [0; WIDTH];
    for (byte, of_key) in wide.iter_mut().zip(key.into_iter().cycle()) {
        *byte = of_key;
    }
    let (blocks, rest) = bytes.as_chunks_mut::<WIDTH>();
    for block in blocks {
        for (byte, of_key) in block.iter_mut().zip(wide) {
            *byte ^= of_key;
        }
    }
    for (byte, of_key) in rest.iter_mut().zip(wide) {
        *byte ^= of_key;
    }
}

#[cfg(test)]
mod tests {
    use super::unmask;

    #[test]
    fn each_byte_gets_the_byte_of_the_key_at_its_place() {
        for length in (0..200).chain([1024, 65_537]) {
            let plain: Vec<u8> = (0..length)
                .map(|at| u8::try_from(at % 251).unwrap_or_default())
                .collect();
            let key = [1, 0x80, 0xff, 7];
            let mut bytes = plain.clone();
            unmask(&mut bytes, key);
            let expected: Vec<u8> = plain.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            assert_eq!(bytes, expected, "{length} bytes");
            unmask(&mut bytes, key);
            assert_eq!(bytes, plain);
        }
    }
}
