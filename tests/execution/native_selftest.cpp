// The native kernel against plain sums in double, without Python: for processors that
// are only emulated, and compilers that are only tried.
//
//     g++ -std=c++17 -O2 -I dac_lobe/execution/native tests/execution/native_selftest.cpp
//     ./a.out [cases of each kind] [seed]
//
// Shapes and values are drawn. Weights are packed here anew, from the order that the
// kernel's structures state. Exits with 1 if a result is off.

#include "kernel.cpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <thread>

namespace {

typedef std::vector<float> Floats;
typedef std::vector<double> Doubles;

struct Draw {
  std::mt19937 engine;

  long from(std::initializer_list<long> choices) {
    return choices.begin()[engine() % choices.size()];
  }
  long between(long low, long high) { return low + long(engine() % (high - low + 1)); }
  Floats normal(long count, double deviation = 1.0) {
    std::normal_distribution<double> distribution(0.0, deviation);
    Floats values(count);
    for (float& value : values) value = float(distribution(engine));
    return values;
  }
  Floats frequencies(long count) {
    std::uniform_real_distribution<double> distribution(0.1, 4.1);
    Floats values(count);
    for (float& value : values) value = float(distribution(engine));
    return values;
  }
};

// What the kernel takes of a Snake's frequencies.
struct Snake {
  Floats alpha, rate, inverse;

  explicit Snake(Floats frequencies) : alpha(std::move(frequencies)) {
    for (float a : alpha) {
      rate.push_back(float(a / 3.14159265358979323846));
      inverse.push_back(1.0f / (a + 1e-9f));
    }
  }
  Doubles operator()(const Doubles& rows) const {
    Doubles result(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const double a = alpha[i % alpha.size()], s = std::sin(a * rows[i]);
      result[i] = rows[i] + s * s / a;
    }
    return result;
  }
};

// Filters [outputs][inputs][taps] over rows [positions][inputs].
Doubles convolve(const Doubles& rows, long inputs, const Floats& filters, long taps,
                 const Floats& bias, long stride, long dilation, long positions) {
  const long outputs = long(bias.size());
  Doubles result(positions * outputs);
  for (long t = 0; t < positions; ++t) {
    for (long o = 0; o < outputs; ++o) {
      double sum = bias[o];
      for (long k = 0; k < taps; ++k) {
        const double* row = &rows[(t * stride + k * dilation) * inputs];
        for (long i = 0; i < inputs; ++i) {
          sum += row[i] * filters[(o * inputs + i) * taps + k];
        }
      }
      result[t * outputs + o] = sum;
    }
  }
  return result;
}

// [panel][depth][width]
Floats pack(long columns, long depth, const std::function<double(long, long)>& value) {
  Floats packed;
  for (long first = 0; first < columns; first += lobe::kPanel) {
    const long width = std::min<long>(lobe::kPanel, columns - first);
    for (long d = 0; d < depth; ++d) {
      for (long c = 0; c < width; ++c) packed.push_back(float(value(d, first + c)));
    }
  }
  return packed;
}

// How much the `tap`-th tap of a filter counts at a Winograd point, the last of which
// is infinity: the point's power, over the distances from the other points.
double at_point(const Doubles& finite, size_t point, long tap, long taps) {
  if (point == finite.size()) return tap == taps - 1;
  double value = std::pow(finite[point], double(tap));
  for (size_t other = 0; other < finite.size(); ++other) {
    if (other != point) value /= finite[point] - finite[other];
  }
  return value;
}

const Doubles kF47 = {0, 0.4, -0.4, 0.8, -0.8, 1.25, -1.25, 2.5, -2.5};
const Doubles kF32 = {0, 1, -1};
constexpr long kGuard = 16;
constexpr float kUntouched = 7.5f;

// Room for `count` floats between two strips that nobody may write to.
Floats guarded(long count) { return Floats(count + 2 * kGuard, kUntouched); }

// Signal over error in dB; minus infinity if the strips were written to.
double decibels(const Floats& out, const Doubles& truth) {
  double signal = 0.0, noise = 1e-300;
  for (size_t i = 0; i < truth.size(); ++i) {
    const double error = out[kGuard + i] - truth[i];
    signal += truth[i] * truth[i];
    noise += error * error;
  }
  for (long i = 0; i < kGuard; ++i) {
    if (out[i] != kUntouched || out[out.size() - 1 - i] != kUntouched) return -INFINITY;
  }
  return 10.0 * std::log10(signal / noise);
}

Doubles widened(const Floats& values) { return Doubles(values.begin(), values.end()); }

struct Result {
  std::string shape;
  double decibels, wanted;
};

Result residual(Draw& draw, int threads) {
  const long c = draw.from({8, 16, 24, 32, 40, 64, 72, 96});
  const long d = draw.from({1, 2, 3, 9}), n = draw.between(1, 300);
  const Floats rows = draw.normal((n + 6 * d) * c);
  const Floats filters = draw.normal(c * c * 7, std::pow(7.0 * c, -0.5));
  const Floats inner = draw.normal(c * c, std::pow(double(c), -0.5));
  const Floats bias = draw.normal(c), inner_bias = draw.normal(c);
  const Snake first(draw.frequencies(c)), second(draw.frequencies(c));
  const Floats packed = pack(c, lobe::kPoints * c, [&](long depth, long o) {
    double sum = 0.0;
    for (long k = 0; k < 7; ++k) {
      sum += at_point(kF47, depth / c, k, 7) * filters[(o * c + depth % c) * 7 + k];
    }
    return sum;
  });
  const Floats inner_packed =
      pack(c, c, [&](long depth, long o) { return inner[o * c + depth]; });
  Floats out = guarded(n * c);
  const lobe::ResidualUnit unit{rows.data(),         out.data() + kGuard,
                                n,                   c,
                                d,                   first.rate.data(),
                                first.inverse.data(), packed.data(),
                                bias.data(),         second.rate.data(),
                                second.inverse.data(), inner_packed.data(),
                                inner_bias.data()};
  const int failed = dac_lobe_residual(&unit, threads);
  Doubles truth = convolve(first(widened(rows)), c, filters, 7, bias, 1, d, n);
  truth = convolve(second(truth), c, inner, 1, inner_bias, 1, 1, n);
  for (long i = 0; i < n * c; ++i) truth[i] += rows[3 * d * c + i];
  return {"residual unit, " + std::to_string(c) + " channels, dilation " +
              std::to_string(d) + ", " + std::to_string(n) + " outputs",
          failed ? -INFINITY : decibels(out, truth), 105.0};
}

Result convolution(Draw& draw, int threads) {
  const bool snakes = draw.between(0, 1), strided = snakes && draw.between(0, 1);
  const long inputs =
      snakes ? draw.from({8, 16, 24, 64, 104}) : draw.from({1, 2, 3, 8, 20, 64});
  const long columns = strided ? draw.from({8, 24, 40, 72, 264})
                               : draw.from({inputs % 8 ? 8 : 1, 8, 24, 64, 264});
  const long stride = draw.from({1, 2, 3, 5, 8}), n = draw.between(1, 90);
  const long taps = strided || draw.between(0, 1) ? 2 * stride : 7;
  const bool tanh = !strided && draw.between(0, 1);
  const Floats rows = draw.normal(((n - 1) * stride + taps) * inputs);
  const Floats bias = draw.normal(columns);
  const Floats filters =
      draw.normal(columns * inputs * taps, std::pow(double(inputs * taps), -0.5));
  const Snake snake(draw.frequencies(snakes ? inputs : 0));
  const auto weight = [&](long o, long i, long k) {
    return double(filters[(o * inputs + i) * taps + k]);
  };
  const Floats packed =
      strided ? pack(columns, lobe::kTapPoints * stride * inputs,
                     [&](long depth, long o) {
                       const long i = depth % inputs, r = depth / inputs % stride;
                       const size_t point = depth / inputs / stride;
                       return at_point(kF32, point, 0, 2) * weight(o, i, r) +
                              at_point(kF32, point, 1, 2) * weight(o, i, stride + r);
                     })
              : pack(columns, taps * inputs, [&](long depth, long o) {
                  return weight(o, depth % inputs, depth / inputs);
                });
  Floats out = guarded(n * columns);
  const lobe::Convolution described{rows.data(),
                                    out.data() + kGuard,
                                    n,
                                    inputs,
                                    columns,
                                    taps,
                                    stride,
                                    snakes ? snake.rate.data() : nullptr,
                                    snakes ? snake.inverse.data() : nullptr,
                                    packed.data(),
                                    bias.data(),
                                    tanh};
  const int failed = strided ? dac_lobe_strided(&described, threads)
                             : dac_lobe_convolution(&described, threads);
  Doubles truth = widened(rows);
  if (snakes) truth = snake(truth);
  truth = convolve(truth, inputs, filters, taps, bias, stride, 1, n);
  if (tanh) {
    for (double& value : truth) value = std::tanh(value);
  }
  return {std::string(strided ? "strided" : snakes ? "convolution" : "first") + ", " +
              std::to_string(inputs) + " to " + std::to_string(columns) +
              " channels, " + std::to_string(taps) + " taps, stride " +
              std::to_string(stride) + ", " + std::to_string(n) + " outputs",
          failed ? -INFINITY : decibels(out, truth), 110.0};
}

// Counts as infinitely exact if every choice is the nearest to within rounding.
Result search(Draw& draw, int threads) {
  constexpr long kStages = 3;
  const long dimension = draw.from({1, 3, 8, 12}), frames = draw.between(1, 40);
  const long size = draw.from({64, 192, 1024}), codes = size - draw.between(0, 62);
  const long width = kStages * dimension;
  std::vector<Floats> directions(kStages), squares, books, corrections;
  std::vector<lobe::Stage> stages;
  for (long s = 0; s < kStages; ++s) {
    const long later = width - (s + 1) * dimension;
    books.push_back(draw.normal(codes * dimension));
    corrections.push_back(draw.normal(codes * later));
    squares.push_back(Floats(size, INFINITY));
    directions[s].assign(dimension * size, 0.0f);
    for (long code = 0; code < codes; ++code) {
      double length = 0.0, square = 0.0;
      for (long i = 0; i < dimension; ++i) {
        length += std::pow(books[s][code * dimension + i], 2.0);
      }
      for (long i = 0; i < dimension; ++i) {
        const float part = float(books[s][code * dimension + i] / std::sqrt(length));
        directions[s][i * size + code] = part;
        square += double(part) * part;
      }
      squares[s][code] = float(square);
    }
  }
  for (long s = 0; s < kStages; ++s) {
    stages.push_back({dimension, directions[s].data(), squares[s].data(),
                      books[s].data(), corrections[s].data(),
                      width - (s + 1) * dimension});
  }
  const Floats given = draw.normal(frames * width);
  Floats latents = given, vectors(frames * width), gaps(kStages * frames);
  std::vector<int64_t> found(kStages * frames);
  const lobe::Search described{latents.data(), vectors.data(), found.data(),
                               gaps.data(),    stages.data(),  frames,
                               width,          kStages,        size};
  bool right = dac_lobe_search(&described, threads) == 0;
  for (long f = 0; right && f < frames; ++f) {
    Doubles rest(given.begin() + f * width, given.begin() + (f + 1) * width);
    for (long s = 0; right && s < kStages; ++s) {
      const double* here = &rest[s * dimension];
      double length = 0.0, best = -INFINITY, chosen = -INFINITY, next = -INFINITY;
      for (long i = 0; i < dimension; ++i) length += here[i] * here[i];
      const long code = found[s * frames + f];
      right = code >= 0 && code < codes;
      for (long other = 0; right && other < codes; ++other) {
        double cosine = 0.0;
        for (long i = 0; i < dimension; ++i) {
          cosine += here[i] * directions[s][i * size + other] / std::sqrt(length);
        }
        best = std::max(best, cosine);
        if (other == code) {
          chosen = cosine;
        } else {
          next = std::max(next, cosine);
        }
      }
      right = right && chosen >= best - 1e-5;
      if (codes > 1) {
        const double gap = (chosen - next) * std::sqrt(length);
        right = right && std::abs(gap - gaps[s * frames + f]) < 1e-5 * std::sqrt(length);
      }
      for (long i = 0; right && i < dimension; ++i) {
        right = vectors[f * width + s * dimension + i] == books[s][code * dimension + i];
      }
      const long later = stages[s].later;
      for (long i = 0; right && i < later; ++i) {
        rest[(s + 1) * dimension + i] -= corrections[s][code * later + i];
      }
    }
  }
  return {"search, " + std::to_string(codes) + " codes of " +
              std::to_string(dimension) + " dimensions, " + std::to_string(frames) +
              " frames",
          right ? INFINITY : -INFINITY, 0.0};
}

// Threads that each lead a team at the same time: every task of every loop is done once.
bool teams_do_all(int leaders, int threads, long rounds) {
  std::atomic<bool> right{true};
  std::vector<std::thread> crew;
  for (int n = 0; n < leaders; ++n) {
    crew.emplace_back([&] {
      for (long round = 0; round < rounds; ++round) {
        lobe::with_team(threads, [&] {
          for (long tasks = 1; tasks < 40; tasks += 13) {
            std::vector<std::atomic<int>> done(tasks);
            const bool ran = lobe::parallel(tasks, threads, [&](long i) { ++done[i]; });
            for (const auto& times : done) {
              if (!ran || times != 1) right = false;
            }
          }
        });
      }
    });
  }
  for (std::thread& leader : crew) leader.join();
  return right;
}

}  // namespace

int main(int count, char** given) {
  const long cases = count > 1 ? std::atol(given[1]) : 12;
  Draw draw{std::mt19937(count > 2 ? std::atol(given[2]) : 2026)};
  double least = INFINITY;
  bool right = true;
  for (long i = 0; i < cases; ++i) {
    for (const auto kind : {residual, convolution, search}) {
      const int threads = int(draw.between(1, 3));
      const Result result = kind(draw, threads);
      least = std::min(least, result.decibels);
      if (result.decibels >= result.wanted) continue;
      right = false;
      std::printf("%s, %d threads: %.1f dB, %.0f are wanted\n", result.shape.c_str(),
                  threads, result.decibels, result.wanted);
    }
  }
  if (!teams_do_all(3, 3, 40)) {
    right = false;
    std::printf("a team left a task out, or did it twice\n");
  }
  std::printf("%s: %ld cases, at worst %.1f dB\n", dac_lobe_isa(), 3 * cases, least);
  return right ? 0 : 1;
}
