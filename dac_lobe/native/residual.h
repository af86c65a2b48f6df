// One residual unit over one block of rows: everything between reading the block
// and writing the result stays in the cache.
//
//     x --snake--> s --inputs--> v --x U[p]--> m --outputs, bias, snake--> h
//     |                                                                    |
//     +------------------------------(+)<------------bias, 1x1-------------+
//
// A dilation d splits time into d interleaved sequences, each an ordinary 7-tap
// filter. Tile (i, r) computes the outputs r + d (4 i + 0 .. 3) of the block.
#pragma once

#include "parallel.h"
#include "products.h"
#include "winograd.h"

namespace lobe {

struct ResidualUnit {
  const float* rows;  // [outputs + 6 dilation, channels]
  float* out;         // [outputs, channels]
  long outputs;
  long channels;  // a multiple of 8
  long dilation;
  const float* rate;       // first Snake
  const float* inverse;
  const float* weights;    // [panel][point][channels][width]
  const float* bias;
  const float* inner_rate;  // second Snake
  const float* inner_inverse;
  const float* inner_weights;  // [panel][channels][width]
  const float* inner_bias;
};

// Floats that a block may use for its transformed inputs.
constexpr long kBlockFloats = 160 * 1024;

// Rows of scratch are a little longer than their channels: at a stride of whole
// pages, the rows of a tile would all compete for the same places in the cache.
static inline long spaced(long channels) { return channels + 16; }

// Apply Snake to `count` rows.
template <class V>
static void snake_rows(const float* from, long from_stride, float* to, long to_stride,
                       long count, long channels, const float* rate,
                       const float* inverse) {
  for (long c = 0; c < channels; c += kLanes<V>) {
    const V r = load<V>(rate + c), i = load<V>(inverse + c);
    for (long t = 0; t < count; ++t) {
      store(to + t * to_stride + c, snake(load<V>(from + t * from_stride + c), r, i));
    }
  }
}

template <class V>
static void residual_block(const ResidualUnit& u, long begin, long end) {
  const long c = u.channels, d = u.dilation, length = end - begin;
  const long groups = (length + kOutputs * d - 1) / (kOutputs * d);
  const long tiles = groups * d;
  const long covered = kOutputs * tiles + 6 * d;  // rows that the tiles look at
  const long present = length + 6 * d;
  const long plane = tiles * spaced(c);
  const int group = static_cast<int>(std::min<long>(kGroup, panel_count(c)));
  const long points = tiles * kPanel;  // products of one panel at one point

  const long snaked_size = covered * c, hidden_size = kOutputs * tiles * spaced(c);
  float* snaked = scratch().take(snaked_size + hidden_size + kPoints * plane +
                                 kPoints * points * group);
  float* hidden = snaked + snaked_size;
  float* inputs = hidden + hidden_size;
  float* products = inputs + kPoints * plane;

  snake_rows<V>(u.rows + begin * c, c, snaked, c, present, c, u.rate, u.inverse);
  std::fill(snaked + present * c, snaked + covered * c, 0.0f);
  for (long i = 0; i < tiles; ++i) {
    const float* from = snaked + (i / d * kOutputs * d + i % d) * c;
    for (long k = 0; k < c; k += kLanes<V>) {
      transform_inputs<V>(from + k, d * c, inputs + i * spaced(c) + k, plane);
    }
  }

  for (int from = 0; from < panel_count(c); from += group) {
    const int count = std::min(group, panel_count(c) - from);
    Panel panels[kGroup];
    for (int p = 0; p < kPoints; ++p) {
      for (int j = 0; j < count; ++j) {
        const int width = panel_width(c, from + j);
        const float* weights =
            u.weights + long{from + j} * kPanel * kPoints * c + p * c * width;
        float* out = products + (j * kPoints + p) * points;
        panels[j] = {weights, width, out, kPanel, nullptr, nullptr, 0};
      }
      multiply(inputs + p * plane, spaced(c), tiles, c, 0, panels, count, true, true);
    }
    for (int j = 0; j < count; ++j) {
      const long column = long{from + j} * kPanel;
      for (long k = 0; k < panel_width(c, from + j); k += kLanes<V>) {
        const V bias = load<V>(u.bias + column + k);
        const V rate = load<V>(u.inner_rate + column + k);
        const V inverse = load<V>(u.inner_inverse + column + k);
        for (long i = 0; i < tiles; ++i) {
          V y[kOutputs];
          recover_outputs(products + j * kPoints * points + i * kPanel + k, points, y);
          const long first = i / d * kOutputs * d + i % d;
          float* to = hidden + first * spaced(c) + column + k;
          for (int q = 0; q < kOutputs; ++q) {
            store(to + q * d * spaced(c), snake(y[q] + bias, rate, inverse));
          }
        }
      }
    }
  }

  const float* middle = u.rows + (begin + 3 * d) * c;
  for (int from = 0; from < panel_count(c); from += group) {
    const int count = std::min(group, panel_count(c) - from);
    Panel panels[kGroup];
    for (int j = 0; j < count; ++j) {
      const long column = long{from + j} * kPanel;
      panels[j] = {u.inner_weights + column * c,
                   panel_width(c, from + j),
                   u.out + begin * c + column,
                   c,
                   u.inner_bias + column,
                   middle + column,
                   c};
    }
    multiply(hidden, spaced(c), length, c, 0, panels, count, true, true);
  }
}

// Rows of a block: as many tiles as the budget allows, and no fewer than make the
// rows that neighbours compute twice (6 dilations) few.
static inline long residual_rows(const ResidualUnit& u, int threads) {
  const long step = kOutputs * u.dilation;
  long rows = kBlockFloats / kPoints / spaced(u.channels) * kOutputs;
  rows = std::max(rows / step, 1L) * step;
  const long blocks = (u.outputs + rows - 1) / rows;
  const long rounds = (blocks + threads - 1) / threads * threads;
  const long even = (u.outputs + rounds - 1) / rounds;
  return (even + step - 1) / step * step;
}

static inline bool run_residual(const ResidualUnit& u, int threads) {
  const long rows = residual_rows(u, threads);
  return parallel((u.outputs + rows - 1) / rows, threads, [&](long i) {
    const long begin = i * rows, end = std::min(begin + rows, u.outputs);
    if (u.channels % kLanes<Wide> == 0) {
      residual_block<Wide>(u, begin, end);
    } else {
      residual_block<Slim>(u, begin, end);
    }
  });
}

}  // namespace lobe
