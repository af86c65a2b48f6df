// The residual quantizer's search: for each frame and stage the nearest code.
//
// dac_lobe/execution/tables.py explains the tables. A frame's stages follow each other;
// frames are independent. Distances are computed as the modules compute them,
// |e|^2 - 2 e.c + |c|^2 between unit vectors, codes side by side in the lanes of a
// vector, and the lowest index wins a tie.
#pragma once

#include <algorithm>
#include <cmath>

#include "parallel.h"
#include "vectors.h"

namespace lobe {

struct Stage {
  long dimension;
  const float* directions;   // unit vectors, [dimension, codes]
  const float* squares;      // their squared lengths, [codes]; infinite for padding
  const float* codebook;     // [codes, dimension]
  const float* corrections;  // [codes, later]: what to subtract from later stages
  long later;
};

struct Search {
  float* latents;  // [frames, width]: projected; corrected in place
  float* vectors;  // [frames, width]: the chosen codebook rows
  int64_t* codes;  // [used, frames]
  float* gaps;     // [used, frames]: how much more alike the code is than the next
                   // one; null if nobody asks
  const Stage* stages;
  long frames;
  long width;
  long used;
  long size;  // codes of a codebook, rounded up to a multiple of 64
};

constexpr int kMostDimensions = 64;
constexpr long kSearchFrames = 16;

struct Nearest {
  long code;
  float gap;  // to the next one, of the latents' products with unit vectors
};

static inline Nearest nearest_code(const Stage& stage, const float* latents, long size) {
  constexpr int kW = kLanes<Wide>, kTogether = 4;
  float unit[kMostDimensions];
  float squared = 0.0f;
  for (long i = 0; i < stage.dimension; ++i) squared += latents[i] * latents[i];
  const float length = std::max(std::sqrt(squared), 1e-12f);
  squared = 0.0f;
  for (long i = 0; i < stage.dimension; ++i) {
    unit[i] = latents[i] / length;
    squared += unit[i] * unit[i];
    unit[i] *= 2.0f;
  }
  Wide best[kTogether], next[kTogether], place[kTogether], lane;
  for (int i = 0; i < kW; ++i) lane[i] = static_cast<float>(i);
  for (int j = 0; j < kTogether; ++j) {
    best[j] = next[j] = Wide{} + INFINITY, place[j] = Wide{};
  }
  for (long code = 0; code < size; code += kTogether * kW) {
    Wide products[kTogether] = {};
    for (long i = 0; i < stage.dimension; ++i) {
      for (int j = 0; j < kTogether; ++j) {
        products[j] += unit[i] * load<Wide>(stage.directions + i * size + code + j * kW);
      }
    }
    for (int j = 0; j < kTogether; ++j) {
      const long first = code + j * kW;
      const Wide distance = (squared - products[j]) + load<Wide>(stage.squares + first);
      // Indices as floats: exact up to 2^24, and blended like the distances.
      const Wide index = lane + static_cast<float>(first);
      const Wide farther = distance < best[j] ? best[j] : distance;
      next[j] = farther < next[j] ? farther : next[j];
      place[j] = distance < best[j] ? index : place[j];
      best[j] = distance < best[j] ? distance : best[j];
    }
  }
  // Of the vectors side by side, and then of the lanes of one, the lowest index wins.
  for (int j = 1; j < kTogether; ++j) {
    const auto wins = (best[j] < best[0]) | ((best[j] == best[0]) & (place[j] < place[0]));
    const Wide farther = wins ? best[0] : best[j];
    next[0] = next[j] < next[0] ? next[j] : next[0];
    next[0] = farther < next[0] ? farther : next[0];
    place[0] = wins ? place[j] : place[0];
    best[0] = wins ? best[j] : best[0];
  }
  float nearest = INFINITY, second = INFINITY, found = 0.0f;
  for (int i = 0; i < kW; ++i) {
    const bool tie = best[0][i] == nearest && place[0][i] < found;
    second = std::min({second, next[0][i], std::max(nearest, best[0][i])});
    if (best[0][i] < nearest || tie) nearest = best[0][i], found = place[0][i];
  }
  return {static_cast<long>(found), 0.5f * (second - nearest) * length};
}

static inline bool run_search(const Search& s, int threads) {
  const long blocks = (s.frames + kSearchFrames - 1) / kSearchFrames;
  return parallel(blocks, threads, [&](long block) {
    const long begin = block * kSearchFrames;
    const long end = std::min(begin + kSearchFrames, s.frames);
    // Stage by stage, so that a stage's directions stay in the first-level cache.
    for (long k = 0, column = 0; k < s.used; column += s.stages[k].dimension, ++k) {
      const Stage& stage = s.stages[k];
      for (long frame = begin; frame < end; ++frame) {
        float* latents = s.latents + frame * s.width + column;
        float* vectors = s.vectors + frame * s.width + column;
        const auto [code, gap] = nearest_code(stage, latents, s.size);
        s.codes[k * s.frames + frame] = code;
        if (s.gaps != nullptr) s.gaps[k * s.frames + frame] = gap;
        for (long i = 0; i < stage.dimension; ++i) {
          vectors[i] = stage.codebook[code * stage.dimension + i];
        }
        const float* correction = stage.corrections + code * stage.later;
        float* stop = s.latents + (frame + 1) * s.width;
        for (float* rest = latents + stage.dimension; rest < stop; ++rest) {
          *rest -= *correction++;
        }
      }
    }
  });
}

}  // namespace lobe
