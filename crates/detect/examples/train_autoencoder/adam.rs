//! Gradients of a network, and steps along them.

use bellwether_detect::autoencoder::{Layer, WINDOW};

/// Decay of the moments, and what keeps a step finite.
const FIRST: f32 = 0.9;
const SECOND: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A network that learns by Adam (Kingma & Ba 2015).
#[derive(Debug)]
pub(crate) struct Trainee {
    pub(crate) layers: Vec<Layer>,
    gradients: Vec<Layer>,
    first: Vec<Layer>,
    second: Vec<Layer>,
    /// Decay of the moments to the power of the steps so far.
    decayed: [f32; 2],
}

impl Trainee {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let zero = |layer: &Layer| Layer {
            weights: vec![0.0; layer.weights.len()],
            biases: vec![0.0; layer.biases.len()],
        };
        let zeros = || layers.iter().map(zero).collect::<Vec<_>>();
        let (gradients, first, second) = (zeros(), zeros(), zeros());
        Self { layers, gradients, first, second, decayed: [1.0; 2] }
    }

    /// Adds the gradient of the squared error, weighted by `weights`, of seeing `target` in `input`.
    pub(crate) fn learn(&mut self, input: &[f32], target: &[f32], weights: &[f32; WINDOW]) {
        let mut values = vec![input.to_vec()];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut outputs = vec![0.0; layer.biases.len()];
            layer.apply(&values[index], &mut outputs);
            if index + 1 < self.layers.len() {
                for output in &mut outputs {
                    *output = libm::tanhf(*output);
                }
            }
            values.push(outputs);
        }
        let seen = &values[self.layers.len()];
        let error = |((seen, target), weight): ((&f32, &f32), &f32)| weight * (seen - target);
        let mut errors: Vec<f32> = seen.iter().zip(target).zip(weights).map(error).collect();
        for index in (0..self.layers.len()).rev() {
            let (layer, gradient) = (&self.layers[index], &mut self.gradients[index]);
            let inputs = &values[index];
            let mut before = vec![0.0; inputs.len()];
            for (output, &error) in errors.iter().enumerate() {
                gradient.biases[output] += error;
                let row = output * inputs.len()..(output + 1) * inputs.len();
                let gradients = gradient.weights[row.clone()].iter_mut().zip(inputs);
                gradients.for_each(|(gradient, input)| *gradient += error * input);
                let weights = before.iter_mut().zip(&layer.weights[row]);
                weights.for_each(|(before, weight)| *before += error * weight);
            }
            // The slope of tanh is 1 - tanh².
            for (before, value) in before.iter_mut().zip(inputs) {
                *before *= 1.0 - value * value;
            }
            errors = before;
        }
    }

    /// A step of length `rate` along the gradients of the last `count` windows.
    pub(crate) fn step(&mut self, rate: f32, count: usize) {
        self.decayed = [self.decayed[0] * FIRST, self.decayed[1] * SECOND];
        let [first_known, second_known] = self.decayed.map(|decayed| 1.0 - decayed);
        let layers = self.layers.iter_mut().zip(&mut self.gradients);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((layer, gradient), (first, second)) in layers.zip(moments) {
            let weights = layer.weights.iter_mut().chain(&mut layer.biases);
            let gradients = gradient.weights.iter_mut().chain(&mut gradient.biases);
            let first = first.weights.iter_mut().chain(&mut first.biases);
            let second = second.weights.iter_mut().chain(&mut second.biases);
            for ((weight, gradient), (first, second)) in
                weights.zip(gradients).zip(first.zip(second))
            {
                let mean = std::mem::take(gradient) / count as f32;
                *first += (1.0 - FIRST) * (mean - *first);
                *second += (1.0 - SECOND) * (mean * mean - *second);
                let deviation = (*second / second_known).sqrt() + EPSILON;
                *weight -= rate * (*first / first_known) / deviation;
            }
        }
    }
}
