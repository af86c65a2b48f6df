// Vectors of floats, as wide as the instruction set that this file is compiled for.
//
// Everything is written with the vector extension that GCC and Clang share, so
// the same source serves SSE2, AVX2, AVX-512 and NEON. Two widths are used:
// Wide fills a register, Slim divides the channel counts that Wide does not.
#pragma once

#include <cstdint>

#if defined(__AVX__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lobe {

typedef float F4 __attribute__((vector_size(16)));
typedef float F8 __attribute__((vector_size(32)));
typedef float F16 __attribute__((vector_size(64)));

#if defined(__AVX512F__)
typedef F16 Wide;
typedef F8 Slim;
constexpr const char* kIsa = "avx512";
#elif defined(__AVX2__)
typedef F8 Wide;
typedef F8 Slim;
constexpr const char* kIsa = "avx2";
#else
typedef F4 Wide;
typedef F4 Slim;
#if defined(__aarch64__)
constexpr const char* kIsa = "neon";
#else
constexpr const char* kIsa = "baseline";
#endif
#endif

template <class V>
constexpr int kLanes = sizeof(V) / sizeof(float);

// Rows begin anywhere that a float may: loads and stores are unaligned ones.
template <class V>
static inline V load(const float* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof(V));
  return v;
}

template <class V>
static inline void store(float* to, V v) {
  __builtin_memcpy(to, &v, sizeof(V));
}

template <class V>
static inline float sum(V v) {
  float total = 0.0f;
  for (int i = 0; i < kLanes<V>; ++i) total += v[i];
  return total;
}

// Nearest whole number of each lane, ties to even.
static inline F4 nearest(F4 v) {
#if defined(__AVX__)
  return (F4)_mm_round_ps((__m128)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
  return (F4)vrndnq_f32((float32x4_t)v);
#else
  // Adding 1.5 * 2^23 leaves no bits for a fraction. Beyond 2^22 there may be
  // none to begin with; such a lane is taken to be whole.
  const F4 magic = F4{} + 12582912.0f;
  const F4 rounded = (v + magic) - magic;
  const F4 size = v < 0.0f ? -v : v;
  return size < 4194304.0f ? rounded : v;
#endif
}

#if defined(__AVX2__)
static inline F8 nearest(F8 v) {
  return (F8)_mm256_round_ps((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#endif

#if defined(__AVX512F__)
static inline F16 nearest(F16 v) {
  return (F16)_mm512_roundscale_ps((__m512)v,
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#endif

// Snake: x + sin^2(alpha x) / alpha, given rate = alpha / pi and 1 / alpha.
//
// sin^2 has period pi, so with t = alpha x / pi only its distance f from the
// nearest whole number counts, and that subtraction is exact. sin(pi f) / f is
// a polynomial in f^2, fitted on |f| <= 1/2 to a relative error of 5e-9. Zero
// stays zero, and infinity becomes NaN as it does with a library's sine.
template <class V>
static inline V snake(V x, V rate, V inverse) {
  const V t = x * rate;
  const V f = t - nearest(t);
  const V u = f * f;
  V p = u * 0.07756038442458404f - 0.5982421250641554f;
  p = p * u + 2.550069726097351f;
  p = p * u - 5.167709684783542f;
  p = p * u + 3.141592636895125f;
  const V s = p * f;
  return s * s * inverse + x;
}

}  // namespace lobe
