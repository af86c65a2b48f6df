// Snake and a convolution over one block of rows, as products with packed weights.
//
// Rows are channels side by side, so the inputs of an output are `taps` rows one
// after the other, from row `stride` times its number on. A transposed
// convolution of kernel 2 s is a convolution of 2 taps whose rows hold s
// positions; see dac_lobe/execution/native/packing.py.
#pragma once

#include <cmath>

#include "parallel.h"
#include "products.h"
#include "residual.h"

namespace lobe {

struct Convolution {
  const float* rows;  // [(outputs - 1) stride + taps, inputs]
  float* out;         // [outputs, columns]
  long outputs;
  long inputs;   // channels; any number if there is no Snake, else a multiple of 8
  long columns;  // channels after; a multiple of 8, or 1
  long taps;
  long stride;
  const float* rate;  // Snake; null if there is none
  const float* inverse;
  const float* weights;  // [panel][tap][inputs][width]; for one column [tap][inputs]
  const float* bias;
  bool tanh;
};

// Floats of input that a block may hold.
constexpr long kConvolutionFloats = 128 * 1024;

// One output channel: dot products along the rows, four outputs at a time.
template <class V>
static void dot_products(const float* rows, long step, long length, long outputs,
                         const float* weights, float bias, float* out) {
  long t = 0;
  for (; t + 4 <= outputs; t += 4) {
    V sums[4] = {};
    for (long k = 0; k < length; k += kLanes<V>) {
      const V w = load<V>(weights + k);
      for (int i = 0; i < 4; ++i) sums[i] += w * load<V>(rows + (t + i) * step + k);
    }
    for (int i = 0; i < 4; ++i) out[t + i] = bias + sum(sums[i]);
  }
  for (; t < outputs; ++t) {
    V total{};
    for (long k = 0; k < length; k += kLanes<V>) {
      total += load<V>(weights + k) * load<V>(rows + t * step + k);
    }
    out[t] = bias + sum(total);
  }
}

template <class V>
static void convolution_block(const Convolution& c, long begin, long end) {
  const long length = end - begin;
  const long present = (length - 1) * c.stride + c.taps;
  const float* rows = c.rows + begin * c.stride * c.inputs;
  long row_stride = c.inputs;
  if (c.rate != nullptr) {
    if (c.columns != 1) row_stride = spaced(c.inputs);
    float* snaked = scratch().take(present * row_stride);
    snake_rows<V>(rows, c.inputs, snaked, row_stride, present, c.inputs, c.rate,
                  c.inverse);
    rows = snaked;
  }
  float* out = c.out + begin * c.columns;
  if (c.columns == 1) {
    dot_products<V>(rows, c.stride * c.inputs, c.taps * c.inputs, length, c.weights,
                    c.bias[0], out);
  } else {
    const int all = panel_count(c.columns);
    for (int from = 0; from < all; from += kGroup) {
      const int count = std::min(kGroup, all - from);
      Panel panels[kGroup];
      for (int j = 0; j < count; ++j) {
        const long column = long{from + j} * kPanel;
        panels[j] = {c.weights + column * c.taps * c.inputs,
                     panel_width(c.columns, from + j),
                     out + column,
                     c.columns,
                     c.bias + column,
                     nullptr,
                     0};
      }
      for (long tap = 0; tap < c.taps; ++tap) {
        multiply(rows + tap * row_stride, c.stride * row_stride, length, c.inputs,
                 tap * c.inputs, panels, count, tap == 0, tap == c.taps - 1);
      }
    }
  }
  if (c.tanh) {
    for (long i = 0; i < length * c.columns; ++i) out[i] = std::tanh(out[i]);
  }
}

static inline bool run_convolution(const Convolution& c, int threads) {
  long rows = kConvolutionFloats / (c.stride * spaced(c.inputs));
  rows = std::max(rows / kTall, 1L) * kTall;
  const long blocks = (c.outputs + rows - 1) / rows;
  const long rounds = (blocks + threads - 1) / threads * threads;
  rows = (c.outputs + rounds - 1) / rounds;
  return parallel((c.outputs + rows - 1) / rows, threads, [&](long i) {
    const long begin = i * rows, end = std::min(begin + rows, c.outputs);
    if (c.inputs % kLanes<Wide> == 0) {
      convolution_block<Wide>(c, begin, end);
    } else {
      convolution_block<Slim>(c, begin, end);
    }
  });
}

}  // namespace lobe
