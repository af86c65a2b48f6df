// Winograd's minimal filtering F(4, 7): 4 outputs of a 7-tap filter, 10 products.
//
// Inputs and filter are evaluated as polynomials at 10 points, multiplied point
// by point, and 4 coefficients of the result are recovered. The points are
//
//     0, +-2/5, +-4/5, +-5/4, +-5/2, infinity
//
// Points of opposite sign share the even and the odd part of a polynomial;
// reciprocals keep its powers small, which decides the rounding error (measured
// 116 dB below the output for 64 channels; 110 dB with 0, +-1/2, +-1, +-3/2, +-2).
// The filter's side is computed in double by dac_lobe/execution/native/winograd.py.
//
// The inputs' side multiplies by prod (x - p) over all other finite points p:
//
//     0         prod (x^2 - q^2)            over all four pairs
//     +-a       x (x +- a) prod (x^2 - q^2) over the three other pairs
//     infinity  x prod (x^2 - q^2)          over all four pairs
#pragma once

#include "vectors.h"

namespace lobe {

constexpr int kPoints = 10;
constexpr int kOutputs = 4;

// The pairs, and the coefficients of the product over the three others.
struct Pair {
  float point, c0, c1, c2;  // c0 + c1 x^2 + c2 x^4 + x^6
};
constexpr Pair kPairs[4] = {
    {0.4f, -6.25f, 14.765625f, -8.4525f},
    {0.8f, -1.5625f, 11.015625f, -7.9725f},
    {1.25f, -0.64f, 5.1024f, -7.05f},
    {2.5f, -0.16f, 1.3524f, -2.3625f},
};
// The product over all four: 1 + kOuter x^2 + kMiddle x^4 + kOuter x^6 + x^8.
constexpr float kOuter = -8.6125f;
constexpr float kMiddle = 16.118025f;

// Transform 10 inputs, `step` floats apart, to 10 points, `plane` floats apart.
template <class V>
static inline void transform_inputs(const float* from, long step, float* to,
                                    long plane) {
  V d[kPoints];
  for (int i = 0; i < kPoints; ++i) d[i] = load<V>(from + i * step);
  store(to, (d[0] + d[8]) + kOuter * (d[2] + d[6]) + kMiddle * d[4]);
  for (int i = 0; i < 4; ++i) {
    const Pair& pair = kPairs[i];
    const V even = pair.c0 * d[2] + (pair.c1 * d[4] + (pair.c2 * d[6] + d[8]));
    const V odd = pair.c0 * d[1] + (pair.c1 * d[3] + (pair.c2 * d[5] + d[7]));
    store(to + (1 + 2 * i) * plane, even + pair.point * odd);
    store(to + (2 + 2 * i) * plane, even - pair.point * odd);
  }
  store(to + 9 * plane, (d[1] + d[9]) + kOuter * (d[3] + d[7]) + kMiddle * d[5]);
}

// Recover 4 outputs from the products at 10 points, `plane` floats apart.
template <class V>
static inline void recover_outputs(const float* from, long plane, V* y) {
  y[0] = load<V>(from);
  y[1] = y[2] = V{};
  y[3] = load<V>(from + 9 * plane);
  for (int i = 0; i < 4; ++i) {
    const float p = kPairs[i].point;
    const V plus = load<V>(from + (1 + 2 * i) * plane);
    const V minus = load<V>(from + (2 + 2 * i) * plane);
    const V even = plus + minus;
    const V odd = plus - minus;
    y[0] += even;
    y[1] += p * odd;
    y[2] += (p * p) * even;
    y[3] += (p * p * p) * odd;
  }
}

}  // namespace lobe
