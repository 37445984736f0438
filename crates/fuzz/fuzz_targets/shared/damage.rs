//! A good file made a bad one.

/// Each three bytes of `orders` change one byte; what is left over cuts the end off.
pub fn damage(file: &mut Vec<u8>, orders: &[u8]) {
    let (orders, rest) = orders.as_chunks::<3>();
    for [low, high, mask] in orders {
        let place = usize::from(u16::from_le_bytes([*low, *high])) % file.len();
        file[place] ^= mask;
    }
    let cut = rest.iter().fold(0, |cut, byte| cut * 256 + usize::from(*byte));
    file.truncate(file.len().saturating_sub(cut));
}
