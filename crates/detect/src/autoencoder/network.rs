//! The network: its file, and what it makes of a window.
//!
//! The file is little-endian: the four letters `BWAE`, then as 32-bit numbers the version (1), the number of layers
//! `n` and the `n + 1` widths, then layer by layer the weights (a row for each output) and the biases as 32-bit floats,
//! and at the end the 64-bit FNV-1a hash of everything before it.

/// Samples in a window.
pub const WINDOW: usize = 32;
/// The widest layer that there may be.
const WIDTH_MAX: usize = 64;
const LAYERS_MAX: u32 = 16;
const MAGIC: [u8; 4] = *b"BWAE";
const VERSION: u32 = 1;

/// Why bytes are not a network. None of these mends itself: the file is of another version, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The bytes are not such a file at all.
    #[error("file does not start like a network")]
    NotANetwork,
    /// The format is of another release.
    #[error("network has a version that this release does not read: version=`{version}`")]
    Version {
        /// The version of the file.
        version: u32,
    },
    /// The number of layers or their widths are not those of an autoencoder over [`WINDOW`] samples.
    #[error("network has another shape: expected=`32 inputs and outputs, layers of 1 to 64`")]
    Shape,
    /// The file is cut off or too long.
    #[error("network has another length than its shape: expected=`{expected}`, found=`{found}`")]
    Length {
        /// Bytes that the shape needs.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// The bytes were changed after they were written.
    #[error("network does not match its checksum")]
    Checksum,
    /// A weight is infinite or not a number.
    #[error("network has a weight that is not finite")]
    NotFinite,
}

/// One layer: every output is a weighted sum of all inputs and a bias.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// A row of as many weights as there are inputs for each output.
    pub weights: Vec<f32>,
    /// One for each output.
    pub biases: Vec<f32>,
}

impl Layer {
    /// Weighted sums of `inputs`, one for each output.
    pub fn apply(&self, inputs: &[f32], outputs: &mut [f32]) {
        let rows = self.weights.chunks_exact(inputs.len());
        for ((output, row), bias) in outputs.iter_mut().zip(rows).zip(&self.biases) {
            *output = bias + dot(row, inputs);
        }
    }
}

/// Sum of products in eight strands, the order of which does not depend on the target.
fn dot(row: &[f32], inputs: &[f32]) -> f32 {
    let mut strands = [0.0_f32; 8];
    let (rows, row_rest) = row.as_chunks::<8>();
    let (chunks, rest) = inputs.as_chunks::<8>();
    for (a, b) in rows.iter().zip(chunks) {
        for ((strand, a), b) in strands.iter_mut().zip(a).zip(b) {
            *strand += a * b;
        }
    }
    for ((strand, a), b) in strands.iter_mut().zip(row_rest).zip(rest) {
        *strand += a * b;
    }
    strands.iter().sum()
}

/// Layers with tanh between them, and as many outputs as inputs. Read-only; shared by all series.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
}

impl Network {
    /// A network of `layers`.
    ///
    /// # Errors
    /// [`NetworkError::Shape`] when layers do not fit together; [`NetworkError::NotFinite`].
    pub fn new(layers: Vec<Layer>) -> Result<Self, NetworkError> {
        let mut inputs = WINDOW;
        for layer in &layers {
            let outputs = layer.biases.len();
            let fits =
                (1..=WIDTH_MAX).contains(&outputs) && layer.weights.len() == inputs * outputs;
            if !fits {
                return Err(NetworkError::Shape);
            }
            if !layer.weights.iter().chain(&layer.biases).all(|weight| weight.is_finite()) {
                return Err(NetworkError::NotFinite);
            }
            inputs = outputs;
        }
        if layers.is_empty() || inputs != WINDOW {
            return Err(NetworkError::Shape);
        }
        Ok(Self { layers })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NetworkError> {
        let mut reader = Reader { bytes };
        if reader.take().ok() != Some(MAGIC) {
            return Err(NetworkError::NotANetwork);
        }
        let version = u32::from_le_bytes(reader.take()?);
        if version != VERSION {
            return Err(NetworkError::Version { version });
        }
        let count = u32::from_le_bytes(reader.take()?);
        if count == 0 || count > LAYERS_MAX {
            return Err(NetworkError::Shape);
        }
        let mut widths = Vec::new();
        for _ in 0..=count {
            let width = u32::from_le_bytes(reader.take()?) as usize;
            if !(1..=WIDTH_MAX).contains(&width) {
                return Err(NetworkError::Shape);
            }
            widths.push(width);
        }
        let floats: usize = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let header = bytes.len() - reader.bytes.len();
        let expected = header + 4 * floats + 8;
        if bytes.len() != expected {
            return Err(NetworkError::Length { expected, found: bytes.len() });
        }
        if bytes[expected - 8..] != checksum(&bytes[..expected - 8]).to_le_bytes() {
            return Err(NetworkError::Checksum);
        }
        let mut layers = Vec::new();
        for pair in widths.windows(2) {
            let weights = reader.floats(pair[0] * pair[1])?;
            layers.push(Layer { weights, biases: reader.floats(pair[1])? });
        }
        Self::new(layers)
    }

    /// The file of this network.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let widths = self.layers.iter().map(|layer| layer.biases.len() as u32);
        let header = [VERSION, self.layers.len() as u32, WINDOW as u32].into_iter().chain(widths);
        for number in header {
            bytes.extend(number.to_le_bytes());
        }
        for weight in self.layers.iter().flat_map(|layer| layer.weights.iter().chain(&layer.biases))
        {
            bytes.extend(weight.to_le_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// The layers, from the inputs on.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The window that the network sees in `window`.
    pub fn reconstruct(&self, window: &[f32; WINDOW]) -> [f32; WINDOW] {
        let (mut inputs, mut outputs) = ([0.0; WIDTH_MAX], [0.0; WIDTH_MAX]);
        inputs[..WINDOW].copy_from_slice(window);
        let mut width = WINDOW;
        for (index, layer) in self.layers.iter().enumerate() {
            let next = layer.biases.len();
            layer.apply(&inputs[..width], &mut outputs[..next]);
            if index + 1 < self.layers.len() {
                for output in &mut outputs[..next] {
                    *output = libm::tanhf(*output);
                }
            }
            width = next;
            std::mem::swap(&mut inputs, &mut outputs);
        }
        std::array::from_fn(|index| inputs[index])
    }

    /// Bytes that it occupies.
    pub fn bytes(&self) -> usize {
        let floats = |layer: &Layer| layer.weights.capacity() + layer.biases.capacity();
        let layers = self.layers.iter().map(|layer| size_of::<Layer>() + 4 * floats(layer));
        size_of::<Self>() + layers.sum::<usize>()
    }
}

/// Bytes that are not read yet.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self) -> Result<[u8; 4], NetworkError> {
        let missing = NetworkError::Length { expected: 4, found: self.bytes.len() };
        let (head, rest) = self.bytes.split_first_chunk().ok_or(missing)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, NetworkError> {
        (0..count).map(|_| self.take().map(f32::from_le_bytes)).collect()
    }
}

/// FNV-1a (Fowler, Noll & Vo 1991).
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Doubles every value through a layer as wide.
    fn doubling() -> Network {
        let weight = |index: usize| if index.is_multiple_of(WINDOW + 1) { 2.0 } else { 0.0 };
        let weights = (0..WINDOW * WINDOW).map(weight).collect();
        Network::new(vec![Layer { weights, biases: vec![0.5; WINDOW] }]).expect("it fits")
    }

    #[test]
    fn a_layer_is_a_weighted_sum() {
        let layer = Layer { weights: (0..20).map(|i| i as f32).collect(), biases: vec![1.0, -1.0] };
        let inputs: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let mut outputs = [0.0; 2];
        layer.apply(&inputs, &mut outputs);
        // Sums of i² and of i (10 + i) for i below 10.
        assert_eq!(outputs.map(|output| output as i32), [286, 734]);
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let network = doubling();
        assert_eq!(Network::parse(&network.to_bytes()), Ok(network.clone()));
        let doubled = network.reconstruct(&std::array::from_fn(|index| index as f32));
        assert!((doubled[7] - 14.5).abs() < 1e-6);
    }

    #[test]
    fn each_damage_has_its_name() {
        let good = doubling().to_bytes();
        let with = |place: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[place] = byte;
            Network::parse(&bytes)
        };
        assert_eq!(Network::parse(&[]), Err(NetworkError::NotANetwork));
        assert_eq!(with(0, 0), Err(NetworkError::NotANetwork));
        assert_eq!(with(4, 2), Err(NetworkError::Version { version: 2 }));
        assert_eq!(with(8, 0), Err(NetworkError::Shape));
        assert_eq!(with(15, 0xff), Err(NetworkError::Shape));
        assert_eq!(with(100, 1), Err(NetworkError::Checksum));
        let (expected, found) = (good.len(), good.len() - 1);
        let cut = Network::parse(&good[..found]);
        assert_eq!(cut, Err(NetworkError::Length { expected, found }));
        let mut layers = doubling().layers;
        layers[0].biases[3] = f32::NAN;
        assert_eq!(Network::new(layers), Err(NetworkError::NotFinite));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200), place in any::<prop::sample::Index>(),
        ) {
            prop_assert!(Network::parse(&bytes).is_err());
            let mut damaged = doubling().to_bytes();
            let place = place.index(damaged.len());
            damaged[place] ^= 0x10;
            prop_assert!(Network::parse(&damaged).is_err());
        }
    }
}
