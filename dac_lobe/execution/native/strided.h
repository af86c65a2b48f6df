// Snake and a convolution of two taps, by Winograd's F(3, 2): 3 outputs, 4 products.
//
// A convolution whose kernel is twice its stride s has two taps if s rows in a
// row count as one, a transposed one if its s outputs do (see convolution.h).
// Inputs d0 .. d3 are evaluated at the points 0, 1, -1, infinity; the filter's
// side, dac_lobe/execution/native/winograd.py, carries the signs and the divisors:
//
//     v0 = d2 - d0    v1 = d2 + d1    v2 = d2 - d1    v3 = d3 - d1
//     y0 = m0 + m1 + m2    y1 = m1 - m2    y2 = m1 + m2 + m3
#pragma once

#include "convolution.h"

namespace lobe {

constexpr int kTapPoints = 4;
constexpr int kTapOutputs = 3;

// Tiles of a block: the weights are read once for all of them, and what belongs to them
// stays in the second-level cache.
constexpr long kStridedTiles = 48;

template <class V>
class StridedBlock {
 public:
  explicit StridedBlock(const Convolution& convolution, const Part& part)
      : c_(convolution),
        part_(part),
        begin_(part.begin),
        length_(part.end - part.begin),
        tiles_((length_ + kTapOutputs - 1) / kTapOutputs),
        depth_(c_.stride * c_.inputs),
        plane_(tiles_ * spaced(depth_)),
        panels_(std::min(kGroup, panel_count(c_.columns))) {
    const long rows = (kTapOutputs * tiles_ + 1) * c_.stride;
    snaked_ = scratch().take(rows * c_.inputs + kTapPoints * plane_ +
                             panels_ * kTapPoints * points());
    inputs_ = snaked_ + rows * c_.inputs;
    products_ = inputs_ + kTapPoints * plane_;
  }

  void run() {
    activate();
    transform();
    for (int panel = part_.first; panel < part_.last; panel += panels_) {
      const int count = std::min(panels_, part_.last - panel);
      multiply_points(panel, count);
      for (int j = 0; j < count; ++j) recover(panel + j, j);
    }
  }

 private:
  long points() const { return tiles_ * kPanel; }

  void activate() {
    const long present = (length_ + 1) * c_.stride;
    const long covered = (kTapOutputs * tiles_ + 1) * c_.stride;
    snake_rows<V>(c_.rows + begin_ * depth_, c_.inputs, snaked_, c_.inputs, present,
                  c_.inputs, c_.rate, c_.inverse);
    std::fill(snaked_ + present * c_.inputs, snaked_ + covered * c_.inputs, 0.0f);
  }

  void transform() {
    for (long i = 0; i < tiles_; ++i) {
      const float* from = snaked_ + i * kTapOutputs * depth_;
      float* to = inputs_ + i * spaced(depth_);
      for (long k = 0; k < depth_; k += kLanes<V>) {
        const V d0 = load<V>(from + k), d1 = load<V>(from + depth_ + k);
        const V d2 = load<V>(from + 2 * depth_ + k);
        const V d3 = load<V>(from + 3 * depth_ + k);
        store(to + k, d2 - d0);
        store(to + plane_ + k, d2 + d1);
        store(to + 2 * plane_ + k, d2 - d1);
        store(to + 3 * plane_ + k, d3 - d1);
      }
    }
  }

  void multiply_points(int panel, int count) {
    Panel panels[kGroup];
    for (int p = 0; p < kTapPoints; ++p) {
      for (int j = 0; j < count; ++j) {
        const int width = panel_width(c_.columns, panel + j);
        const float* weights =
            c_.weights + (long{panel + j} * kPanel * kTapPoints + p * width) * depth_;
        float* out = products_ + (j * kTapPoints + p) * points();
        panels[j] = {weights, width, out, kPanel, nullptr, nullptr, 0, nullptr};
      }
      multiply(inputs_ + p * plane_, spaced(depth_), tiles_, depth_, 0, panels, count,
               true, true);
    }
  }

  void recover(int panel, int place) {
    const long column = long{panel} * kPanel;
    for (long k = 0; k < panel_width(c_.columns, panel); k += kLanes<V>) {
      const V bias = load<V>(c_.bias + column + k);
      const float* from = products_ + place * kTapPoints * points() + k;
      float* to = c_.out + begin_ * c_.columns + column + k;
      for (long i = 0; i < tiles_; ++i, from += kPanel) {
        const V m1 = load<V>(from + points()), m2 = load<V>(from + 2 * points());
        const V even = m1 + m2 + bias;
        const V y[kTapOutputs] = {load<V>(from) + even, m1 - m2 + bias,
                                  even + load<V>(from + 3 * points())};
        const long left = std::min<long>(kTapOutputs, length_ - i * kTapOutputs);
        for (long q = 0; q < left; ++q) {
          store(to + (i * kTapOutputs + q) * c_.columns, y[q]);
        }
      }
    }
  }

  const Convolution& c_;
  const Part part_;
  const long begin_, length_, tiles_, depth_, plane_;
  const int panels_;  // whose products are held at once
  float *snaked_, *inputs_, *products_;
};

static inline bool run_strided(const Convolution& c, int threads) {
  const long rows = kTapOutputs * kStridedTiles;
  return run_parts(c, threads, rows, kTapOutputs, [&](const Part& part) {
    if (c.inputs % kLanes<Wide> == 0 && c.columns % kLanes<Wide> == 0) {
      StridedBlock<Wide>(c, part).run();
    } else {
      StridedBlock<Slim>(c, part).run();
    }
  });
}

}  // namespace lobe
